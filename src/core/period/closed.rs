//! All closed windows of one subscription, through changes of its zone and of its plan's interval
//! (billed windows 2 and 3).

use super::billed::{Billed, CHAIN_END_YEAR, Ending, billed};
use super::window::{LastWindow, Terms, Window};
use super::zone::Zone;
use crate::core::instant::Instant;

/// Ends of one window under two zones lie less than this apart: 26 hours, as zones do (3.6).
const SAME_WINDOW_MICROS: u64 = 26 * 3_600 * 1_000_000;

/// Terms with the log time from which on they were in force. The first ones were in force always.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// From when on.
    pub since: Instant,
    /// The terms, without [`Terms::previous`]; they agree on the start of the subscription.
    pub terms: Terms,
}

/// A window that has closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// The usage window.
    pub window: Window,
    /// Days of the whole period, neither clamped to the start nor cut at the end.
    pub charges_duration: i32,
    /// When it closed: the catalogue of that moment prices it.
    pub closes_at: Instant,
    /// The zone in which it closed.
    pub zone: Zone,
    /// Whether the end of the subscription has cut it short.
    pub is_cut: bool,
}

/// The windows that have closed by an instant, oldest first. They neither overlap nor leave a gap,
/// but for the hour that no period has (3.6).
///
/// A window closes under the terms in force at the midnight after its end. One whose midnight had
/// passed under new terms by the time these came into force closes at that moment.
pub fn closed(stretches: &[Stretch], ending: Ending, until: Instant) -> Vec<Closed> {
    let mut chain = Chain { ending, found: Vec::new(), last: None, before: None };
    for (at, stretch) in stretches.iter().enumerate() {
        let since = if at == 0 { Instant::MIN } else { stretch.since };
        let end = stretches.get(at + 1).map_or(until, |next| next.since.min(until));
        let Some(started_at) = stretch.terms.started_at else { break };
        if chain.close(&stretch.terms, started_at, (since, end)) == Life::Over {
            break;
        }
    }
    chain.found
}

/// Whether windows may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    GoesOn,
    Over,
}

struct Chain {
    ending: Ending,
    found: Vec<Closed>,
    last: Option<LastWindow>,
    /// The last one of another zone than `last`.
    before: Option<LastWindow>,
}

impl Chain {
    /// Adds the windows that close under these terms until they end.
    fn close(
        &mut self,
        terms: &Terms,
        started_at: Instant,
        (since, end): (Instant, Instant),
    ) -> Life {
        let previous = match &self.last {
            Some(last) if last.zone == terms.zone => self.before.clone(),
            last => last.clone(),
        };
        let terms = Terms { previous, ..terms.clone() };
        let grid = terms.charges_grid();
        let from = self.last.as_ref().map_or(started_at, |last| last.to.max(started_at));
        // One earlier: an instant near a boundary may belong to the period before its date's.
        let mut dates = grid.before(grid.holding(terms.zone.date(from)));
        while dates.first.ymd().0 < CHAIN_END_YEAR {
            let whole = terms.window(dates, started_at);
            if self.is_over(whole) {
                return Life::Over;
            }
            let billed = billed(&terms, self.ending, dates, started_at);
            if billed.closes_at > end {
                break;
            }
            dates = grid.after(dates);
            if self.is_new(whole) {
                self.add(billed, whole, &terms.zone, since);
            }
        }
        Life::GoesOn
    }

    /// Whether the subscription had ended when this window began. After a downgrade what little of
    /// the next period its job may have taken is no window.
    fn is_over(&self, whole: Window) -> bool {
        match self.ending {
            Ending::Open => false,
            Ending::Cut(end) => end <= whole.from,
            Ending::Downgraded(end) => {
                let late = end.micros().saturating_sub(whole.from.micros());
                let is_short = late.unsigned_abs() < SAME_WINDOW_MICROS;
                end <= whole.from || (end < whole.to && is_short && self.last.is_some())
            }
        }
    }

    /// Whether the period has not closed yet, be it under another zone.
    fn is_new(&self, whole: Window) -> bool {
        self.last.as_ref().is_none_or(|last| {
            whole.to > last.to && whole.to.micros().abs_diff(last.to.micros()) >= SAME_WINDOW_MICROS
        })
    }

    fn add(&mut self, billed: Billed, whole: Window, zone: &Zone, since: Instant) {
        let mut window = billed.window;
        if let Some(last) = &self.last
            && window.from <= last.to
        {
            window.from = last.to.plus_micros(1);
        }
        if window.is_empty() {
            return;
        }
        if let Some(last) = self.last.take_if(|last| last.zone != *zone) {
            self.before = Some(last);
        }
        self.last = Some(LastWindow { zone: zone.clone(), to: window.to });
        self.found.push(Closed {
            window,
            charges_duration: billed.charges_duration,
            closes_at: billed.closes_at.max(since),
            zone: zone.clone(),
            is_cut: self.ending.at().is_some_and(|end| end <= whole.to),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::catalog::{BillingTime, Interval};
    use crate::core::instant::{MILLISECOND, SECOND};
    use crate::core::period::text::parse;
    use crate::core::period::windows;

    const DAY: i64 = 86_400 * SECOND;

    fn at(text: &str) -> Instant {
        parse(text).expect("an instant")
    }

    fn stretch(since: &str, zone: &str, interval: Interval, started_at: Instant) -> Stretch {
        Stretch {
            since: at(since),
            terms: Terms {
                interval,
                bill_charges_monthly: false,
                billing_time: BillingTime::Calendar,
                subscription_at: started_at,
                started_at: Some(started_at),
                zone: Zone::parse(zone).expect("a zone"),
                previous: None,
            },
        }
    }

    /// From, to and the moment of closing.
    fn listed(stretches: &[Stretch], ending: Ending, until: &str) -> Vec<[String; 3]> {
        let text = |at: Instant| {
            let mut out = String::new();
            crate::core::period::text::write_seconds(&mut out, at).expect("writing to a string");
            out
        };
        let found = closed(stretches, ending, at(until));
        found.iter().map(|c| [c.window.from, c.window.to, c.closes_at].map(text)).collect()
    }

    #[test]
    fn windows_close_at_the_midnight_after_them() {
        let started = at("2025-01-20T08:00:00Z");
        let utc = [stretch("2025-01-01T00:00:00Z", "UTC", Interval::Monthly, started)];
        let january = ["2025-01-20T08:00:00Z", "2025-01-31T23:59:59Z", "2025-02-01T00:00:00Z"];
        assert!(listed(&utc, Ending::Open, "2025-01-31T23:59:59Z").is_empty());
        assert_eq!(listed(&utc, Ending::Open, "2025-02-01T00:00:00Z"), [january]);
        let cut = Ending::Cut(at("2025-02-01T10:00:00Z"));
        let last = ["2025-02-01T00:00:00Z", "2025-02-01T10:00:00Z", "2025-02-01T10:00:00Z"];
        assert_eq!(listed(&utc, cut, "2025-09-01T00:00:00Z"), [january, last]);
        // The job of a downgrade may come a little late.
        for end in ["2025-02-01T00:00:00Z", "2025-02-01T00:10:00Z"] {
            let ending = Ending::Downgraded(at(end));
            assert_eq!(listed(&utc, ending, "2025-09-01T00:00:00Z"), [january], "{end}");
        }
    }

    #[test]
    fn a_changed_zone_takes_over_where_the_last_window_ended() {
        let started = at("2025-04-10T00:00:00Z");
        let zones = [
            stretch("2025-04-01T00:00:00Z", "UTC", Interval::Monthly, started),
            stretch("2025-06-10T12:00:00Z", "America/Los_Angeles", Interval::Monthly, started),
            stretch("2025-07-02T00:00:00Z", "Asia/Tokyo", Interval::Monthly, started),
        ];
        let expected = [
            ["2025-04-10T00:00:00Z", "2025-04-30T23:59:59Z", "2025-05-01T00:00:00Z"],
            ["2025-05-01T00:00:00Z", "2025-05-31T23:59:59Z", "2025-06-01T00:00:00Z"],
            ["2025-06-01T00:00:00Z", "2025-07-01T06:59:59Z", "2025-07-01T07:00:00Z"],
            ["2025-07-01T07:00:00Z", "2025-07-31T14:59:59Z", "2025-07-31T15:00:00Z"],
        ];
        assert_eq!(listed(&zones, Ending::Open, "2025-08-01T00:00:00Z"), expected);
        assert_eq!(listed(&zones, Ending::Open, "2025-07-01T07:00:00Z"), expected[..3]);
    }

    #[test]
    fn a_period_whose_end_has_passed_under_a_new_zone_closes_with_the_change() {
        let started = at("2025-05-01T07:00:00Z");
        let zones = [
            stretch("2025-04-01T00:00:00Z", "America/Los_Angeles", Interval::Monthly, started),
            stretch("2025-06-01T03:00:00Z", "Asia/Tokyo", Interval::Monthly, started),
        ];
        let may = ["2025-05-01T07:00:00Z", "2025-05-31T14:59:59Z", "2025-06-01T03:00:00Z"];
        assert_eq!(listed(&zones, Ending::Open, "2025-06-02T00:00:00Z"), [may]);
        // And one that has closed is not closed again by a zone whose end of it comes later.
        let zones = [
            stretch("2025-04-01T00:00:00Z", "Asia/Tokyo", Interval::Monthly, started),
            stretch("2025-05-31T16:00:00Z", "UTC", Interval::Monthly, started),
        ];
        let expected = [
            ["2025-05-01T07:00:00Z", "2025-05-31T14:59:59Z", "2025-05-31T15:00:00Z"],
            ["2025-05-31T15:00:00Z", "2025-06-30T23:59:59Z", "2025-07-01T00:00:00Z"],
        ];
        assert_eq!(listed(&zones, Ending::Open, "2025-07-02T00:00:00Z"), expected);
    }

    #[test]
    fn another_interval_leaves_no_gap() {
        let started = at("2025-04-10T00:00:00Z");
        let terms = [
            stretch("2025-04-01T00:00:00Z", "UTC", Interval::Monthly, started),
            stretch("2025-05-20T12:00:00Z", "UTC", Interval::Weekly, started),
        ];
        let found = closed(&terms, Ending::Open, at("2025-06-01T00:00:00Z"));
        let tiles = found.windows(2);
        assert!(
            tiles.clone().all(|two| two[1].window.from == two[0].window.to.plus_micros(1)),
            "{found:?}"
        );
        assert!(tiles.clone().all(|two| two[0].closes_at <= two[1].closes_at));
    }

    const ZONES: [&str; 4] = ["UTC", "America/Los_Angeles", "Asia/Tokyo", "Europe/Berlin"];
    const INTERVALS: [Interval; 3] = [Interval::Weekly, Interval::Monthly, Interval::Quarterly];

    proptest! {
        #[test]
        fn windows_tile_a_life_and_agree_with_the_running_one(
            start in 0..400_000_000_i64,
            first in 0..ZONES.len(),
            turns in prop::collection::vec((0..200_i64, 0..86_400_i64, 0..ZONES.len()), 0..4),
            interval in 0..INTERVALS.len(),
            length in 1..900_i64,
        ) {
            let started_at = at("2024-01-01T00:00:00Z").plus_micros(start * MILLISECOND * 50);
            let mut since = started_at;
            let mut stretches = vec![stretch(
                "2023-01-01T00:00:00Z", ZONES[first],
                INTERVALS[interval], started_at,
            )];
            for (days, seconds, zone) in turns {
                since = since.plus_micros(days * DAY + seconds * SECOND);
                let of_zone = |zone| {
                    stretch("2023-01-01T00:00:00Z", zone, INTERVALS[interval], started_at)
                };
                stretches.push(Stretch { since, ..of_zone(ZONES[zone]) });
            }
            let now = since.plus_micros(length * DAY);
            let found = closed(&stretches, Ending::Open, now);
            for two in found.windows(2) {
                // In the zones of this test clocks never change at midnight.
                prop_assert_eq!(two[1].window.from, two[0].window.to.plus_micros(1));
                prop_assert!(two[0].closes_at <= two[1].closes_at);
            }
            for closed in &found {
                prop_assert!(closed.closes_at <= now && closed.window.to < closed.closes_at);
            }
            if let Some(first) = found.first() {
                prop_assert_eq!(first.window.from, started_at);
            }
            if stretches.len() == 1 {
                let plain: Vec<_> = windows(&stretches[0].terms, Ending::Open)
                    .take_while(|billed| billed.closes_at <= now)
                    .map(|billed| (billed.window, billed.closes_at))
                    .collect();
                let found: Vec<_> = found.iter().map(|c| (c.window, c.closes_at)).collect();
                prop_assert_eq!(found, plain);
            }
        }
    }
}
