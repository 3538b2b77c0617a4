//! Levels event by event are those of the scan.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::key::SetKey;
use super::levels::{Advance, Bill, Billed, Unclear};
use super::trial::{self, MARCH, Trial};
use crate::core::aggregate::sheet::{DAY, HOUR};
use crate::core::aggregate::{Levels, Terms, advance};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::Group;
use crate::core::properties::{Kind, PropertiesBuf};

const SECRET: SetKey = SetKey::new([6; 16]);

/// Values of every kind, sums' and unique counts' alike, of a group that is sent as text or number.
fn properties() -> impl Strategy<Value = PropertiesBuf> {
    let value = prop::sample::select(vec![
        (Kind::Text, "1"),
        (Kind::Number, "1"),
        (Kind::Number, "-3"),
        (Kind::Text, "5.5"),
        (Kind::Text, " "),
        (Kind::Null, ""),
        (Kind::Bool, "false"),
        (Kind::Text, "-2"),
    ]);
    let operation = prop::sample::select(vec!["add", "add", "remove"]);
    (prop::option::weighted(0.95, value), operation, any::<bool>()).prop_map(
        |(value, operation, text)| {
            let mut properties = PropertiesBuf::new();
            if let Some((kind, text)) = value {
                properties.push("v", kind, text);
            }
            properties.push("operation_type", Kind::Text, operation);
            properties.push("g", if text { Kind::Text } else { Kind::Number }, "7");
            properties
        },
    )
}

struct Case {
    trial: Trial,
    aggregation: Aggregation,
    /// How far apart in hours two events may be dated against their order of position; none for as
    /// far as they like.
    disorder: Option<i64>,
    grouped: bool,
}

fn cases(aggregation: Aggregation) -> impl Strategy<Value = Case> {
    let disorder = prop_oneof![2 => Just(Some(0)), 2 => Just(Some(60)), 1 => Just(None)];
    let trial = trial::trial_of(aggregation, properties());
    let recurring = any::<bool>();
    (trial, disorder, recurring, any::<bool>(), any::<bool>()).prop_map(
        move |(mut trial, disorder, recurring, prorated, grouped)| {
            trial.sheet.metric.recurring = recurring;
            trial.sheet.prorated = prorated;
            if let Some(hours) = disorder {
                let noise = |at: Instant| at.0.wrapping_mul(0x9e37_79b9) % (hours * HOUR + 1);
                trial.sheet.lines.sort_by_key(|(at, _)| at.0 + noise(*at));
            }
            Case { trial, aggregation, disorder, grouped }
        },
    )
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.trial, self.grouped)
    }
}

/// Feeds the events, given in order of arrival.
fn fold(terms: &Terms<'_>, case: &Case, group: Option<&Group>, events: &[&Usage<'_>]) -> Billed {
    let context = Advance { frame: &terms.frame, prorated: terms.prorated };
    let mut kept = Billed::default();
    for event in events {
        let found = group.is_none_or(|group| group.finds(event.properties, &["g"]));
        let (frame, field) = (context.frame, terms.field());
        let bill = match case.aggregation {
            Aggregation::UniqueCount if event.timestamp < terms.lower() => None,
            Aggregation::UniqueCount => Bill::of_value(frame, field, found, &SECRET, event),
            _ => Bill::of_sum(frame, field, found, event),
        };
        if let Some(bill) = bill {
            kept.insert(&context, bill);
        }
    }
    kept
}

/// Levels are those of the scan, or cannot be told; that only where values are dated out of order.
fn check(case: &Case) -> Result<(), TestCaseError> {
    let keys = ["g".to_owned()];
    let group = case.grouped.then(|| Group(vec![Some("7".into())]));
    case.trial.check(|terms, events, _| {
        let terms = &Terms { group_keys: if case.grouped { &keys } else { &[] }, ..terms.clone() };
        let mut received = events.to_vec();
        received.sort_by_key(|event| event.position);
        let delay = |at: usize| at + case.trial.delays.get(at).copied().unwrap_or(0);
        let mut arrivals: Vec<_> = received.iter().copied().enumerate().collect();
        arrivals.sort_by_key(|(at, _)| delay(*at));
        let arrivals: Vec<&Usage<'_>> = arrivals.into_iter().map(|(_, event)| event).collect();
        let kept = fold(terms, case, group.as_ref(), &arrivals);
        prop_assert!(!kept.needs_repair());
        trial::check_bytes(&kept, Billed::write_bytes, Billed::read_bytes)?;
        let context = Advance { frame: &terms.frame, prorated: terms.prorated };
        if let Ok(levels) = kept.levels(&context) {
            prop_assert_eq!(levels, advance::levels(terms, events, group.as_ref()));
        } else {
            let in_order = case.disorder == Some(0);
            prop_assert!(!in_order && case.aggregation == Aggregation::UniqueCount);
        }
        Ok(())
    })
}

proptest! {
    #[test]
    fn levels_of_sums_are_those_of_the_scan(case in cases(Aggregation::Sum)) {
        check(&case)?;
    }

    #[test]
    fn levels_of_unique_counts_are_those_of_the_scan(case in cases(Aggregation::UniqueCount)) {
        check(&case)?;
    }

    /// Rolled into the next window, levels are those of events that were all seen in it.
    #[test]
    fn a_window_later_only_the_values_are_left(case in cases(Aggregation::UniqueCount)) {
        let mut case = case;
        case.trial.sheet.metric.recurring = true;
        case.trial.check(|terms, events, _| {
            let mut next = terms.frame.clone();
            (next.from, next.to) = (terms.frame.to.plus_micros(1), terms.frame.to.plus_micros(9 * DAY));
            let mut received = events.to_vec();
            received.sort_by_key(|event| event.position);
            let mut kept = fold(terms, &case, None, &received);
            kept.roll();
            let next = &Terms { frame: next, ..terms.clone() };
            let fresh = fold(next, &case, None, &received);
            let later = later();
            let event = Usage {
                timestamp: next.frame.from.plus_micros(DAY),
                position: crate::core::position::Position { offset: 1_000, ..Default::default() },
                transaction: "",
                properties: later.as_ref(),
                precise_cents: None,
            };
            let context = Advance { frame: &next.frame, prorated: next.prorated };
            let bill = Bill::of_value(&next.frame, "v", true, &SECRET, &event);
            let mut levels = Vec::new();
            for mut state in [kept, fresh] {
                prop_assert_eq!(state.levels(&context), Ok(None));
                state.insert(&context, bill.clone().unwrap());
                levels.push(state.levels(&context));
            }
            let mut all = events.to_vec();
            all.push(&event);
            let scanned = advance::levels(next, &all, None);
            prop_assert_eq!(levels, vec![Ok(scanned.clone()), Ok(scanned)]);
            Ok(())
        })?;
    }
}

fn later() -> PropertiesBuf {
    let mut later = PropertiesBuf::new();
    later.push("v", Kind::Number, "1");
    later
}

fn of(aggregation: Aggregation, lines: &[(&str, &str, i64)]) -> Trial {
    let mut trial = Trial::of_days(aggregation, 31, &[]);
    for (value, operation, day) in lines {
        let mut properties = PropertiesBuf::new();
        properties.push("v", Kind::Text, value);
        properties.push("operation_type", Kind::Text, operation);
        trial.sheet.lines.push((Instant((MARCH + day) * DAY), properties));
    }
    trial
}

fn run(trial: Trial, aggregation: Aggregation, expected: Result<Option<[i64; 2]>, Unclear>) {
    let case = Case { trial, aggregation, disorder: None, grouped: false };
    case.trial
        .check(|terms, events, _| {
            let mut received = events.to_vec();
            received.sort_by_key(|event| event.position);
            let kept = fold(terms, &case, None, &received);
            let context = Advance { frame: &terms.frame, prorated: false };
            let expected = expected.map(|levels| {
                levels.map(|[current, max]| Levels {
                    current: Decimal::from_i64(current),
                    max: Decimal::from_i64(max),
                    max_prorated: Decimal::ZERO,
                })
            });
            prop_assert_eq!(kept.levels(&context), expected);
            Ok(())
        })
        .unwrap();
}

/// The worked examples of specification 5.12.
#[test]
fn worked_examples() {
    let sum = |values: &[&str]| {
        let lines: Vec<_> = values.iter().zip(1..).map(|(value, day)| (*value, "", day)).collect();
        of(Aggregation::Sum, &lines)
    };
    run(sum(&["10", "-5", "2"]), Aggregation::Sum, Ok(Some([7, 10])));
    run(sum(&["-5", "3"]), Aggregation::Sum, Ok(Some([-2, 3])));
    run(sum(&[]), Aggregation::Sum, Ok(None));
}

#[test]
fn a_value_that_is_dated_before_its_last_but_one_event_is_unclear() {
    let lines = [("a", "add", 5), ("a", "remove", 9), ("a", "add", 7), ("a", "add", 3)];
    run(of(Aggregation::UniqueCount, &lines[..3]), Aggregation::UniqueCount, Ok(Some([0, 1])));
    run(of(Aggregation::UniqueCount, &lines), Aggregation::UniqueCount, Err(Unclear));
}

#[test]
fn a_position_below_what_is_folded_is_late() {
    let lines: Vec<(&str, &str, i64)> = (0..150).map(|at| ("1", "add", at / 10)).collect();
    let trial = of(Aggregation::Sum, &lines);
    let case = Case { trial, aggregation: Aggregation::Sum, disorder: None, grouped: false };
    case.trial
        .check(|terms, events, _| {
            let mut events = events.to_vec();
            events.rotate_left(1);
            prop_assert!(fold(terms, &case, None, &events).needs_repair());
            events.rotate_right(1);
            prop_assert!(!fold(terms, &case, None, &events).needs_repair());
            Ok(())
        })
        .unwrap();
}
