//! A slot whose owner presses for it, because it has no more room, while totals are just being
//! saved.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use odometer::cli::settings_of;
use odometer::engine::keys::numbers;
use odometer::runtime::checkpoint::{Checkpointer, Request, Schedule};
use odometer::runtime::clock::Clock;
use odometer::runtime::fault::Fault;
use odometer::runtime::prepared::Prepared;
use odometer::runtime::worker::{Command, Handed};
use odometer::store::{Store, StoreOptions};
use odometer::telemetry::metrics::Metrics;

use crate::service::{PATIENCE, wait_until};

/// No checkpoint is due by time in this test.
const NEVER: Duration = Duration::from_secs(1 << 30);
const PRESSED: u8 = 3;

#[test]
fn a_slot_that_is_pressed_for_while_totals_are_saved_is_saved_once_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let pairs = [("store.path", path.to_str().unwrap()), ("fold.worker_threads", "1")];
    let store = Arc::new(Store::open(&path, &StoreOptions::default()).unwrap());
    let metrics = Arc::new(Metrics::new());
    let settings = settings_of(&pairs).unwrap();
    let prepared = Prepared::around(&store, &settings, Clock::System, metrics, Fault::None);
    let Prepared { shared, commands, requests, .. } = prepared.unwrap();
    for slot in numbers(shared.slots) {
        let mut view = (*shared.board.slot(slot)).clone();
        view.ready = true;
        shared.board.announce(slot, view);
    }
    let (compactor, _jobs) = bounded(2);
    let (merger, _looks) = bounded(1);
    let schedule = Schedule {
        interval: NEVER,
        totals_interval: NEVER,
        dead_letters: None,
        embedded: None,
        rejected_bytes_max: 0,
    };
    let checkpointer = Checkpointer::new(Arc::clone(&shared), schedule, compactor, merger).unwrap();

    shared.compacting.set_totals(true);
    shared.press(PRESSED);
    thread::scope(|scope| {
        let ended = scope.spawn(|| checkpointer.run(&requests));
        // What an owner does that has no room: it asks once, and folds nothing until it is saved.
        shared.checkpoints.send(Request::Now { done: None }).unwrap();
        let taken = || !shared.pressed[usize::from(PRESSED)].load(Ordering::Acquire);
        wait_until("the checkpointer to see it", taken);
        shared.compacting.set_totals(false);
        let Ok(Command::Seal { totals_of, reply, .. }) = commands[0].recv_timeout(PATIENCE) else {
            panic!("no checkpoint was taken");
        };
        let wanted = totals_of.clone();
        reply.send(Handed::default()).unwrap();
        shared.checkpoints.send(Request::Stop).unwrap();
        let Ok(Command::Seal { reply, .. }) = commands[0].recv_timeout(PATIENCE) else {
            panic!("no last checkpoint was taken");
        };
        reply.send(Handed::default()).unwrap();
        ended.join().unwrap().unwrap();
        assert_eq!(wanted, [PRESSED]);
    });
}
