//! What is kept event by event is what the scan gives.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::lines::{Line, Price};
use super::world::{DAY, Size, World, world};
use super::*;
use crate::core::aggregate::kept::{Caps, Repair, SetKey};
use crate::core::aggregate::{Frame, stretches};
use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::pricing::{Entries, Quantity, RunningTotals};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::usage::Quantities;

const KEYS: SetKey = SetKey::new([5; 16]);

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

    /// Feeds the events to the buckets that take them.
    fn fed<'e>(
        &self,
        span: &Span<'_>,
        caps: Caps,
        events: impl IntoIterator<Item = &'e Usage<'e>>,
    ) -> Vec<Content> {
        let matcher = Matcher::compile(&self.charge.filters, &self.metric.filters);
        let mut contents: Vec<Content> = self.recipes.iter().map(Content::new).collect();
        let mut taken = Buckets::default();
        for event in events {
            matcher.classify(event.properties, &mut taken);
            for bucket in taken.taken() {
                let at = match bucket {
                    Bucket::Filter(at) => *at,
                    Bucket::Default => self.charge.filters.len(),
                };
                contents[at].add(&self.recipes[at], span, caps, &KEYS, event);
            }
        }
        contents
    }

    /// The events that one of the buckets takes.
    fn own<'e>(&self, at: usize, events: &'e [Usage<'e>]) -> Vec<&'e Usage<'e>> {
        let matcher = Matcher::compile(&self.charge.filters, &self.metric.filters);
        let own = if at < self.charge.filters.len() { Bucket::Filter(at) } else { Bucket::Default };
        let mut taken = Buckets::default();
        let takes = |event: &&Usage<'_>| {
            matcher.classify(event.properties, &mut taken);
            taken.taken().contains(&own)
        };
        events.iter().filter(takes).collect()
    }

    /// Mends a content. Returns whether it had to be.
    fn mend(&self, at: usize, span: &Span<'_>, content: &mut Content, all: &[Usage<'_>]) -> bool {
        let recipe = &self.recipes[at];
        let Some(repair) = content.repair(recipe, span) else { return false };
        let mut bytes = Vec::new();
        content.write_bytes(&mut bytes);
        assert_eq!(Content::read_bytes(&mut &bytes[..]).as_ref(), Some(&*content));
        assert_eq!(self.measured(at, span, content), None, "late");
        content.rewind(recipe, span);
        for event in self.own(at, all) {
            match repair {
                Repair::Anew => content.add(recipe, span, Caps::NONE, &KEYS, event),
                Repair::From(from) if event.timestamp < from => {}
                Repair::From(_) => content.replay(recipe, span, &KEYS, event),
            }
        }
        content.settle(recipe, span);
        true
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

/// Places between two events of which one comes after all others.
const LATE_STEP: usize = 7;

/// How often the figures of a line were compared: in order, in another order, in the next window;
/// and how often a late event had to be mended.
type Seen = RefCell<BTreeMap<Line, [u32; 4]>>;

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
    let in_order = bench.fed(&spans[0], Caps::NONE, &events);
    let jostled = bench.fed(&spans[0], Caps::NONE, jostled(&events, by));
    let mut received: Vec<&Usage<'_>> = events.iter().collect();
    received.sort_by_key(|event| event.position);
    let received = bench.fed(&spans[0], Caps::NONE, received);
    let late = by.iter().sum::<usize>() * LATE_STEP % events.len().max(1);
    let (before, after) = events.split_at(late.min(events.len()));
    let after = after.split_first().map_or((None, after), |(late, after)| (Some(late), after));
    let arrivals = before.iter().chain(after.1).chain(after.0);
    let mut late = bench.fed(&spans[0], Caps::NONE, arrivals);
    let mut count = [0; 4];
    for (at, recipe) in bench.recipes.iter().enumerate() {
        let content = &in_order[at];
        assert!(!content.needs_repair(recipe, &spans[0]), "in order");
        let told = bench.check(at, &spans[0], content, &first[at], "in order");
        count[0] += u32::from(told);
        let request = &world.request;
        let plain = request.group.is_empty() && request.presentation.is_none();
        let tells = plain && !request.skip_grouping && !is_scanned(line);
        assert!(told || !tells || may_be_unclear(line), "not told");
        for (other, what) in [(&jostled[at], "jostled"), (&received[at], "as received")] {
            if bench.check(at, &spans[0], other, &first[at], what) {
                count[1] += 1;
            }
        }
        if bench.mend(at, &spans[0], &mut late[at], &events) {
            assert_eq!(&late[at], content, "mended");
            count[3] += 1;
        }
        bench.check(at, &spans[0], &late[at], &first[at], "with one at the end");
        check_copies(&bench, at, &spans[0], content);

        let before: Vec<Usage<'_>> =
            events.iter().filter(|event| event.timestamp <= to).cloned().collect();
        let Some(rolled) = content.roll(recipe, &spans[0], &spans[1]) else { continue };
        let alone = world.scan(1, &before).measure(&bench.ask()).unwrap();
        bench.check(at, &spans[1], &rolled, &alone[at], "rolled");
        let mut rolled = rolled;
        let later = bench.fed(&spans[1], Caps::NONE, &events);
        bench.check(at, &spans[1], &later[at], &second[at], "later");
        for event in bench.own(at, &events).into_iter().filter(|event| event.timestamp > to) {
            rolled.add(recipe, &spans[1], Caps::NONE, &KEYS, event);
        }
        assert!(!rolled.needs_repair(recipe, &spans[1]), "rolled on");
        let told = bench.check(at, &spans[1], &rolled, &second[at], "rolled on");
        count[2] += u32::from(told);
    }
    let mut seen = seen.borrow_mut();
    let own = seen.entry(line).or_default();
    own.iter_mut().zip(count).for_each(|(all, count)| *all += count);
}

/// Lines that are left to the scan.
fn is_scanned(line: Line) -> bool {
    let by_value = line.aggregation() == Aggregation::UniqueCount;
    by_value && line.prorated && line.price == Price::Split
}

/// Whether, for some events, only a scan tells the figures, whatever order they came in.
fn may_be_unclear(line: Line) -> bool {
    line.aggregation() == Aggregation::UniqueCount && (line.prorated || line.in_advance)
}

/// Whatever the charge, the window, the events and the order they come in: what is kept gives the
/// figures of the scan or says that it cannot, and it can if events come in order.
fn kept_is_scanned(size: Size, worlds: u32) {
    let seen = Seen::default();
    for line in Line::all() {
        let config = Config { cases: worlds, failure_persistence: None, ..Config::default() };
        let strategy = (world(size), prop::collection::vec(0_usize..6, 1..8));
        let outcome = TestRunner::new(config).run(&strategy, |(world, by)| {
            compare(line, &world, &by, &seen);
            Ok(())
        });
        assert!(outcome.is_ok(), "{line:?}: {}", outcome.unwrap_err());
    }
    let mut mended = 0;
    for (line, [in_order, other, rolled, late]) in seen.into_inner() {
        println!("{line:?}: {in_order} in order, {other} otherwise, {rolled} rolled, {late} late");
        mended += late;
        let compared = in_order > 0 && other > 0 && rolled > 0;
        let by_chance = size == Size::Large && may_be_unclear(line);
        assert!(is_scanned(line) != compared || by_chance, "{line:?}");
    }
    assert!(mended > 0, "nothing was late");
}

#[test]
fn few_events_in_any_order() {
    kept_is_scanned(Size::Small, 64);
}

#[test]
fn more_events_than_are_kept_unfolded() {
    kept_is_scanned(Size::Large, 6);
}

/// Contents that were kept under some line.
fn contents(line: Line, world: &World, caps: Caps) -> Vec<Content> {
    let bench = Bench::new(world, line);
    let properties = world.properties();
    let stretches = bench.stretches(0);
    let span = Span { frame: world.frame(0), stretches: &stretches };
    bench.fed(&span, caps, &world.usages(&properties))
}

proptest! {
    #![proptest_config(Config { cases: 16, failure_persistence: None, ..Config::default() })]

    /// Damaged bytes are refused or read as something, and never a panic.
    #[test]
    fn damaged_bytes_are_no_panic(
        world in world(Size::Small), line in prop::sample::select(Line::all()), bit in 0_u32..8,
    ) {
        for content in contents(line, &world, Caps::NONE) {
            let mut bytes = Vec::new();
            content.write_bytes(&mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Content::read_bytes(&mut &bytes[..cut]), None);
            }
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let _ = Content::read_bytes(&mut &flipped[..]);
            }
        }
    }

    /// Over a cap nothing is kept, and nothing is told.
    #[test]
    fn over_a_cap_nothing_is_told(world in world(Size::Large), groups_max in 0_usize..3) {
        let sum = Line { aggregation: "sum_agg", ..COUNT };
        let unique = Line { aggregation: "unique_count_agg", ..COUNT };
        let caps = Caps { groups_max, values_max: 4 };
        for line in [sum, unique] {
            let bench = Bench::new(&world, line);
            let span = Span { frame: world.frame(0), stretches: &[] };
            for (at, content) in contents(line, &world, caps).iter().enumerate() {
                let whole = contents(line, &world, Caps::NONE);
                if content.over_cap() {
                    prop_assert_ne!(content, &whole[at]);
                    prop_assert_eq!(bench.measured(at, &span, content), None);
                    prop_assert!(content.snapshot().over_cap());
                } else {
                    prop_assert_eq!(content, &whole[at]);
                }
            }
        }
    }
}

const COUNT: Line = Line {
    aggregation: "count_agg",
    price: Price::Standard,
    recurring: false,
    prorated: false,
    in_advance: false,
};

/// A content without a cap is dropped by the first group or value beyond the cap, and not before.
#[test]
fn caps_are_met_exactly() {
    let mut properties = Vec::new();
    for text in ["a", "b", "c"] {
        let mut own = PropertiesBuf::new();
        own.push("value", Kind::Text, text);
        own.push("cloud", Kind::Text, text);
        properties.push(own);
    }
    let zone = Zone::UTC;
    let frame = Frame { from: Instant(0), to: Instant(DAY), days: 1, zone: &zone };
    let span = Span { frame, stretches: &[] };
    let over = |line: Line, group_keys: Vec<&'static str>, caps: Caps| {
        let world = World { group_keys, ..World::plain() };
        let (metric, charge) = (world.metric(line), world.charge(line));
        let recipe = recipe(&metric, &charge, None);
        let mut content = Content::new(&recipe);
        let mut over = Vec::new();
        for (own, offset) in properties.iter().zip(0..) {
            let usage = Usage {
                timestamp: Instant(offset),
                position: Position { offset, ..Position::default() },
                transaction: "t",
                properties: own.as_ref(),
                precise_cents: None,
            };
            content.add(&recipe, &span, caps, &KEYS, &usage);
            content.add(&recipe, &span, caps, &KEYS, &usage);
            over.push(content.over_cap());
        }
        over
    };
    let caps = Caps { groups_max: 2, values_max: 2 };
    let unique = Line { aggregation: "unique_count_agg", ..COUNT };
    assert_eq!(over(COUNT, vec!["cloud"], caps), [false, false, true]);
    assert_eq!(over(COUNT, Vec::new(), caps), [false; 3]);
    assert_eq!(over(unique, Vec::new(), caps), [false, false, true]);
    let many_groups = Caps { groups_max: 9, ..caps };
    assert_eq!(over(unique, vec!["cloud"], many_groups), [false, false, true]);
}

/// Millions of buckets count and add up: they are held as small as today.
#[test]
fn common_contents_are_small() {
    assert!(size_of::<Content>() <= 48, "{}", size_of::<Content>());
    let world = World::plain();
    let (metric, charge) = (world.metric(COUNT), world.charge(COUNT));
    let content = Content::new(&recipe(&metric, &charge, None));
    assert_eq!(content.weight(), size_of::<Content>());
    let mut bytes = Vec::new();
    content.write_bytes(&mut bytes);
    assert!(bytes.len() <= 6, "{bytes:?}");
}
