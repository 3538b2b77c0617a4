//! The worked tables of the specification, and cases beside them.

use super::text::{parse, parse_date};
use super::*;
use crate::core::catalog::{BillingTime, Interval};
use crate::core::instant::Instant;

/// An instant: RFC 3339, or a date or minute of UTC.
fn at(text: &str) -> Instant {
    let rest = match text.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "",
    };
    parse(&format!("{text}{rest}")).unwrap()
}

/// An inclusive end: the last microsecond of a second, of a minute or of a date of UTC.
fn end(text: &str) -> Instant {
    let rest = match text.len() {
        10 => "T23:59:59Z",
        16 => ":59Z",
        _ => "",
    };
    parse(&format!("{text}{rest}")).unwrap().plus_micros(999_999)
}

/// A zone by its name, with or without the continent.
fn zone(name: &str) -> Zone {
    let mut continents = ["", "America/", "Europe/", "Asia/"].into_iter();
    continents.find_map(|continent| Zone::parse(&format!("{continent}{name}"))).unwrap()
}

/// Rows of a table, one a line, with columns parted by spaces.
fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().unwrap())
}

/// Terms from a plan's interval with its marks (`yearly/ann+charges` bills charges monthly), a
/// zone, the anchor and, if it differs, the start.
fn terms(plan: &str, place: &str, subscribed: &str, started: Option<&str>) -> Terms {
    let (plan, marks) = plan.split_once('/').unwrap();
    Terms {
        interval: Interval::from_name(plan).unwrap(),
        bill_charges_monthly: marks.ends_with("+charges"),
        billing_time: if marks.starts_with("cal") {
            BillingTime::Calendar
        } else {
            BillingTime::Anniversary
        },
        subscription_at: at(subscribed),
        started_at: Some(at(started.unwrap_or(subscribed))),
        zone: zone(place),
        previous: None,
    }
}

/// Plan, zone, `subscription_at`, now: from, to, days of the period, issuing date (3.10).
const CURRENT: &str = "
    monthly/cal New_York 2022-01-01 2024-03-15 2024-03-01T05:00 2024-04-01T03:59 31 2024-04-01
    monthly/cal Berlin 2022-01-01 2024-03-31T22:30 2024-03-31T22:00 2024-04-30T21:59 30 2024-04-30
    monthly/ann UTC 2024-01-31 2024-02-15 2024-01-31 2024-02-28 29 2024-02-28
    monthly/ann UTC 2024-01-31 2024-02-29 2024-02-29 2024-03-30 31 2024-03-30
    monthly/ann UTC 2023-01-31 2023-02-28 2023-02-28 2023-03-30 31 2023-03-30
    monthly/ann UTC 2023-01-30 2023-02-28 2023-02-28 2023-03-29 30 2023-03-29
    monthly/ann UTC 2023-01-29 2023-02-28 2023-02-28 2023-03-28 29 2023-03-28
    monthly/ann UTC 2024-01-29 2024-02-28 2024-01-29 2024-02-28 31 2024-02-28
    monthly/ann UTC 2024-01-31 2024-04-30 2024-04-30 2024-05-30 31 2024-05-30
    monthly/ann New_York 2024-01-15T02:00 2024-03-15 2024-03-14T04:00 2024-04-14T03:59 31 2024-04-14
    weekly/cal UTC 2024-01-03 2024-03-14 2024-03-11 2024-03-17 7 2024-03-17
    weekly/ann UTC 2024-01-03 2024-03-12 2024-03-06 2024-03-12 7 2024-03-12
    quarterly/ann UTC 2022-01-31 2022-04-29 2022-01-31 2022-04-29 89 2022-04-29
    quarterly/ann UTC 2022-01-31 2022-05-31 2022-04-30 2022-07-30 92 2022-07-30
    quarterly/ann UTC 2022-11-30 2023-02-28 2023-02-28 2023-05-29 91 2023-05-29
    semiannual/ann UTC 2024-08-31 2025-02-28 2025-02-28 2025-08-30 184 2025-08-30
    semiannual/cal+charges UTC 2024-01-03 2024-08-14 2024-08-01 2024-08-31 31 2024-12-31
    yearly/ann UTC 2024-02-29 2025-02-27 2024-02-29 2025-02-27 365 2025-02-27
    yearly/ann UTC 2024-02-29 2025-02-28 2025-02-28 2026-02-27 365 2026-02-27
    yearly/ann UTC 2024-02-29 2028-02-28 2027-02-28 2028-02-28 366 2028-02-28
    yearly/ann+charges UTC 2022-03-15 2024-08-14 2024-07-15 2024-08-14 31 2025-03-14
";

#[test]
fn current_periods_of_the_verified_table() {
    for row in rows::<8>(CURRENT) {
        let [plan, place, subscribed, today, from, to, days, issuing] = row;
        let period = current(&terms(plan, place, subscribed, None), at(today)).unwrap();
        assert_eq!(period.charges, Window { from: at(from), to: end(to) }, "{row:?}");
        assert_eq!(period.charges_duration.to_string(), days, "{row:?}");
        assert_eq!(Some(period.issuing_date), parse_date(issuing), "{row:?}");
    }
}

#[test]
fn the_anchor_is_the_subscription_and_the_start_only_clamps() {
    let late = terms("monthly/ann", "UTC", "2024-01-10", Some("2024-03-20T12:00:00Z"));
    let period = current(&late, at("2024-03-21")).unwrap();
    assert_eq!(period.charges, Window { from: at("2024-03-20T12:00:00Z"), to: end("2024-04-09") });
    assert_eq!(period.plan.from, at("2024-03-20"));
    assert_eq!(period.charges_duration, 31);
    let west = terms("monthly/cal", "Los_Angeles", "2024-03-10T18:15:30Z", None);
    let period = current(&west, at("2024-03-15")).unwrap();
    let from = at("2024-03-10T18:15:30Z");
    assert_eq!(period.charges, Window { from, to: end("2024-04-01T06:59") });
    assert_eq!(
        (period.charges_duration, period.issuing_date.to_string().as_str()),
        (31, "2024-04-01")
    );
    // Before the start, both ends are the start.
    let before = current(&late, at("2024-02-01")).unwrap().charges;
    assert!(before.is_empty());
    assert_eq!(current(&Terms { started_at: None, ..late }, at("2024-03-21")), None);
}

/// Plan, zone, `subscription_at`, `billing_at`: from, to, days of the period (billed windows 5).
const CLOSED: &str = "
    monthly/cal UTC 2025-01-20T08:00 2025-02-01 2025-01-20T08:00 2025-01-31 31
    monthly/cal Tokyo 2024-11-05 2025-05-31T15:00 2025-04-30T15:00 2025-05-31T14:59 31
    monthly/ann UTC 2024-12-31 2025-03-31 2025-02-28 2025-03-30 31
    weekly/ann UTC 2025-01-02 2025-05-15 2025-05-08 2025-05-14 7
    quarterly/cal UTC 2024-08-10 2025-04-01 2025-01-01 2025-03-31 90
    semiannual/ann UTC 2024-04-15 2025-04-15 2024-10-15 2025-04-14 182
    yearly/ann+charges UTC 2024-06-12 2025-02-12 2025-01-12 2025-02-11 31
    monthly/cal New_York 2024-08-10 2025-06-01T02:00 2025-04-01T04:00 2025-05-01T03:59 30
";

#[test]
fn closed_windows_of_the_worked_table() {
    for row in rows::<7>(CLOSED) {
        let [plan, place, subscribed, billing_at, from, to, days] = row;
        let terms = terms(plan, place, subscribed, None);
        let billed = closed_at(&terms, Ending::Open, false, at(billing_at)).unwrap();
        assert_eq!(billed.window, Window { from: at(from), to: end(to) }, "{row:?}");
        assert_eq!(billed.charges_duration.to_string(), days, "{row:?}");
    }
}

#[test]
fn a_termination_cuts_the_running_period_and_a_downgrade_does_not() {
    let monthly = terms("monthly/cal", "UTC", "2024-08-10", None);
    let to = at("2025-05-18T10:00:00Z");
    let billed = closed_at(&monthly, Ending::Cut(to), false, to).unwrap();
    assert_eq!(billed.window, Window { from: at("2025-05-01"), to });
    assert_eq!((billed.charges_duration, billed.closes_at), (31, to));
    let to = at("2025-06-01T00:10:00Z");
    let billed = closed_at(&monthly, Ending::Downgraded(to), false, to).unwrap();
    assert_eq!(billed.window, Window { from: at("2025-05-01"), to: end("2025-05-31") });
}

#[test]
fn monthly_fixed_charges_close_usage_only_with_the_plan_period() {
    let yearly = terms("yearly/cal", "UTC", "2023-05-01", None);
    assert_eq!(closed_at(&yearly, Ending::Open, true, at("2025-03-01")), None);
    let billed = closed_at(&yearly, Ending::Open, true, at("2025-01-01")).unwrap();
    assert_eq!(billed.window, Window { from: at("2024-01-01"), to: end("2024-12-31") });
    assert_eq!(billed.charges_duration, 366);
    let monthly = terms("weekly/cal", "UTC", "2023-05-01", None);
    assert!(closed_at(&monthly, Ending::Open, true, at("2025-03-17")).is_some());
}

/// Monthly in UTC until May 2025, then in Los Angeles.
fn moved_west() -> Terms {
    let last = LastWindow { zone: Zone::UTC, to: end("2025-05-31") };
    let terms = terms("monthly/cal", "America/Los_Angeles", "2024-08-10", None);
    Terms { previous: Some(last), ..terms }
}

#[test]
fn a_changed_zone_takes_over_where_the_last_window_ended() {
    let moved = moved_west();
    let june = Window { from: at("2025-06-01"), to: end("2025-07-01T06:59:59Z") };
    let billed = closed_at(&moved, Ending::Open, false, at("2025-07-01T07:00:00Z")).unwrap();
    assert_eq!((billed.window, billed.charges_duration), (june, 30));
    assert_eq!(current(&moved, at("2025-06-15")).unwrap().charges, june);
    // Later windows are the new zone's own.
    let july = current(&moved, at("2025-07-15")).unwrap().charges;
    assert_eq!(july.from, at("2025-07-01T07:00:00Z"));
    // An event counts once, on either side of the change.
    assert_eq!(containing(&moved, at("2025-06-01T03:00:00Z")), Some(june));
    let may = Window { from: at("2025-05-01"), to: end("2025-05-31") };
    assert_eq!(containing(&moved, at("2025-05-31T23:30:00Z")), Some(may));
}

#[test]
fn the_chain_passes_a_changed_zone_without_gap_or_overlap() {
    let ending = Ending::Cut(at("2025-07-10"));
    let east = Terms { zone: zone("Tokyo"), ..moved_west() };
    for (moved, june_end) in
        [(moved_west(), "2025-07-01T06:59:59Z"), (east, "2025-06-30T14:59:59Z")]
    {
        let chain: Vec<Billed> = windows(&moved, ending).collect();
        assert_eq!(chain.len(), 12);
        assert_eq!(chain[9].window, Window { from: at("2025-05-01"), to: end("2025-05-31") });
        assert_eq!(chain[10].window, Window { from: at("2025-06-01"), to: end(june_end) });
        assert_eq!(chain[11].window.to, at("2025-07-10"));
        for pair in chain.windows(2) {
            assert_eq!(pair[0].window.to.plus_micros(1), pair[1].window.from);
            assert_eq!(pair[0].closes_at, pair[1].window.from);
        }
    }
}

#[test]
fn the_chain_ends_with_the_subscription() {
    let monthly = terms("monthly/cal", "UTC", "2025-03-20T08:00:00Z", None);
    let ends = |ending| windows(&monthly, ending).map(|b| b.window.to).collect::<Vec<_>>();
    let whole = [end("2025-03-31"), end("2025-04-30")];
    let cut = at("2025-05-18T10:00:00Z");
    assert_eq!(ends(Ending::Cut(cut)), [whole[0], whole[1], cut]);
    assert_eq!(ends(Ending::Downgraded(at("2025-05-01T00:10:00Z"))), whole);
    assert_eq!(ends(Ending::Cut(at("2025-05-01"))), whole);
    assert!(ends(Ending::Cut(at("2025-03-20T08:00:00Z"))).is_empty());
    assert!(windows(&Terms { started_at: None, ..monthly.clone() }, Ending::Open).next().is_none());
    // Without an end it goes on to the end of the calendar, and no further.
    let yearly = Terms { interval: Interval::Yearly, ..monthly };
    assert_eq!(windows(&yearly, Ending::Open).count(), 9_990 - 2_025);
}

#[test]
fn days_are_counted_by_the_local_clock() {
    let berlin = zone("Berlin");
    for (zone, from, to, days) in [
        (&berlin, "2024-02-29T23:00:00Z", "2024-03-31T21:59:59Z", 31),
        (&Zone::UTC, "2024-03-15T09:30:00Z", "2024-03-31T23:59:59Z", 17),
        (&Zone::UTC, "2024-03-15", "2024-03-15", 1),
        (&Zone::UTC, "2024-03-15", "2024-03-16", 2),
        (&Zone::UTC, "2024-03-15T12:00:00Z", "2024-03-15T12:00:00.9Z", 0),
        (&Zone::UTC, "2024-03-16T12:00:00Z", "2024-03-15T11:00:00Z", -1),
    ] {
        assert_eq!(day_diff(zone, at(from), at(to)), days, "{from} {to}");
    }
}

#[test]
fn dates_around_an_instant_are_not_clamped() {
    let late = terms("yearly/cal+charges", "America/New_York", "2022-03-01", None);
    let around = around(&late, at("2022-03-07"));
    assert_eq!(around.current_beginning, at("2022-01-01T05:00:00Z"));
    assert_eq!(around.previous_beginning, at("2021-01-01T05:00:00Z"));
    assert_eq!(around.next_end, end("2023-01-01T04:59:59Z"));
}
