//! Rows that fill tiers: what the scan gives, whatever comes and goes between them.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::key::SetKey;
use super::latest::At;
use super::presence::{Days, Operation};
use super::rows::{Rows, Table};
use super::steps::Steps;
use super::trial::{self, MARCH, check_bytes};
use crate::core::aggregate::frame::Frame;
use crate::core::aggregate::sheet::{DAY, HOUR};
use crate::core::aggregate::{Listing, Terms, list, unique};
use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::pricing::{Entries, Model, ModelKind, Quantity};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::value::Value;

const SECRET: SetKey = SetKey::new([5; 16]);

/// A table with tiers of these widths, each beginning where the one before ends or one unit later.
fn table(tiers: &[(u32, bool)]) -> Model {
    let mut from = 0;
    let prices = ["6", "2.5", "0", "11", "1"].into_iter().cycle();
    let mut rows: Vec<Value> = Vec::new();
    let ends = tiers.iter().map(|(width, touches)| Some((width, touches))).chain([None]);
    for (end, price) in ends.zip(prices) {
        let to = end.map(|(width, _)| from + width);
        let members = [
            ("from_value", Value::Number(from.to_string())),
            ("to_value", to.map_or(Value::Null, |to| Value::Number(to.to_string()))),
            ("per_unit_amount", Value::Text(price.to_owned())),
            ("flat_amount", Value::Text("3".to_owned())),
        ];
        rows.push(Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into()));
        from = to.unwrap_or(0) + end.map_or(0, |(_, touches)| u32::from(!touches));
    }
    let properties = Value::Object(vec![("graduated_ranges".to_owned(), Value::List(rows))]);
    Model::from_properties(ModelKind::Graduated, &properties)
}

fn tables() -> impl Strategy<Value = Model> {
    prop::collection::vec((2_u32..6, any::<bool>()), 0..4).prop_map(|tiers| table(&tiers))
}

fn steps(model: &Model) -> Steps {
    let Model::Graduated(graduated) = model else { unreachable!("tables are of one kind") };
    Steps::of(&graduated.ranges).unwrap()
}

/// Operations on a few values, now and then on a missing one.
fn properties() -> impl Strategy<Value = PropertiesBuf> {
    let one = |texts: &[&'static str]| prop::sample::select(texts.to_vec());
    let values = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "-"];
    (one(&values), one(&["add", "add", "remove"])).prop_map(|(value, operation)| {
        let mut properties = PropertiesBuf::new();
        if value != "-" {
            properties.push("v", Kind::Text, value);
        }
        properties.push("operation_type", Kind::Text, operation);
        properties
    })
}

fn add(rows: &mut Rows, table: &Table<'_>, event: &Usage<'_>) {
    let value = event.properties.text("v");
    let operation = Operation {
        value: SECRET.text(value),
        at: (event.timestamp, event.position),
        adds: unique::adds(event),
        yields: value.is_some(),
    };
    rows.add(table, &operation, value);
}

fn priced(model: &Model, entries: Entries) -> Decimal {
    let mut quantity = Quantity::new(Aggregation::UniqueCount, Decimal::ONE);
    quantity.entries = entries;
    model.price(&quantity, true, Currency::of("EUR")).amount
}

/// The rows give the price of the scan over the same events, however it is read.
fn check(
    rows: &Rows,
    model: &Model,
    terms: &Terms<'_>,
    events: &[&Usage<'_>],
) -> Result<(), TestCaseError> {
    let listed = list(terms, events, Listing::default()).unwrap();
    let scanned = Entries::Listed { full: listed.full, prorated: listed.prorated.unwrap() };
    let scanned = priced(model, scanned);
    let own = rows.entries().map(|entries| priced(model, entries));
    prop_assert_eq!(own.as_ref(), Some(&scanned));
    let copy = rows.snapshot().entries().map(|entries| priced(model, entries));
    prop_assert_eq!(copy, Some(scanned));
    check_bytes(rows, Rows::write_bytes, Rows::read_bytes)
}

/// Whether values come in order: those of which two events change places are another matter.
fn in_order(arrivals: &[&Usage<'_>]) -> bool {
    let at = |event: &&Usage<'_>| -> At { (event.timestamp, event.position) };
    arrivals.iter().enumerate().all(|(index, event)| {
        let value = event.properties.text("v");
        let earlier = &arrivals[..index];
        earlier.iter().all(|other| other.properties.text("v") != value || at(other) < at(event))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// In order and nearly so, in one window and rolled over from the one before.
    #[test]
    fn rows_are_those_of_the_scan(
        trial in trial::trial_of(Aggregation::UniqueCount, properties()),
        model in tables(), back in 1_i64..5,
    ) {
        let mut trial = trial;
        trial.sheet = trial.sheet.prorated();
        trial.check(|terms, events, arrivals| {
            let steps = steps(&model);
            let days = |frame| Days { frame, grouped: false };
            let table = Table { days: days(&terms.frame), steps: &steps };
            let mut rows = Rows::new();
            for (index, event) in events.iter().enumerate() {
                add(&mut rows, &table, event);
                if index % 23 == 0 {
                    check(&rows, &model, terms, &events[..=index])?;
                }
            }
            check(&rows, &model, terms, events)?;
            if in_order(arrivals) {
                let mut other = Rows::new();
                for event in arrivals {
                    add(&mut other, &table, event);
                }
                prop_assert_eq!(&other, &rows);
            }
            // The window before ends within the events.
            let mut before = terms.frame.clone();
            before.from = terms.frame.from.plus_micros(-29 * DAY);
            before.to = terms.frame.from.plus_micros(-1);
            let old = Table { days: days(&before), steps: &steps };
            let first = events.partition_point(|event| event.timestamp <= before.to);
            // Of events around the turn some come after others, of other values.
            let early = first.saturating_sub(usize::try_from(back).unwrap());
            let (past, rest) = events.split_at(early);
            let mut rows = Rows::new();
            for event in past {
                add(&mut rows, &old, event);
            }
            let mut rows = rows.roll(&table);
            let near = |event: &&&Usage<'_>| event.timestamp >= before.to.plus_micros(-DAY);
            if !rest.iter().take(first - early).all(|event| near(&event)) {
                return Ok(());
            }
            for event in rest {
                add(&mut rows, &table, event);
            }
            prop_assert!(!rows.is_late());
            check(&rows, &model, terms, events)
        })?;
    }
}

/// A value and an operation at some hour.
fn event(properties: &mut Vec<(i64, PropertiesBuf)>, hour: i64, value: &str, operation: &str) {
    let mut own = PropertiesBuf::new();
    own.push("v", Kind::Text, value);
    own.push("operation_type", Kind::Text, operation);
    properties.push((hour * HOUR, own));
}

fn fold(rows: &mut Rows, table: &Table<'_>, events: &[(i64, PropertiesBuf)]) {
    for ((at, properties), offset) in events.iter().zip(0..) {
        add(
            rows,
            table,
            &Usage {
                timestamp: Instant(MARCH * DAY + at),
                position: Position { offset, ..Position::default() },
                transaction: "t",
                properties: properties.as_ref(),
                precise_cents: None,
            },
        );
    }
}

fn march(zone: &Zone) -> Frame<'_> {
    let to = Instant((MARCH + 31) * DAY - 1);
    Frame { from: Instant(MARCH * DAY), to, days: 31, zone }
}

/// An addition that takes back a removal of the same day moves all rows in between. If these are
/// very many they walk again when somebody asks, and no event is needed for that.
#[test]
fn a_removal_taken_back_behind_many_rows_needs_no_event() {
    let model = table(&[(5, false), (300, true)]);
    let zone = Zone::UTC;
    let (steps, frame) = (steps(&model), march(&zone));
    let table = Table { days: Days { frame: &frame, grouped: false }, steps: &steps };
    let mut events = Vec::new();
    event(&mut events, 30, "x", "add");
    event(&mut events, 50, "x", "remove");
    for number in 0..2_000 {
        event(&mut events, 51, &format!("{number:04}"), "add");
    }
    let mut without = events.clone();
    without.remove(1);
    event(&mut events, 52, "x", "add");
    let mut rows = Rows::new();
    fold(&mut rows, &table, &events);
    assert!(rows.is_stale() && !rows.is_late() && rows.entries().is_none());
    rows.walk_again(&steps);
    let mut right = Rows::new();
    fold(&mut right, &table, &without);
    assert!(!right.is_stale());
    assert_eq!(rows.entries(), right.entries());
}

/// A value that returns on the day of its removal is counted from its first addition on, so that
/// removals of others take from it: those after that addition, but not those before it.
#[test]
fn a_unit_that_returns_in_the_next_window_meets_the_removals_after_it() {
    let model = table(&[(4, true)]);
    let zone = Zone::UTC;
    let (steps, before) = (steps(&model), march(&zone));
    let mut after = before.clone();
    (after.from, after.to) = (before.to.plus_micros(1), before.to.plus_micros(30 * DAY));
    let old = Table { days: Days { frame: &before, grouped: false }, steps: &steps };
    let new = Table { days: Days { frame: &after, grouped: false }, steps: &steps };
    let mut past = Vec::new();
    event(&mut past, 23, "first", "add");
    event(&mut past, 24, "first", "remove");
    event(&mut past, 48, "second", "add");
    event(&mut past, 49, "returning", "add");
    event(&mut past, 50, "second", "remove");
    for value in ["a", "b", "c", "d"] {
        event(&mut past, 51, value, "add");
    }
    event(&mut past, 30 * 24, "returning", "remove");
    let mut back = Vec::new();
    event(&mut back, 30 * 24 + 1, "returning", "add");
    let mut rows = Rows::new();
    fold(&mut rows, &old, &past);
    let mut rolled = rows.roll(&new);
    fold(&mut rolled, &new, &back);
    // The same, had it come before the turn.
    fold(&mut rows, &old, &back);
    assert_eq!(rolled.entries(), rows.roll(&new).entries());
    let Some(Entries::Filled(filled)) = rolled.entries() else { unreachable!("rows are walked") };
    assert_eq!((filled.units, filled.peak), (Decimal::from(5_u64), Decimal::from(4_u64)));
}

/// What comes and goes for months leaves no more rows behind than there are values present, as
/// many removals at most, and those of the last two days.
#[test]
fn rows_of_long_ago_do_not_pile_up() {
    let model = table(&[(5, false)]);
    let zone = Zone::UTC;
    let (steps, mut frame) = (steps(&model), march(&zone));
    let mut rows = Rows::new();
    for month in 0..24 {
        let mut events = Vec::new();
        for day in month * 31..month * 31 + 30 {
            for value in ["a", "b", "c"] {
                event(&mut events, day * 24, value, "add");
                event(&mut events, day * 24 + 5, value, "remove");
            }
        }
        event(&mut events, (month * 31 + 30) * 24, &month.to_string(), "add");
        let old = Table { days: Days { frame: &frame, grouped: false }, steps: &steps };
        fold(&mut rows, &old, &events);
        let mut next = frame.clone();
        next.from = frame.from.plus_micros(31 * DAY);
        next.to = frame.to.plus_micros(31 * DAY);
        rows = rows.roll(&Table { days: Days { frame: &next, grouped: false }, steps: &steps });
        frame = next;
    }
    assert!(rows.len() <= 24 * 2 + 2 * 2 * 3, "{}", rows.len());
    // What lies before is not known any more.
    let mut late = Vec::new();
    event(&mut late, 12, "late", "add");
    let table = Table { days: Days { frame: &frame, grouped: false }, steps: &steps };
    fold(&mut rows, &table, &late);
    assert!(rows.is_late() && rows.entries().is_none());
}

/// Tables with fractions, gaps or no open end are left to the scan.
#[test]
fn only_whole_bounds_are_steps() {
    let of = |bounds: &[(&str, &str)]| {
        let bound = |text: &str| match text {
            "" => Value::Null,
            _ => Value::Number(text.to_owned()),
        };
        let row = |(from, to): &(&str, &str)| {
            let members = [("from_value", bound(from)), ("to_value", bound(to))];
            Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
        };
        let rows = Value::List(bounds.iter().map(row).collect());
        let properties = Value::Object(vec![("graduated_ranges".to_owned(), rows)]);
        let Model::Graduated(graduated) = Model::from_properties(ModelKind::Graduated, &properties)
        else {
            unreachable!("graduated")
        };
        Steps::of(&graduated.ranges).is_some()
    };
    assert!(of(&[]) && of(&[("0", "")]) && of(&[("1", "5"), ("5", "7"), ("8", "")]));
    for refused in [
        &[("0", "2.5"), ("2.5", "")][..],
        &[("0", "5"), ("7", "")],
        &[("2", "")],
        &[("0", "5")],
        &[("0", ""), ("1", "")],
        &[("0", "0"), ("1", "")],
        &[("-1", "")],
    ] {
        assert!(!of(refused), "{refused:?}");
    }
}
