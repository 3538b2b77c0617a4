//! The worked figures of the specification that the golden cases do not hold.

use super::sheet::{DAY, Line, Sheet};
use super::*;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;

fn row(group: &str, units: &str, shown: &str, count: &str) -> [String; 4] {
    [group, units, shown, count].map(str::to_owned)
}

#[test]
fn a_sum_sees_valid_numbers_only() {
    let lines: [Line<'_>; 4] = [
        ((1, 0), &[("v", "5")]),
        ((1, 0), &[("v", "abc")]),
        ((2, 0), &[("v", "-2.5")]),
        ((3, 0), &[]),
    ];
    assert_eq!(Sheet::new(Aggregation::Sum, 0, 31, &lines).whole(), row("", "2.5", "", "2.0"));
}

#[test]
fn unique_values_follow_their_last_operation() {
    let remove = ("operation_type", "remove");
    let lines: [Line<'_>; 6] = [
        ((-20, 0), &[("v", "a")]),
        ((-20, 0), &[("v", "b")]),
        ((2, 0), &[("v", "b"), remove]),
        ((3, 0), &[("v", "c"), remove]),
        ((4, 0), &[("v", "c")]),
        ((4, 0), &[("v", "c")]),
    ];
    let sheet = || Sheet::new(Aggregation::UniqueCount, 0, 31, &lines);
    assert_eq!(sheet().recurring().whole(), row("", "2.0", "", "2.0"));
    assert_eq!(sheet().whole(), row("", "1.0", "", "1.0"));
}

#[test]
fn weighted_sums_are_held_to_the_end_of_the_window() {
    let sheet = |lines| Sheet::new(Aggregation::WeightedSum, 0, 31, lines);
    let raised = sheet(&[((4, 0), &[("v", "2500")])]);
    assert_eq!(raised.whole()[1], "2177.4193548387096774");
    let carried: [Line<'_>; 3] =
        [((-1, 0), &[("v", "10")]), ((10, 0), &[("v", "5")]), ((20, 0), &[("v", "-3")])];
    let mut carried = sheet(&carried).recurring();
    let started_at = Instant(-5 * DAY);
    carried.stints.push(Stint { started_at, ended_at: None, has_previous: false });
    assert_eq!(carried.whole()[1], "12.3225806451612903");
    let total =
        carried.with(|terms, events| aggregate(terms, events).groups[0].total_units.clone());
    assert_eq!(total.map(|total| total.decstr()), Some("12.0".into()));
}

#[test]
fn carries_belong_to_groups_and_to_a_linked_past() {
    // A window of April with a subscription since January: events of December, February and April.
    let lines: [Line<'_>; 3] = [
        ((-102, 0), &[("v", "6"), ("k", "eu")]),
        ((-50, 0), &[("v", "3"), ("k", "us")]),
        ((15, 0), &[("v", "3"), ("k", "us")]),
    ];
    let sheet = |has_previous| {
        let mut sheet = Sheet::new(Aggregation::WeightedSum, 0, 30, &lines).recurring();
        let started_at = Instant(-90 * DAY);
        sheet.stints.push(Stint { started_at, ended_at: None, has_previous });
        sheet
    };
    assert_eq!(sheet(false).whole(), row("", "4.5", "", "1.0"));
    assert_eq!(sheet(true).whole(), row("", "10.5", "", "1.0"));
    assert_eq!(sheet(false).grouped("k").figures(), [row("us", "4.5", "", "1.0")]);
    let both = [row("eu", "6.0", "", "0.0"), row("us", "4.5", "", "1.0")];
    assert_eq!(sheet(true).grouped("k").figures(), both);
}

#[test]
fn prorated_sums_count_the_days_that_remain() {
    let sheet = |days, lines| Sheet::new(Aggregation::Sum, 0, days, lines).prorated();
    assert_eq!(sheet(31, &[((14, 12), &[("v", "5")])]).whole(), row("", "2.74194", "5.0", "1.0"));
    // The fixed scale of the share shows through.
    assert_eq!(sheet(30, &[((25, 0), &[("v", "6")])]).whole(), row("", "1.00001", "6.0", "1.0"));
}

#[test]
fn prorated_unique_counts_count_the_days_of_presence() {
    let remove = ("operation_type", "remove");
    let lines: [Line<'_>; 11] = [
        ((4, 0), &[("v", "A")]),
        ((9, 0), &[("v", "B")]),
        ((19, 12), &[("v", "B"), remove]),
        ((-10, 0), &[("v", "C")]),
        ((11, 0), &[("v", "D")]),
        ((13, 9), &[("v", "D"), remove]),
        ((13, 15), &[("v", "D")]),
        ((14, 6), &[("v", "E")]),
        ((14, 12), &[("v", "E"), remove]),
        ((-9, 0), &[("v", "F")]),
        ((-8, 0), &[("v", "F"), remove]),
    ];
    let sheet = Sheet::new(Aggregation::UniqueCount, 0, 31, &lines).prorated();
    assert_eq!(sheet.whole(), row("", "2.90323", "3.0", "2.90323"));
    // In a group, what ended before the window (F) still counts a day; and without a value for the
    // key, a removal (of D) stands although its value comes back that day.
    let grouped = Sheet::new(Aggregation::UniqueCount, 0, 31, &lines).prorated().grouped("k");
    assert_eq!(grouped.figures(), [row("null", "2.96775", "3.0", "2.96775")]);
}

#[test]
fn charges_in_advance_are_priced_on_the_highest_level() {
    let lines: [Line<'_>; 3] =
        [((1, 0), &[("v", "10")]), ((2, 0), &[("v", "-5")]), ((3, 0), &[("v", "2")])];
    let sheet = || Sheet::new(Aggregation::Sum, 0, 29, &lines).in_advance();
    assert_eq!(sheet().whole(), row("", "10.0", "7.0", "3.0"));
    // Received the other way round, each chains on the first one, whose date is the latest; what is
    // remembered is its level of 2.
    let mut reversed = sheet();
    reversed.lines.reverse();
    assert_eq!(reversed.whole(), row("", "7.0", "7.0", "3.0"));
}

#[test]
fn records_of_values_sent_as_numbers_are_not_found() {
    let lines: [Line<'_>; 4] = [
        ((1, 0), &[("v", "10"), ("k", "#1")]),
        ((2, 0), &[("v", "-5"), ("k", "#1")]),
        ((1, 0), &[("v", "10"), ("k", "a")]),
        ((2, 0), &[("v", "-5"), ("k", "a")]),
    ];
    let sheet = Sheet::new(Aggregation::Sum, 0, 29, &lines).in_advance().grouped("k");
    assert_eq!(sheet.figures(), [row("1", "5.0", "5.0", "2.0"), row("a", "10.0", "5.0", "2.0")]);
}

#[test]
fn prorated_charges_in_advance_keep_what_was_billed() {
    let remove = ("operation_type", "remove");
    // February of a leap year, 29 days: +10 on the 6th, then -5 and +2.
    let lines: [Line<'_>; 3] =
        [((5, 0), &[("v", "10")]), ((9, 0), &[("v", "-5")]), ((9, 12), &[("v", "2")])];
    let sheet = Sheet::new(Aggregation::Sum, 0, 29, &lines).prorated().in_advance();
    assert_eq!(sheet.whole(), row("", "8.27587", "7.0", "3.0"));
    // A seat added on the 23rd pays 7 days, and still does after it is gone.
    let lines: [Line<'_>; 2] = [((22, 12), &[("v", "x")]), ((28, 6), &[("v", "x"), remove])];
    let seat = |lines: &[Line<'_>]| {
        Sheet::new(Aggregation::UniqueCount, 0, 29, lines).prorated().in_advance().whole()
    };
    assert_eq!(seat(&lines[..1])[1..3], ["0.24138".to_owned(), "1.0".to_owned()]);
    assert_eq!(seat(&lines)[1..3], ["0.24138".to_owned(), "0.0".to_owned()]);
}

#[test]
fn levels_chain_on_the_latest_dated_record() {
    let levels = |lines: &[Line<'_>]| {
        let sheet = Sheet::new(Aggregation::Sum, 0, 29, lines).in_advance();
        sheet.with(|terms, events| super::advance::levels(terms, events, None)).unwrap()
    };
    let number = Decimal::from_i64;
    // A negative first event makes the rise above it count, not the level.
    let low = levels(&[((1, 0), &[("v", "-5")]), ((2, 0), &[("v", "3")])]);
    assert_eq!((low.current, low.max), (number(-2), number(3)));
    // The second event is dated first: the third chains on the first again.
    let late = levels(&[((5, 0), &[("v", "4")]), ((1, 0), &[("v", "9")]), ((6, 0), &[("v", "1")])]);
    assert_eq!((late.current, late.max), (number(5), number(5)));
}

#[test]
fn the_latest_breakdown_keeps_the_value_as_sent() {
    let lines: [Line<'_>; 3] = [
        ((1, 0), &[("v", "5"), ("team", "red"), ("k", "n")]),
        ((2, 0), &[("v", "-2"), ("team", "red"), ("k", "s")]),
        ((2, 0), &[("v", "9"), ("team", "blue"), ("k", "n")]),
    ];
    let mut sheet = Sheet::new(Aggregation::Latest, 0, 31, &lines).grouped("team");
    sheet.presentation.push("k".into());
    assert_eq!(sheet.figures(), [row("blue", "9.0", "", "1.0"), row("red", "0.0", "", "2.0")]);
    let shown: Vec<(Group, String)> = sheet.with(|terms, events| {
        let breakdowns = aggregate(terms, events).breakdowns.unwrap();
        breakdowns.into_iter().map(|entry| (entry.group, entry.value.decstr())).collect()
    });
    let group = |a: &str, b: &str| Group(vec![Some(a.into()), Some(b.into())]);
    assert_eq!(shown, [(group("blue", "n"), "9.0".into()), (group("red", "s"), "-2.0".into())]);
}

#[test]
fn a_prorated_list_starts_with_what_all_groups_carried() {
    let lines: [Line<'_>; 5] = [
        ((-5, 0), &[("v", "8"), ("k", "b")]),
        ((10, 0), &[("v", "-3"), ("k", "a")]),
        ((20, 0), &[("v", "1"), ("k", "a")]),
        ((20, 0), &[("v", "1.5"), ("k", "a")]),
        ((21, 0), &[("v", "7"), ("k", "b")]),
    ];
    let sheet = Sheet::new(Aggregation::Sum, 0, 30, &lines).prorated();
    let (keys, group) = (["k".to_owned()], Group(vec![Some("a".into())]));
    let listed = sheet.with(|terms, events| {
        let terms = Terms { only: Some((&keys, &group)), ..terms.clone() };
        list(&terms, events, Listing::default()).unwrap()
    });
    let shown = |list: &[Decimal]| list.iter().map(Decimal::decstr).collect::<Vec<_>>();
    assert_eq!(shown(&listed.full), ["8.0", "-3.0", "1.0", "1.5"]);
    let shares =
        ["8.0", "-2.00000000000000000001", "0.33333333333333333333", "0.499999999999999999995"];
    assert_eq!(shown(&listed.prorated.unwrap()), shares);
}

#[test]
fn running_totals_stop_behind_the_free_amount() {
    let lines: [Line<'_>; 3] =
        [((1, 0), &[("v", "3")]), ((2, 0), &[("v", "4")]), ((3, 0), &[("v", "8")])];
    let totals = |events, total: i64| {
        let mut sheet = Sheet::new(Aggregation::Sum, 0, 31, &lines);
        sheet.allowance = Allowance { events, total: Decimal::from_i64(total) };
        let figures = sheet.with(|terms, events| aggregate(terms, events).groups.remove(0));
        match figures.running_totals {
            Some(RunningTotals::Listed(list)) => list.iter().map(Decimal::decstr).collect(),
            _ => Vec::new(),
        }
    };
    assert_eq!(totals(2, 0), ["3.0", "7.0"]);
    assert_eq!(totals(0, 6), ["3.0", "7.0"]);
    assert_eq!(totals(0, 7), ["3.0", "7.0", "15.0"]);
    assert!(totals(0, 0).is_empty());
}

#[test]
fn dated_entries_follow_their_operations() {
    let remove = ("operation_type", "remove");
    let entries = |lines: &[Line<'_>], aggregation| {
        let sheet = Sheet::new(aggregation, 0, 30, lines).prorated();
        let entries = sheet.with(|terms, events| dated(terms, events).unwrap());
        let entry = |entry: &Dated| {
            let day = entry.date.days() + 1;
            (day, entry.action.name(), entry.amount.decstr(), entry.duration.decstr())
        };
        entries.iter().map(entry).collect::<Vec<_>>()
    };
    let expected = |day, action, amount: &str, duration: &str| {
        (day, action, amount.to_owned(), duration.to_owned())
    };
    let sum: [Line<'_>; 4] = [
        ((-5, 0), &[("v", "8")]),
        ((10, 0), &[("v", "-3")]),
        ((20, 0), &[("v", "1")]),
        ((20, 12), &[("v", "1.5")]),
    ];
    let days = [
        expected(1, "add", "8.0", "30.0"),
        expected(11, "remove", "-3.0", "20.0"),
        expected(21, "add", "2.5", "10.0"),
    ];
    assert_eq!(entries(&sum, Aggregation::Sum), days);
    let unique: [(&[Line<'_>], _); 4] = [
        (&[((-5, 0), &[("v", "x")])], expected(1, "add", "1.0", "30.0")),
        (
            &[((-5, 0), &[("v", "x")]), ((9, 0), &[("v", "x"), remove])],
            expected(10, "remove", "1.0", "10.0"),
        ),
        (
            &[((5, 0), &[("v", "x")]), ((7, 0), &[("v", "x"), remove])],
            expected(6, "add_and_removed", "1.0", "3.0"),
        ),
        (
            &[((1, 0), &[("v", "x")]), ((3, 0), &[("v", "x"), remove]), ((19, 0), &[("v", "x")])],
            expected(2, "add", "1.0", "14.0"),
        ),
    ];
    for (lines, entry) in unique {
        assert_eq!(entries(lines, Aggregation::UniqueCount), [entry]);
    }
}
