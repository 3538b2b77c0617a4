//! Ordered folds: what waits, what comes late, and how it is mended.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::bytes::{put_at, take_at};
use super::ordered::*;
use super::spent::{Prices, Spent};
use super::summit::Summit;
use super::trial::check_bytes;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::core::pricing::percentage::Percentage;

fn amount(at: i64) -> Amount {
    Amount { at: (Instant(at), Position::default()), value: Decimal::from_i64(at) }
}

#[test]
fn the_oldest_are_handed_over_in_order_and_the_rest_waits() {
    let mut recent = Recent::default();
    let mut folded = Vec::new();
    for at in 0..1_000 {
        // Every pair comes the other way round.
        folded.extend(recent.insert(amount(at ^ 1)));
    }
    assert!(!recent.is_late() && recent.entries().len() >= FOLDED_AT_ONCE);
    folded.extend_from_slice(recent.entries());
    assert_eq!(folded, (0..1_000).map(amount).collect::<Vec<_>>());
}

#[test]
fn an_entry_below_what_is_folded_is_late_for_good() {
    let mut recent = Recent::default();
    for at in 1..=2 * FOLDED_AT_ONCE {
        recent.insert(amount(i64::try_from(at).unwrap() * 2));
    }
    let before = recent.entries().to_vec();
    assert!(recent.insert(amount(1)).is_empty() && recent.is_late());
    assert_eq!(recent.entries(), before);
    recent.insert(amount(10_000));
    assert!(recent.is_late());
}

#[test]
fn entries_out_of_order_are_bytes_that_nobody_wrote() {
    let mut recent = Recent::default();
    recent.insert(amount(1));
    recent.insert(amount(2));
    recent.entries_mut().swap(0, 1);
    let mut out = Vec::new();
    recent.write_bytes(&mut out, put_at);
    assert_eq!(Recent::<Amount>::read_bytes(&mut &out[..], take_at), None);
}

/// Most entries of one fold: enough for several marks.
const ENTRIES_MAX: usize = 2_500;
/// Entries that arrive between two questions.
const BETWEEN: usize = 250;

/// How far behind each entry arrives: mostly hardly, now and then very far.
fn delays() -> impl Strategy<Value = Vec<usize>> {
    let delay = prop_oneof![300 => 0_usize..20, 1 => 100_usize..2_000];
    prop::collection::vec(delay, 1..ENTRIES_MAX)
}

/// Lets entries arrive, mends the fold at every question, and compares it with one in order.
fn check<M>(
    context: &M::Context<'_>,
    delays: &[usize],
    same_state: bool,
) -> Result<(), TestCaseError>
where
    M: Machine<Entry = Amount>,
{
    // Values go up and down, two of a kind at every instant.
    let value = |at: usize| Decimal::from_i64(i64::try_from(at * 37 % 101).unwrap() - 20);
    let entry = |at: usize| {
        let offset = i64::try_from(at).unwrap();
        let position = Position { offset, ..Position::default() };
        Amount { at: (Instant(offset / 2), position), value: value(at) }
    };
    let mut arrivals: Vec<usize> = (0..delays.len()).collect();
    arrivals.sort_by_key(|at| at + delays[*at]);
    let mut kept = Ordered::<M>::default();
    let mut arrived: Vec<usize> = Vec::new();
    for some in arrivals.chunks(BETWEEN) {
        for at in some {
            kept.insert(context, entry(*at));
        }
        arrived.extend(some);
        arrived.sort_unstable();
        if let Some(since) = kept.since(context) {
            check_bytes(&kept, Ordered::write_bytes, Ordered::<M>::read_bytes)?;
            kept.rewind(context);
            let wanted = |entry: &Amount| match since {
                Since::Beginning => true,
                Since::After((at, _)) => entry.at.0 >= at,
            };
            let again = arrived.iter().map(|at| entry(*at)).filter(wanted);
            again.for_each(|entry| kept.replay(context, entry));
            kept.settle();
            prop_assert_eq!(kept.since(context), None);
        }
        let mut right = Ordered::<M>::default();
        for at in &arrived {
            right.insert(context, entry(*at));
        }
        prop_assert_eq!(kept.reading(context), right.reading(context));
        if same_state {
            prop_assert_eq!(&kept, &right);
        }
    }
    check_bytes(&kept, Ordered::write_bytes, Ordered::<M>::read_bytes)
}

fn percentage(free_events: i64, free_units: i64) -> Percentage {
    Percentage {
        rate: Decimal::ONE,
        fixed_amount: Decimal::ONE,
        free_events,
        free_units: Decimal::from_i64(free_units),
        min: Some(Decimal::from_i64(2)),
        max: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever comes late: a fold that is mended from a mark is the fold from the beginning, byte
    /// for byte.
    #[test]
    fn a_mended_fold_is_one_in_order(delays in delays()) {
        check::<Summit>(&(), &delays, true)?;
    }

    /// So it is with one that takes entries in any order after some point, up to which entries
    /// still wait.
    #[test]
    fn what_is_free_is_mended(delays in delays(), events in 0_i64..1_500, units in 0_i64..60_000) {
        let percentage = percentage(events, units);
        let context = Prices { percentage: &percentage, lower: Instant::MIN };
        check::<Spent>(&context, &delays, false)?;
    }
}

/// A fold without marks is packed as it was before there were any.
#[test]
fn older_bytes_are_read() {
    let mut kept = Ordered::<Summit>::default();
    (0..100).for_each(|at| kept.insert(&(), amount(at)));
    let mut out = Vec::new();
    kept.write_bytes(&mut out);
    assert_eq!(out[0], 0);
    let mut older = vec![1];
    kept.reading(&()).write_bytes(&mut older);
    let mut recent = Recent::default();
    recent.insert(amount(100));
    recent.write_bytes(&mut older, put_at);
    let read = Ordered::<Summit>::read_bytes(&mut &older[..]).unwrap();
    assert_eq!(read.since(&()), None);
    assert_eq!(read.reading(&()).entries(), {
        let mut all = Ordered::<Summit>::default();
        (0..=100).for_each(|at| all.insert(&(), amount(at)));
        all.reading(&()).entries()
    });
}
