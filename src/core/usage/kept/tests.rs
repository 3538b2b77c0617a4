//! What is kept event by event is what the scan gives.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::world::{Line, Price, World, world};
use super::*;
use crate::core::aggregate::kept::{Caps, SetKey};
use crate::core::aggregate::stretches;
use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::pricing::{Entries, Quantity, RunningTotals};
use crate::core::usage::Quantities;

const KEYS: SetKey = SetKey::new([5; 16]);
/// Random worlds per line.
const WORLDS: u32 = 48;

/// A charge in a world, ready to be fed.
struct Bench<'w> {
    world: &'w World,
    metric: BillableMetric,
    charge: Charge,
    recipes: Vec<Recipe>,
}

impl<'w> Bench<'w> {
    fn new(world: &'w World, line: Line) -> Self {
        let (metric, charge) = (world.metric(line), world.charge(line));
        let filters = charge.filters.iter().map(Some).chain([None]);
        let recipes = filters.map(|filter| recipe(&metric, &charge, filter)).collect();
        Self { world, metric, charge, recipes }
    }

    fn stretches(&self, window: usize) -> Vec<(Instant, Instant)> {
        if !self.metric.recurring {
            return Vec::new();
        }
        stretches(&self.world.stints, self.world.frame(window).from)
    }

    fn ask(&self) -> Ask<'_> {
        Ask::new(0, &self.charge, &self.metric, &self.world.request)
    }

    /// Feeds the events to the buckets that take them, up to `to`.
    fn fed<'e>(
        &self,
        span: &Span<'_>,
        to: Instant,
        events: impl IntoIterator<Item = &'e Usage<'e>>,
    ) -> Vec<Content> {
        let matcher = Matcher::compile(&self.charge.filters, &self.metric.filters);
        let mut contents: Vec<Content> = self.recipes.iter().map(Content::new).collect();
        let mut taken = Buckets::default();
        for event in events.into_iter().filter(|event| event.timestamp <= to) {
            matcher.classify(event.properties, &mut taken);
            for bucket in taken.taken() {
                let at = match bucket {
                    Bucket::Filter(at) => *at,
                    Bucket::Default => self.charge.filters.len(),
                };
                contents[at].add(&self.recipes[at], span, Caps::NONE, &KEYS, event);
            }
        }
        contents
    }

    fn measured(&self, at: usize, span: &Span<'_>, content: &Content) -> Option<Measured> {
        let ask = self.ask();
        measure(&self.recipes[at], span, &ask, &ask.buckets[at], Some(content))
    }

    /// Fails unless the content gives the figures of the scan. Returns whether it gives any.
    fn check(
        &self,
        at: usize,
        span: &Span<'_>,
        content: &Content,
        scanned: &Measured,
        what: &str,
    ) -> bool {
        let Some(measured) = self.measured(at, span, content) else { return false };
        let ask = self.ask();
        let model = ask.buckets[at].model;
        assert_eq!(measured.breakdowns, scanned.breakdowns, "{what}");
        let plain = |(group, quantity): &(Option<_>, Quantity)| {
            let mut plain = quantity.clone();
            plain.running_totals = RunningTotals::EMPTY;
            plain.entries = Entries::NONE;
            (group.clone(), plain)
        };
        let priced = |(_, quantity): &(Option<_>, Quantity)| {
            model.price(quantity, self.charge.prorated, Currency::of("EUR"))
        };
        let own: Vec<_> = measured.groups.iter().map(plain).collect();
        let theirs: Vec<_> = scanned.groups.iter().map(plain).collect();
        assert_eq!(own, theirs, "{what}");
        let own: Vec<_> = measured.groups.iter().map(priced).collect();
        let theirs: Vec<_> = scanned.groups.iter().map(priced).collect();
        assert_eq!(own, theirs, "{what}: {measured:?} {scanned:?}");
        true
    }
}

/// Bytes and copies of a content are as good as itself.
fn check_copies(bench: &Bench<'_>, at: usize, span: &Span<'_>, content: &Content) {
    let mut bytes = Vec::new();
    content.write_bytes(&mut bytes);
    let read = Content::read_bytes(&mut &bytes[..]).unwrap();
    assert_eq!(&read, content);
    let mut again = Vec::new();
    read.write_bytes(&mut again);
    assert_eq!(bytes, again);
    let measured = bench.measured(at, span, content);
    assert_eq!(bench.measured(at, span, &content.snapshot()), measured, "snapshot");
    assert_eq!(bench.measured(at, span, &read), measured, "read back");
}

/// Events nearly in order: each may be overtaken by a few.
fn jostled<'e>(events: &'e [Usage<'e>], by: &[usize]) -> Vec<&'e Usage<'e>> {
    let mut places: Vec<(usize, &Usage<'_>)> = events.iter().enumerate().collect();
    let late = |at: usize| at + by.get(at % by.len().max(1)).copied().unwrap_or(0);
    places.sort_by_key(|(at, _)| late(*at));
    places.into_iter().map(|(_, event)| event).collect()
}

/// How often the figures of a line were compared, and how often there were none to compare.
type Seen = RefCell<BTreeMap<Line, [u32; 3]>>;

fn compare(line: Line, world: &World, by: &[usize], seen: &Seen) {
    let bench = Bench::new(world, line);
    let properties = world.properties();
    let events = world.usages(&properties);
    let stretches = [bench.stretches(0), bench.stretches(1)];
    let span = |window: usize| Span { frame: world.frame(window), stretches: &stretches[window] };
    let scanned = |window| world.scan(window, &events).measure(&bench.ask()).unwrap();
    let (first, second) = (scanned(0), scanned(1));
    let spans = [span(0), span(1)];
    let to = spans[0].frame.to;
    let in_order = bench.fed(&spans[0], Instant::MAX, &events);
    let jostled = bench.fed(&spans[0], Instant::MAX, jostled(&events, by));
    let mut received: Vec<&Usage<'_>> = events.iter().collect();
    received.sort_by_key(|event| event.position);
    let received = bench.fed(&spans[0], Instant::MAX, received);
    let mut count = [0; 3];
    for (at, recipe) in bench.recipes.iter().enumerate() {
        let content = &in_order[at];
        assert!(!content.needs_repair(), "in order");
        let told = bench.check(at, &spans[0], content, &first[at], "in order");
        count[0] += u32::from(told);
        for (other, what) in [(&jostled[at], "jostled"), (&received[at], "as received")] {
            if bench.check(at, &spans[0], other, &first[at], what) {
                count[1] += 1;
            }
        }
        check_copies(&bench, at, &spans[0], content);

        let before: Vec<Usage<'_>> =
            events.iter().filter(|event| event.timestamp <= to).cloned().collect();
        let Some(rolled) = content.roll(recipe, &spans[0], &spans[1]) else { continue };
        let alone = world.scan(1, &before).measure(&bench.ask()).unwrap();
        bench.check(at, &spans[1], &rolled, &alone[at], "rolled");
        let mut rolled = rolled;
        let later = bench.fed(&spans[1], Instant::MAX, &events);
        bench.check(at, &spans[1], &later[at], &second[at], "later");
        let matcher = Matcher::compile(&bench.charge.filters, &bench.metric.filters);
        let mut taken = Buckets::default();
        let own =
            if at < bench.charge.filters.len() { Bucket::Filter(at) } else { Bucket::Default };
        for event in events.iter().filter(|event| event.timestamp > to) {
            matcher.classify(event.properties, &mut taken);
            if taken.taken().contains(&own) {
                rolled.add(recipe, &spans[1], Caps::NONE, &KEYS, event);
            }
        }
        assert!(!rolled.needs_repair(), "rolled on");
        let told = bench.check(at, &spans[1], &rolled, &second[at], "rolled on");
        count[2] += u32::from(told);
    }
    let mut seen = seen.borrow_mut();
    let own = seen.entry(line).or_default();
    own.iter_mut().zip(count).for_each(|(all, count)| *all += count);
}

/// Lines that are left to the scan.
fn is_scanned(line: Line) -> bool {
    let in_order = match line.aggregation() {
        Aggregation::Count | Aggregation::Max => {
            matches!(line.price, Price::Bounded | Price::BoundedFree)
        }
        Aggregation::Sum => {
            line.in_advance
                || (line.prorated && line.price == Price::Graduated)
                || (line.price.is_percentage() && line.price != Price::Percentage)
        }
        Aggregation::UniqueCount => {
            line.in_advance
                || line.prorated
                || matches!(line.price, Price::Bounded | Price::BoundedFree)
        }
        Aggregation::WeightedSum => true,
        Aggregation::Latest => false,
    };
    in_order
}

/// Whatever the charge, the window, the events and the order they come in: what is kept gives the
/// figures of the scan or says that it cannot, and it can if events come in order.
#[test]
fn kept_is_scanned() {
    let seen = Seen::default();
    for line in Line::all() {
        let config = Config { cases: WORLDS, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        let strategy = (world(), prop::collection::vec(0_usize..6, 1..8));
        let outcome = runner.run(&strategy, |(world, by)| {
            compare(line, &world, &by, &seen);
            Ok(())
        });
        assert!(outcome.is_ok(), "{line:?}: {}", outcome.unwrap_err());
    }
    for (line, [in_order, other, rolled]) in seen.into_inner() {
        println!("{line:?}: {in_order} in order, {other} otherwise, {rolled} rolled");
        assert!(is_scanned(line) != (in_order > 0 && other > 0), "{line:?}");
    }
}
