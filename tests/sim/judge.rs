//! After every step: what is kept of every subscription, what a scan of the ledger says of it, and
//! what the oracle says.
//!
//! It only looks, so that it moves nothing: no account is wanted back or stays in memory for it, no
//! window is opened, no command of a worker overtakes another. What cannot be known without that,
//! because a slot is not back or totals have to be rebuilt, is left to the readers whom the dice
//! send.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use odometer::core::usage::{Quantities, UsageError};
use odometer::engine::account::{Account, Known};
use odometer::engine::progress::Progress;
use odometer::engine::totals::Cells;
use odometer::http::print_current_usage;
use odometer::runtime::scan::settle;
use odometer::runtime::target::{Kept, Target};
use odometer::runtime::usages::{Question as Asked, Usages};
use odometer::runtime::worker::CutAccount;

use crate::check::{self, Broken};
use crate::feed::Feed;
use crate::fired::Fired;
use crate::machine::Machine;
use crate::model::Model;
use crate::oracle::{Expected, Question, answer};

/// Subscriptions of every organisation.
const SUBSCRIPTIONS: usize = 2;
/// What is counted whenever it is compared.
const TOTALS: &str = "totals compared after a step";
const SCAN: &str = "a scan compared after a step";

/// An answer that nobody asked for.
struct Seen {
    from: &'static str,
    progress: Progress,
    body: Result<String, UsageError>,
}

/// Knows what the oracle said last of each subscription: most steps change nothing of it.
#[derive(Default)]
pub struct Judge(HashMap<(usize, usize), (Moment, Expected)>);

/// What the oracle decides by, beside the subscription.
#[derive(PartialEq)]
struct Moment {
    version: u64,
    now: i64,
    progress: Progress,
}

impl Judge {
    /// Compares what can be seen of every subscription with what the oracle says of it, at the
    /// offsets that it reflects.
    pub fn judge(
        &mut self,
        machine: &mut Machine,
        (model, feed): (&Model, &Feed),
        fired: &mut Fired,
    ) -> Result<(), Broken> {
        let version = machine.shared.catalogue.version();
        let snapshot = &feed.snapshots[usize::try_from(version).unwrap()];
        for (organization, name) in feed.names.iter().enumerate() {
            let Some(tenant) = &snapshot.tenants[organization] else { continue };
            for subscription in 0..SUBSCRIPTIONS {
                let mut question = Question::plain();
                question.customer = format!("customer-{subscription}");
                question.subscription = Some(format!("sub-{subscription}"));
                let now = feed.now(organization);
                let mut expected = |progress: &Progress| {
                    let moment = Moment { version, now, progress: progress.clone() };
                    self.last((organization, subscription), moment, || {
                        let events = model.events(organization, progress);
                        answer(tenant, &snapshot.zones[organization], &events, &question, now)
                    })
                };
                let asked = check::asked(name, &question, Some(now));
                let target = match Usages::new(Arc::clone(&machine.shared)).target(&asked) {
                    Ok(target) => target,
                    Err(refusal) => {
                        check::refusal(&refusal, &expected(&Progress::default()))?;
                        continue;
                    }
                };
                for seen in look(machine, &target, &asked)? {
                    seen.compare(&asked, &expected(&seen.progress))?;
                    fired.note(seen.from);
                }
            }
        }
        Ok(())
    }

    /// What the oracle says of a subscription, asked again only if the moment is another.
    fn last(
        &mut self,
        subscription: (usize, usize),
        moment: Moment,
        ask: impl FnOnce() -> Expected,
    ) -> Expected {
        if let Some((_, known)) = self.0.get(&subscription).filter(|(at, _)| *at == moment) {
            return known.clone();
        }
        let expected = ask();
        self.0.insert(subscription, (moment, expected.clone()));
        expected
    }
}

impl Seen {
    fn compare(&self, asked: &Asked, expected: &Expected) -> Result<(), Broken> {
        let Self { from, progress, body } = self;
        if expected.status == 200 && body.as_ref() == Ok(&expected.body) {
            return Ok(());
        }
        Err(format!(
            "{from}: {asked:?}, {progress:?}\n  says      {body:?}\n  should be {expected:?}"
        ))
    }
}

/// What can be seen of a subscription.
fn look(machine: &mut Machine, target: &Target, asked: &Asked) -> Result<Vec<Seen>, Broken> {
    let kept = kept(machine, target, asked)?;
    let scanned = scanned(machine, target, asked)?;
    Ok(kept.into_iter().chain(scanned).collect())
}

/// From the totals, if there are any of the window.
fn kept(machine: &Machine, target: &Target, asked: &Asked) -> Result<Option<Seen>, Broken> {
    let shared = &machine.shared;
    let frame = &target.resolved.frame;
    if !target.is_kept() || !shared.board.is_back(target.slot, target.key) {
        return Ok(None);
    }
    let cells = |account: &Account| match account.known(frame, target.window) {
        Known::Nothing => Some(Cells::default()),
        Known::Totals(totals) => Some(totals.cells.snapshot()),
        Known::Unknown => None,
    };
    let cells = match shared.board.peek(target.key, cells) {
        Some(cells) => cells,
        None if shared.is_away(target.slot, target.key).map_err(|e| e.to_string())? => None,
        None => Some(Cells::default()),
    };
    let Some(cells) = cells else { return Ok(None) };
    let source = Kept { cells: &cells, target, lacks: Cell::default() };
    let body = print(target, asked, &source);
    let progress = (*shared.board.slot(target.slot).progress).clone();
    Ok((!source.lacks.get()).then_some(Seen { from: TOTALS, progress, body }))
}

/// From the events, if the slot is back.
fn scanned(machine: &mut Machine, target: &Target, asked: &Asked) -> Result<Option<Seen>, Broken> {
    let Some(CutAccount { cut, progress, .. }) = machine.cut(target.slot, target.key) else {
        return Ok(None);
    };
    let shared = &machine.shared;
    let events = cut.events(&shared.store, target.key);
    let mut events = events.map_err(|error| error.to_string())?;
    if let Some(ingestion) = &target.resolved.frame.ingestion {
        events.retain_mut(|event| settle(ingestion, event));
    }
    let body =
        target.scanned(&events, shared.scan_limits, |window, _| print(target, asked, window));
    Ok(Some(Seen { from: SCAN, progress: (*progress).clone(), body }))
}

fn print(target: &Target, asked: &Asked, source: &dyn Quantities) -> Result<String, UsageError> {
    Ok(print_current_usage(&target.compute(&asked.request, source)?))
}
