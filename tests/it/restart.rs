//! Whatever happens to the service and in whatever order, every answer is that of a scan over all
//! records: late and future events, duplicates, changes of the catalogue, months that end, clean
//! restarts and crashes.

use odometer::core::catalog::record::Body;
use odometer::core::period::Window;
use odometer::runtime::worker::Command;
use proptest::prelude::*;
use serde_json::json;

use crate::restart_steps::{ChargeSpec, EventSpec, RecordSpec, charge_spec, step};
use crate::restart_world::{Tuning, World};
use crate::usage_inputs::instant;

fn tuning() -> impl Strategy<Value = Tuning> {
    let checkpoint = prop_oneof![Just(10_u64), Just(50), Just(3_600_000)];
    let groups = prop_oneof![Just(2_usize), Just(10_000)];
    let batch = prop_oneof![Just(1_usize), Just(7), Just(10_000)];
    (checkpoint, groups, batch).prop_map(|(checkpoint_ms, groups_soft_max, batch_events_max)| {
        Tuning { checkpoint_ms, groups_soft_max, batch_events_max, ..Tuning::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn answers_are_those_of_a_scan(
        tuning in tuning(),
        charges in prop::collection::vec(charge_spec(), 12),
        steps in prop::collection::vec(step(), 8..26),
    ) {
        let mut world = World::new(&tuning, &charges);
        world.verify("the start");
        for (number, step) in steps.iter().enumerate() {
            world.happen(step);
            world.verify(&format!("step {number} {step:?}"));
        }
    }
}

/// Windows that are kept answer for themselves; usage since the start spans several of them.
#[test]
fn usage_since_the_start_counts_every_month() {
    let spec = ChargeSpec { metric: 1, ..plain() };
    let mut world = World::new(&Tuning::default(), &vec![spec; 12]);
    for days in [-40, -1] {
        world.records(&[RecordSpec::One(usage(1, days))]);
        world.verify("an event");
    }
}

/// A window that was asked for under other rules is not kept beside the one that took its place.
#[test]
fn a_back_dated_subscription_counts_later_events() {
    let spec = ChargeSpec { metric: 1, ..plain() };
    let mut world = World::new(&Tuning::default(), &vec![spec; 12]);
    world.subscribe(0, 2, 24 * 5);
    let event = |days| RecordSpec::One(EventSpec { subscription: 2, ..usage(1, days) });
    world.records(&[event(-1)]);
    world.verify("an event");
    let place = world.active(0, 2).unwrap();
    let row = &mut world.oracle.tenants[0].rows[place];
    let to = instant(&json!("2024-03-15T03:59:59.999999Z")).unwrap();
    let asked = Window { from: row.started_at.unwrap(), to };
    row.started_at = instant(&json!("2024-02-10T00:00:00Z"));
    let row = row.clone();
    world.put(0, vec![Body::Subscription(row)]);
    // A reader that looked just before the change asks for the window it saw.
    let shared = &world.service.running().service.shared;
    let (slot, account) = shared.account("org-a", Some("sub-2"));
    shared.owner(slot).send(Command::Rebuild(slot, account, asked)).unwrap();
    world.verify("the change");
    world.records(&[event(-2)]);
    world.verify("an event in both windows");
}

/// An event that was set aside is accepted when its organisation appears, and not only with the
/// next batch.
#[test]
fn events_that_were_set_aside_are_taken_in_at_once() {
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    let event = EventSpec { organization: 1, ..usage(0, -1) };
    world.records(&[RecordSpec::One(event)]);
    world.verify("an event of an unknown organisation");
    world.appear(1);
    world.verify("its appearance");
}

/// A charge on the first metric without anything special.
pub fn plain() -> ChargeSpec {
    ChargeSpec {
        metric: 0,
        model: 6,
        filters: 0,
        groups: 0,
        shown: false,
        prorated: false,
        in_advance: false,
    }
}

/// An event of the first subscription of the first organisation.
pub fn usage(metric: usize, days: i64) -> EventSpec {
    EventSpec {
        organization: 0,
        subscription: 0,
        transaction: usize::try_from(days + 1_000).unwrap(),
        metric,
        seconds: days * 86_400,
        micros: 0,
        value: 12,
        region: 0,
        team: 0,
        user: 1,
    }
}
