//! What must hold after every step.

use std::collections::BTreeSet;

use odometer::core::instant::Instant;
use odometer::core::position::Source;
use odometer::core::usage::Request;
use odometer::core::usage::{CurrentUsage, Quantities, UsageError};
use odometer::engine::counters::Counters;
use odometer::engine::keys::numbers;
use odometer::engine::progress::Progress;
use odometer::http::print_current_usage;
use odometer::runtime::target::Target;
use odometer::runtime::usages::{self, Reflects, Refusal};
use odometer::runtime::verify::Subject;
use odometer::runtime::view::{Current, View};

use crate::cases::Dice;
use crate::feed::Feed;
use crate::machine::{Machine, Site};
use crate::model::{Expected, Model, Refused};
use crate::oracle::{self, Question, answer};

/// What does not hold.
pub type Broken = String;

/// A current usage from the events alone: what is kept of them is left aside.
struct Scanned(fn(&CurrentUsage<'_>) -> String);

impl View for Scanned {
    type Body = String;

    fn mark(&self, _: &Target) -> String {
        "scanned".to_owned()
    }

    fn reads_totals(&self, _: &Target) -> bool {
        false
    }

    fn body(
        &self,
        target: &Target,
        request: &Request,
        window: &dyn Quantities,
        _: &dyn Quantities,
    ) -> Result<String, UsageError> {
        Ok((self.0)(&target.compute(request, window)?))
    }
}

/// Every record is accounted for, once, and the right copies count.
pub fn conserved(machine: &Machine, model: &Model, feed: &Feed) -> Result<(), Broken> {
    let book = machine.shared.catalogue.book();
    let known = |organization: usize| book.tenant(&feed.names[organization]).is_some();
    for slot in numbers(machine.shared.slots) {
        let view = machine.shared.board.slot(slot);
        if !view.ready {
            continue;
        }
        let expected = model.expected(slot, &view.progress, known);
        let Counters { accepted, duplicate, replaced, rejected, set_aside } = view.counters;
        let found = Expected {
            transactions: accepted + set_aside,
            // Whoever is to be told that an organisation has appeared may not know yet.
            aside: if machine.is_quiet() { set_aside } else { expected.aside },
            copies: duplicate + replaced,
            rejected,
            digest: view.digest,
        };
        if found != expected {
            return Err(format!(
                "slot {slot} at {:?}\n  says      {found:?}\n  should be {expected:?}",
                view.progress
            ));
        }
    }
    Ok(())
}

/// The refused records that are stored, and those that have left or will, are those of the heads.
pub fn refused(machine: &Machine, model: &Model, site: &Site) -> Result<(), Broken> {
    let store = &machine.shared.store;
    let expected = model.all_refused(&machine.durable());
    let place = |source: &str, offset: i64, index: u32, reason: &str| -> Refused {
        let partition = source.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        (partition.unwrap_or(u16::MAX), offset, index, reason.to_owned())
    };
    let page = store.rejected(0, usize::MAX).map_err(|error| error.to_string())?;
    let kept = page.entries.iter();
    let kept = kept.map(|(_, r)| place(&r.source, r.offset, r.index, &r.reason));
    let (count, kept) = (page.entries.len(), kept.collect::<BTreeSet<_>>());
    if kept != expected || count != expected.len() {
        return Err(format!("refused {expected:?}, {count} are stored: {kept:?}"));
    }
    let first = store.outbox_state().first;
    let waiting = store.outbox(first, usize::MAX, usize::MAX).map_err(|e| e.to_string())?;
    let left = site.sent.lock().unwrap().clone();
    let sent = left.iter().chain(waiting.iter().map(|(_, entry)| entry)).map(|entry| {
        let header = |name: &str| -> &str {
            let found = entry.headers.iter().find(|(own, _)| own == name);
            found.and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or_default()
        };
        let number = |name| header(name).parse::<i64>().unwrap_or(-1);
        let index = u32::try_from(number("odometer-index")).unwrap_or(u32::MAX);
        place(
            header("odometer-source"),
            number("odometer-offset"),
            index,
            header("odometer-reason"),
        )
    });
    let sent: BTreeSet<Refused> = sent.collect();
    if sent != expected {
        return Err(format!("refused {expected:?}, dead letters {sent:?}"));
    }
    Ok(())
}

/// What the store has saved is what a fold of its ledger gives.
pub fn verified(machine: &Machine, site: &Site) -> Result<(), Broken> {
    let store = std::sync::Arc::clone(&machine.shared.store);
    let subject = Subject::around(store, &site.settings).map_err(|error| error.to_string())?;
    let findings = subject.verify(1);
    if findings.differing == 0 {
        return Ok(());
    }
    let told: Vec<String> = findings.differences.iter().map(ToString::to_string).collect();
    Err(format!("the store is not what it says: {}", told.join("; ")))
}

/// Nothing that was called durable is gone.
pub fn kept(acknowledged: &[Progress], durable: &[Progress]) -> Result<(), Broken> {
    for (slot, (before, after)) in acknowledged.iter().zip(durable).enumerate() {
        let gone = before.iter().find(|reached| after.next(reached.source) < reached.next);
        if let Some(gone) = gone {
            return Err(format!("slot {slot} was durable up to {gone:?} and is at {after:?}"));
        }
    }
    Ok(())
}

/// A question as the service is asked it; without a moment it is about now.
pub fn asked(organization: &str, question: &Question, now: Option<i64>) -> usages::Question {
    usages::Question {
        organization: organization.to_owned(),
        customer: question.customer.clone(),
        subscription: question.subscription.clone(),
        request: Request {
            selection: None,
            group: question.group.clone(),
            presentation: None,
            skip_grouping: question.skip_grouping,
            apply_taxes: question.apply_taxes,
        },
        full_usage: false,
        offsets: Vec::new(),
        wait: None,
        max_staleness: None,
        now: now.map(Instant),
    }
}

/// A question is refused for the reason that the oracle gives.
pub fn refusal(refusal: &Refusal, expected: &oracle::Expected) -> Result<(), Broken> {
    match (refusal, expected.status) {
        (Refusal::CustomerNotFound, 404) | (Refusal::NoActiveSubscription, 405) => Ok(()),
        _ => Err(format!("{refusal}, but expected {expected:?}")),
    }
}

/// The kept totals, a scan of the ledger and the oracle say the same of one subscription, at the
/// offsets that each answer says it reflects. Returns the answer.
pub fn answered(
    machine: &mut Machine,
    model: &Model,
    feed: &Feed,
    organization: usize,
    question: &Question,
) -> Result<String, Broken> {
    let version = usize::try_from(machine.shared.catalogue.version()).unwrap();
    let snapshot = &feed.snapshots[version];
    let Some(tenant) = &snapshot.tenants[organization] else { return Ok("unknown".to_owned()) };
    let asked = asked(&feed.names[organization], question, None);
    let now = machine.now().micros();
    let mut shown = String::new();
    for scanned in [false, true] {
        let answered = if scanned {
            machine.ask(&asked, &Scanned(print_current_usage))
        } else {
            machine.ask(&asked, &Current(print_current_usage))
        };
        let progress = match &answered {
            Ok((Reflects { progress, .. }, _)) => (**progress).clone(),
            Err(_) => Progress::default(),
        };
        let events = model.events(organization, &progress);
        let zones = &snapshot.zones[organization];
        let expected = answer(tenant, zones, &events, question, now);
        shown = match answered {
            Ok((_, body)) => body.unwrap_or_default(),
            Err(refused) => return refusal(&refused, &expected).map(|()| String::new()),
        };
        if shown != expected.body {
            let way = if scanned { "a scan" } else { "the totals" };
            return Err(format!(
                "{way} of {} at {now}, {question:?}, {} events, {progress:?}\n  \
                 say       {shown}\n  \
                 should be {}",
                asked.organization,
                events.len(),
                expected.body
            ));
        }
    }
    Ok(shown)
}

/// A question about one of the subscriptions.
pub fn question(dice: &mut Dice) -> Question {
    let other = usize::from(dice.percent(25));
    let mut question = Question::plain();
    question.customer = format!("customer-{other}");
    question.subscription = Some(format!("sub-{other}"));
    question.apply_taxes = dice.percent(80);
    question.skip_grouping = dice.percent(10);
    if dice.percent(15) {
        question.group = vec![("team".to_owned(), vec!["x".to_owned()])];
    }
    question
}

/// Whether every slot has applied all of the log.
pub fn is_through(machine: &Machine, site: &Site, source: impl Fn(u16) -> Source) -> bool {
    let partitions = 0..site.events.len();
    numbers(machine.shared.slots).all(|slot| {
        let view = machine.shared.board.slot(slot);
        let through = |partition: usize| {
            let own = source(u16::try_from(partition).unwrap());
            view.progress.next(own) >= site.events.end(partition)
        };
        view.ready && partitions.clone().all(through)
    })
}
