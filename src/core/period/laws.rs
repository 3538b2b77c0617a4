//! What must hold for the windows of every subscription.

use proptest::prelude::*;

use super::*;
use crate::core::catalog::{BillingTime, Interval};
use crate::core::instant::Instant;

const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kiritimati",
];

fn any_terms() -> impl Strategy<Value = Terms> {
    let names = ["weekly", "monthly", "quarterly", "semiannual", "yearly"];
    // 1985 to 2040.
    let instants = 473_385_600_000_000..2_208_988_800_000_000_i64;
    let start =
        instants.clone().prop_flat_map(move |subscribed| (Just(subscribed), instants.clone()));
    (prop::sample::select(&ZONES[..]), 0..5_usize, any::<bool>(), any::<bool>(), start).prop_map(
        move |(zone, interval, calendar, bill_charges_monthly, (subscribed, started))| Terms {
            interval: Interval::from_name(names[interval]).unwrap(),
            bill_charges_monthly,
            billing_time: if calendar { BillingTime::Calendar } else { BillingTime::Anniversary },
            subscription_at: Instant(subscribed),
            started_at: Some(Instant(started)),
            zone: Zone::parse(zone).unwrap(),
            previous: None,
        },
    )
}

/// Whether the clocks repeat a time within the hours before or after an instant.
fn near_a_repeated_hour(zone: &Zone, at: Instant) -> bool {
    let hours = 3 * 3_600 * 1_000_000;
    zone.offset_seconds(at.plus_micros(-hours)) > zone.offset_seconds(at.plus_micros(hours))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn windows_follow_one_another(terms in any_terms()) {
        let started_at = terms.started_at.unwrap();
        let chain: Vec<Billed> = windows(&terms, Ending::Open).take(60).collect();
        if !near_a_repeated_hour(&terms.zone, started_at) {
            prop_assert_eq!(chain[0].window.from, started_at);
        }
        for pair in chain.windows(2) {
            let gap = pair[1].window.from.micros() - pair[0].window.to.micros() - 1;
            prop_assert_eq!(pair[0].closes_at, pair[1].window.from);
            if near_a_repeated_hour(&terms.zone, pair[1].window.from) {
                prop_assert!((0..=3_600_000_000).contains(&gap), "{:?}", pair);
            } else {
                prop_assert_eq!(gap, 0, "{:?}", pair);
            }
        }
    }

    #[test]
    fn an_instant_is_in_its_window(terms in any_terms(), after in 0..1_500_000_000_000_000_i64) {
        let at = terms.started_at.unwrap().plus_micros(after);
        match containing(&terms, at) {
            Some(window) => {
                prop_assert!(window.holds(at));
                let listed = windows(&terms, Ending::Open).find(|billed| billed.window.to >= at);
                prop_assert_eq!(listed.map(|billed| billed.window), Some(window));
            }
            None => prop_assert!(near_a_repeated_hour(&terms.zone, at)),
        }
        let before = Instant(terms.started_at.unwrap().floor_ms().micros() - 1 - after);
        prop_assert_eq!(containing(&terms, before), None);
    }

    #[test]
    fn the_ends_of_a_window_are_in_it(terms in any_terms(), nth in 0..40_usize) {
        let billed = windows(&terms, Ending::Open).nth(nth).unwrap();
        for at in [billed.window.from, billed.window.to] {
            prop_assert_eq!(containing(&terms, at), Some(billed.window));
        }
        prop_assert_eq!(current(&terms, billed.window.to).unwrap().charges, billed.window);
        let closed = closed_at(&terms, Ending::Open, false, billed.closes_at).unwrap();
        prop_assert_eq!(closed, billed);
    }

    #[test]
    fn no_instant_is_too_far(terms in any_terms(), start: i64, anchor: i64, at: i64) {
        let far = Terms {
            subscription_at: Instant(anchor),
            started_at: Some(Instant(start)),
            ..terms
        };
        for at in [Instant(at), Instant::MIN, Instant::MAX] {
            let _ = containing(&far, at);
            let _ = around(&far, at);
            let _ = day_diff(&far.zone, Instant(start), at);
            let _ = closed_at(&far, Ending::Cut(Instant(anchor)), true, at);
            prop_assert!(current(&far, at).unwrap().charges.from >= Instant(start));
        }
        let _ = windows(&far, Ending::Open).take(3).count();
    }
}
