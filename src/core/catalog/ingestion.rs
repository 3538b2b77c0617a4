//! The rules of ingestion for the events of one subscription (specification 4.4, 4.5 and 10.5).
//!
//! They were applied when an event was taken in, under the catalogue that was known then. Applying
//! them again to what was kept gives what the whole log of the catalogue says, so that a figure does
//! not depend on which of the two logs was read faster.

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
