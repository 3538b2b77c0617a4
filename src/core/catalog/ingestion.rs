//! The rules of ingestion for the events of one subscription (specification 4.4, 4.5 and 10.5).
//!
//! They were applied when an event was taken in, under the catalogue that was known then. Applying
//! them again to what was kept gives what the whole log of the catalogue says, so that no figure
//! depends on which of the two logs was read faster.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::past::{Formula, Past, Void, formula_at};
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::properties::{Origin, Properties, PropertiesBuf};

/// Rules of one code.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    code: Box<str>,
    /// Events with a log time up to this one are void.
    void_upto: Option<Instant>,
    formulas: Vec<(Instant, Option<Arc<Formula>>)>,
}

/// The rules of the codes that matter to one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingestion(Vec<Rule>);

/// Why an event that was kept does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voided {
    /// Its metric was deleted at this log time, after the event was taken in (4.4).
    Deleted(Instant),
    /// The expression that was in force fails on it, with its message (4.5).
    Expression(String),
}

/// What the rules make of an event that was kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It counts as it was kept.
    Kept,
    /// It counts with these properties.
    Changed(PropertiesBuf),
    /// It does not count: its metric was deleted later, or its expression fails.
    Void,
}

impl Ingestion {
    /// The rules for events of these codes. `concerns` tells whether a deletion concerns the
    /// account. None if every event counts as it was kept.
    pub fn of<'a>(
        past: &Past,
        codes: impl IntoIterator<Item = &'a str>,
        mut concerns: impl FnMut(&Void) -> bool,
    ) -> Option<Arc<Self>> {
        let mut rules: Vec<Rule> = Vec::new();
        for code in codes {
            let Some(past) = past.code(code) else { continue };
            if rules.iter().any(|rule| &*rule.code == code) {
                continue;
            }
            // Log times never fall, so the last deletion that concerns the account covers all.
            let void = past.voids.iter().rev().find(|void| concerns(void));
            rules.push(Rule {
                code: code.into(),
                void_upto: void.map(|void| void.upto),
                formulas: past.formulas().to_vec(),
            });
        }
        rules.retain(|rule| rule.void_upto.is_some() || !rule.formulas.is_empty());
        (!rules.is_empty()).then(|| Arc::new(Self(rules)))
    }

    /// What becomes of an event with this code, log time, timestamp and these kept properties.
    pub fn settle(
        &self,
        code: &str,
        log_time: Instant,
        timestamp: Instant,
        kept: Properties<'_>,
    ) -> Settled {
        let Some(rule) = self.0.iter().find(|rule| &*rule.code == code) else {
            return Settled::Kept;
        };
        if rule.void_upto.is_some_and(|upto| log_time <= upto) {
            return Settled::Void;
        }
        let formula = formula_at(&rule.formulas, log_time);
        let done = match kept.origin() {
            Origin::Producer => return Settled::Kept,
            Origin::Sent => None,
            Origin::Evaluated { version, .. } => Some(version),
        };
        match formula {
            formula if formula.map(|formula| formula.version) == done => Settled::Kept,
            None => Settled::Changed(kept.as_sent()),
            Some(formula) => match formula.apply(code, timestamp, kept.as_sent().as_ref()) {
                Ok(properties) => Settled::Changed(properties),
                Err(_) => Settled::Void,
            },
        }
    }

    /// Why [`Ingestion::settle`] finds that an event is void; none if it is not.
    pub fn voided(
        &self,
        code: &str,
        log_time: Instant,
        timestamp: Instant,
        kept: Properties<'_>,
    ) -> Option<Voided> {
        if self.settle(code, log_time, timestamp, kept) != Settled::Void {
            return None;
        }
        let rule = self.0.iter().find(|rule| &*rule.code == code)?;
        if let Some(upto) = rule.void_upto.filter(|upto| log_time <= *upto) {
            return Some(Voided::Deleted(upto));
        }
        let formula = formula_at(&rule.formulas, log_time)?;
        let failed = formula.apply(code, timestamp, kept.as_sent().as_ref());
        failed.err().map(Voided::Expression)
    }

    /// Calls `count` with an event as the rules leave it, unless it is void.
    pub fn each(&self, code: &str, usage: &Usage<'_>, count: impl FnOnce(&Usage<'_>)) {
        match self.settle(code, usage.position.log_time, usage.timestamp, usage.properties) {
            Settled::Kept => count(usage),
            Settled::Changed(properties) => {
                count(&Usage { properties: properties.as_ref(), ..usage.clone() });
            }
            Settled::Void => {}
        }
    }
}

/// Formulas by the versions that brought them, which name them.
impl Hash for Ingestion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for rule in &self.0 {
            (&rule.code, rule.void_upto).hash(state);
            for (from, formula) in &rule.formulas {
                (from, formula.as_ref().map(|formula| formula.version)).hash(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::core::catalog::past::{Kept, replay};
    use crate::core::catalog::{Aggregation, BillableMetric};
    use crate::core::properties::Kind;

    const CODE: &str = "work";
    /// What a version of the metric computes; the first two fail on some events, the third on none.
    const EXPRESSIONS: [&str; 5] = [
        "event.properties.a + 1",
        "event.properties.b * 2",
        "concat(event.code, '!')",
        "event.properties.a +",
        "",
    ];

    /// A version of the metric: expression and field, or its deletion.
    type Version = Option<(usize, usize)>;

    fn past(versions: &[(i64, Version)]) -> Past {
        let id = Uuid::from_u128(1);
        let kept = |version: &Version| {
            let metric = version.map(|(expression, field)| BillableMetric {
                id,
                code: CODE.to_owned(),
                name: String::new(),
                description: None,
                aggregation: Aggregation::Sum,
                field_name: Some(["a", "total"][field].to_owned()),
                recurring: false,
                rounding: None,
                expression: Some(EXPRESSIONS[expression].to_owned()),
                filters: Vec::new(),
                created_at: Instant(0),
            });
            Kept::Metric(id, metric.map(Box::new))
        };
        let versions = versions.iter().zip(1..);
        let versions = versions.map(|((at, kind), version)| (version, Instant(*at), kept(kind)));
        replay(versions.collect(), |_, _| Vec::new())
    }

    fn sent(a: Option<i64>, b: Option<i64>) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        for (key, value) in [("a", a), ("b", b)] {
            if let Some(value) = value {
                properties.push(key, Kind::Number, &value.to_string());
            }
        }
        properties
    }

    /// What is kept of an event that is taken in under a part of the catalogue; none if it is
    /// rejected.
    fn taken(past: &Past, at: Instant, sent: &PropertiesBuf) -> Option<PropertiesBuf> {
        match past.code(CODE).and_then(|past| past.formula(at)) {
            None => Some(sent.clone()),
            Some(formula) => formula.apply(CODE, at, sent.as_ref()).ok(),
        }
    }

    /// The properties that count, without a trace of how they came about.
    fn shown(properties: &PropertiesBuf) -> Vec<(String, String)> {
        let pair = |(key, value): (&str, crate::core::properties::Property<'_>)| {
            (key.to_owned(), value.text.to_owned())
        };
        properties.as_ref().iter().map(pair).collect()
    }

    fn version() -> impl Strategy<Value = Version> {
        prop_oneof![5 => (0..EXPRESSIONS.len(), 0..2_usize).prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_much_of_the_catalogue_was_known(
            steps in prop::collection::vec((0..3_i64, version()), 0..8),
            known in 0..9_usize,
            at in 0..20_i64,
            a in prop::option::of(-9..9_i64),
            b in prop::option::of(-9..9_i64),
        ) {
            let mut time = 0;
            let versions: Vec<(i64, Version)> = steps
                .into_iter()
                .map(|(step, version)| {
                    time += step;
                    (time, version)
                })
                .collect();
            let (at, sent) = (Instant(at), sent(a, b));
            let early = past(&versions[..known.min(versions.len())]);
            let whole = past(&versions);
            // What was rejected is not there any more.
            let Some(kept) = taken(&early, at, &sent) else { return Ok(()) };

            let deleted = versions.windows(2).any(|pair| {
                pair[0].1.is_some() && pair[1].1.is_none() && pair[1].0 >= at.0
            });
            let expected = taken(&whole, at, &sent).filter(|_| !deleted);
            let rules = Ingestion::of(&whole, [CODE], |_| true);
            let settled = rules.map_or(Settled::Kept, |rules| {
                rules.settle(CODE, at, at, kept.as_ref())
            });
            let found = match settled {
                Settled::Kept => Some(kept),
                Settled::Changed(properties) => Some(properties),
                Settled::Void => None,
            };
            prop_assert_eq!(found.as_ref().map(shown), expected.as_ref().map(shown));
        }
    }

    #[test]
    fn what_the_producer_has_evaluated_is_left_alone() {
        let whole = past(&[(1, Some((2, 1)))]);
        let rules = Ingestion::of(&whole, [CODE], |_| true).expect("there is a formula");
        let mut bytes = sent(Some(1), None).as_ref().as_bytes().to_vec();
        bytes.extend(crate::core::properties::PRODUCER_MARK);
        let settled = rules.settle(CODE, Instant(5), Instant(5), Properties::from_bytes(&bytes));
        assert_eq!(settled, Settled::Kept);
        assert_eq!(Ingestion::of(&whole, ["other"], |_| true), None);
    }

    #[test]
    fn a_deletion_that_concerns_others_voids_nothing() {
        let whole = past(&[(1, Some((4, 1))), (2, None), (3, Some((4, 1))), (4, None)]);
        let of = |concerned: u64| Ingestion::of(&whole, [CODE], |void| void.version == concerned);
        let settle = |rules: &Ingestion, at: i64| {
            rules.settle(CODE, Instant(at), Instant(at), Properties::EMPTY)
        };
        let first = of(2).expect("the first deletion");
        assert_eq!(
            [1, 2, 3, 5].map(|at| settle(&first, at)),
            [Settled::Void, Settled::Void, Settled::Kept, Settled::Kept]
        );
        assert_eq!(settle(&of(4).expect("the second one"), 4), Settled::Void);
        assert_eq!(of(9), None);
    }
}
