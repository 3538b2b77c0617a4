//! How far a subscription has come towards its usage thresholds (specification 8.3).

use crate::core::catalog::Echo;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::instant::Instant;
use crate::core::value::Value;

/// The member of a plan that holds its thresholds.
pub const USAGE_THRESHOLDS: &str = "usage_thresholds";
/// Most completed steps of a recurring threshold that are listed, the newest ones: a small step may
/// have been completed any number of times.
pub const STEPS_MAX: i64 = 20;

/// An amount of usage that somebody wants to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The amount, or the step beyond the largest amount; more than 0.
    pub amount_cents: i64,
    /// Whether it is a step that recurs.
    pub recurring: bool,
}

/// How far one threshold is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The amount.
    pub amount_cents: i64,
    /// The part of the way from the amount before it, 1 once it is reached.
    pub ratio: Double,
    /// When it was reached; none if it is not.
    pub reached_at: Option<Instant>,
}

/// The thresholds that a plan's members hold.
pub fn thresholds_of(echo: &Echo) -> Vec<Threshold> {
    let rows = echo.get(USAGE_THRESHOLDS).as_list().unwrap_or_default();
    let read = |row: &Value| {
        let Value::Number(text) = row.get("amount_cents") else { return None };
        let amount_cents = Decimal::parse_literal(text)?.trunc_i64()?;
        Some(Threshold { amount_cents, recurring: *row.get("recurring") == Value::Bool(true) })
    };
    rows.iter().filter_map(read).filter(|threshold| threshold.amount_cents > 0).collect()
}

/// The amounts of the fixed thresholds in ascending order, and the step of the recurring one.
fn parts(thresholds: &[Threshold]) -> (Vec<i64>, Option<i64>) {
    let fixed = thresholds.iter().filter(|threshold| !threshold.recurring);
    let mut fixed: Vec<i64> = fixed.map(|threshold| threshold.amount_cents).collect();
    fixed.sort_unstable();
    let step = thresholds.iter().find(|threshold| threshold.recurring);
    (fixed, step.map(|step| step.amount_cents))
}

/// The amounts that are reached when a total goes from one value to another, ascending: those after
/// the first and up to the second. Of a recurring threshold the newest `STEPS_MAX`.
pub fn crossed(thresholds: &[Threshold], from: i64, to: i64) -> Vec<i64> {
    let (fixed, step) = parts(thresholds);
    let last = fixed.last().copied().unwrap_or(0);
    let mut amounts: Vec<i64> =
        fixed.into_iter().filter(|amount| from < *amount && *amount <= to).collect();
    amounts.extend(steps(last, step, to).filter(|amount| from < *amount));
    amounts
}

/// The newest completed steps beyond the largest fixed amount.
fn steps(last: i64, step: Option<i64>, total: i64) -> impl Iterator<Item = i64> {
    let step = step.unwrap_or(0);
    let completed = total.saturating_sub(last).max(0).checked_div(step).unwrap_or(0);
    let first = completed.saturating_sub(STEPS_MAX).max(0) + 1;
    (first..=completed).map(move |k| last.saturating_add(k.saturating_mul(step)))
}

/// The list of the answer. `reached_at` tells when an amount was reached.
pub fn completions(
    thresholds: &[Threshold],
    total: i64,
    reached_at: impl Fn(i64) -> Option<Instant>,
) -> Vec<Completion> {
    let (fixed, step) = parts(thresholds);
    let (mut passed, mut unreached) = (0, false);
    let whole = Double::from_i64(1);
    let reached = |amount_cents| Completion {
        amount_cents,
        ratio: whole,
        reached_at: reached_at(amount_cents),
    };
    let open = |amount_cents, ratio| Completion { amount_cents, ratio, reached_at: None };
    let mut list = Vec::with_capacity(fixed.len() + 1);
    for amount in &fixed {
        if *amount <= total {
            list.push(reached(*amount));
            passed = *amount;
        } else if unreached {
            list.push(open(*amount, Double::ZERO));
        } else {
            unreached = true;
            let way = amount.saturating_sub(passed);
            list.push(open(*amount, Double::ratio(total.saturating_sub(passed).max(0), way)));
        }
    }
    let Some(step) = step else { return list };
    let last = fixed.last().copied().unwrap_or(0);
    if unreached {
        list.push(open(last.saturating_add(step), Double::ZERO));
        return list;
    }
    list.extend(steps(last, Some(step), total).map(reached));
    let rest = last.saturating_add(total).checked_rem_euclid(step).unwrap_or(0);
    let next = total.saturating_sub(rest).saturating_add(step);
    list.push(open(next, Double::ratio(rest, step)));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(fixed: &[i64], step: Option<i64>, total: i64) -> Vec<(i64, String, bool)> {
        let threshold = |recurring: bool| {
            move |amount_cents: &i64| Threshold { amount_cents: *amount_cents, recurring }
        };
        let thresholds: Vec<Threshold> =
            fixed.iter().map(threshold(false)).chain(step.iter().map(threshold(true))).collect();
        let found = completions(&thresholds, total, |amount| Some(Instant(amount)));
        let shown = found.into_iter().map(|own| {
            let at = own.reached_at.is_some_and(|at| at == Instant(own.amount_cents));
            assert_eq!(at, own.reached_at.is_some());
            (own.amount_cents, own.ratio.to_string(), at)
        });
        shown.collect()
    }

    fn row(amount: i64, ratio: &str, reached: bool) -> (i64, String, bool) {
        (amount, ratio.to_owned(), reached)
    }

    #[test]
    fn amounts_are_listed_in_order_with_the_way_to_them() {
        let first = row(1_000, "1.0", true);
        assert_eq!(
            list(&[5_000, 1_000, 3_000], Some(500), 1_500),
            [
                first.clone(),
                row(3_000, "0.25", false),
                row(5_000, "0.0", false),
                row(5_500, "0.0", false)
            ]
        );
        assert_eq!(list(&[1_000], None, 1_000), std::slice::from_ref(&first));
        assert_eq!(list(&[1_000], None, 0), [row(1_000, "0.0", false)]);
        // One entry per completed step, then the rest of (last + total) of a step.
        assert_eq!(
            list(&[1_000], Some(300), 1_700),
            [first, row(1_300, "1.0", true), row(1_600, "1.0", true), row(2_000, "0.0", false)]
        );
        assert_eq!(list(&[], Some(400), 500), [row(400, "1.0", true), row(800, "0.25", false)]);
        assert!(list(&[], None, 500).is_empty());
    }

    #[test]
    fn small_steps_do_not_make_a_long_list() {
        let found = list(&[], Some(1), i64::MAX);
        assert_eq!(found.len(), usize::try_from(STEPS_MAX).unwrap() + 1);
        let amounts = [Threshold { amount_cents: 10, recurring: true }];
        assert_eq!(crossed(&amounts, 15, 45), [20, 30, 40]);
        assert_eq!(crossed(&amounts, 20, 29), Vec::<i64>::new());
    }
}
