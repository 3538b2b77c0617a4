//! Which buckets of a charge an event counts in (specification 6.3 to 6.5).
//!
//! A charge's filters are compiled once into small tables: per property key the sorted texts that
//! any rule names, and per rule one bit set over them. Classifying an event then looks each key up
//! once and tests bits.

mod group;
mod rules;

pub use group::{Group, TARGET_WALLET_KEY};
pub use rules::{ALL_VALUES, Condition, Rule, rules};

use crate::core::catalog::{ChargeFilter, MetricFilter};
use crate::core::properties::Properties;

/// A part of a charge's usage with its own price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// The usage of the filter with this index in the charge's list.
    Filter(usize),
    /// What no filter takes; all usage of a charge without filters.
    Default,
}

/// Bits per word of a [`Bits`] set.
const WORD: usize = u64::BITS as usize;
/// Index of the missing property among a key's texts.
const MISSING: usize = 0;
/// Index of every text that no rule names.
const OTHER: usize = 1;
/// Index of the first text that a rule names.
const NAMED: usize = 2;

/// A set of small numbers. The first word is kept in place, since rules rarely name more texts.
#[derive(Clone, Debug, Default)]
struct Bits {
    first: u64,
    rest: Vec<u64>,
}

impl Bits {
    fn insert(&mut self, bit: usize) {
        let Some(above) = bit.checked_sub(WORD) else {
            self.first |= 1 << bit;
            return;
        };
        if self.rest.len() <= above / WORD {
            self.rest.resize(above / WORD + 1, 0);
        }
        self.rest[above / WORD] |= 1 << (above % WORD);
    }

    fn contains(&self, bit: usize) -> bool {
        match bit.checked_sub(WORD) {
            None => self.first >> bit & 1 == 1,
            Some(above) => {
                self.rest.get(above / WORD).is_some_and(|word| word >> (above % WORD) & 1 == 1)
            }
        }
    }
}

/// One property key with the texts that rules name, sorted.
#[derive(Clone, Debug)]
struct Key {
    name: Box<str>,
    texts: Vec<Box<str>>,
}

impl Key {
    fn index(&self, text: Option<&str>) -> usize {
        text.map_or(MISSING, |text| {
            self.texts.binary_search_by(|own| (**own).cmp(text)).map_or(OTHER, |at| at + NAMED)
        })
    }
}

/// All keys of a clause have to agree.
type Clause = Vec<(usize, Bits)>;

#[derive(Clone, Debug)]
struct Test {
    bucket: Bucket,
    matching: Clause,
    ignored: Vec<Clause>,
}

/// The compiled filters of one charge.
#[derive(Clone, Debug)]
pub struct Matcher {
    keys: Vec<Key>,
    tests: Vec<Test>,
    /// Filters with the conditions of the filter itself alone, for [`Matcher::select`].
    filters: Vec<Clause>,
}

/// Result and scratch memory of [`Matcher::classify`]; reuse it from event to event.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    texts: Vec<usize>,
    taken: Vec<Bucket>,
}

impl Buckets {
    /// The buckets that the event counts in: filters in order, or the default bucket, or none.
    pub fn taken(&self) -> &[Bucket] {
        &self.taken
    }
}

impl Matcher {
    /// Compiles a charge's filters under the values that its metric declares.
    pub fn compile(filters: &[ChargeFilter], declared: &[MetricFilter]) -> Self {
        Self::compile_asked(filters, declared, &[])
    }

    /// As [`Matcher::compile`], under the `group` conditions of a request, which are added to every
    /// bucket and take the place of a filter's own condition on the same key (6.5).
    pub fn compile_asked(
        filters: &[ChargeFilter],
        declared: &[MetricFilter],
        asked: &[(String, Vec<String>)],
    ) -> Self {
        Self::from_rules(&rules(filters, declared), asked)
    }

    /// Compiles rules given one by one: the last is that of the default bucket.
    pub fn from_rules(rules: &[Rule], asked: &[(String, Vec<String>)]) -> Self {
        let merged: Vec<Condition> =
            rules.iter().map(|rule| merge(&rule.matching, asked)).collect();
        let all = merged.iter().chain(rules.iter().flat_map(|rule| &rule.ignored));
        let keys = keys_of(all.chain(rules.iter().map(|rule| &rule.matching)));
        let clause = |condition: &Condition, missing_is_empty| {
            compile_clause(&keys, condition, missing_is_empty)
        };
        let last = rules.len().saturating_sub(1);
        let tests = rules.iter().zip(&merged).enumerate().map(|(index, (rule, matching))| Test {
            bucket: if index == last { Bucket::Default } else { Bucket::Filter(index) },
            matching: clause(matching, false),
            ignored: rule
                .ignored
                .iter()
                .map(|ignored| ignored.iter().filter(|(_, texts)| !texts.is_empty()).cloned())
                .map(Iterator::collect)
                .filter(|ignored: &Condition| !ignored.is_empty())
                .map(|ignored| clause(&ignored, true))
                .collect(),
        });
        let tests = tests.collect();
        let filters = rules[..last].iter().map(|rule| clause(&rule.matching, false)).collect();
        Self { keys, tests, filters }
    }

    /// Finds the buckets that an event counts in. Overlapping filters all count it.
    pub fn classify(&self, properties: Properties<'_>, buckets: &mut Buckets) {
        buckets.taken.clear();
        if self.keys.is_empty() {
            buckets.taken.extend(self.tests.iter().map(|test| test.bucket));
            return;
        }
        self.look_up(properties, &mut buckets.texts);
        let texts = &buckets.texts;
        let takes = |test: &&Test| {
            meets(&test.matching, texts) && !test.ignored.iter().any(|clause| meets(clause, texts))
        };
        buckets.taken.extend(self.tests.iter().filter(takes).map(|test| test.bucket));
    }

    /// The one filter that prices an event alone: of those it matches, the one with most keys, the
    /// first of equals (9.9 step 4).
    pub fn select(&self, properties: Properties<'_>) -> Bucket {
        let mut texts = Vec::new();
        self.look_up(properties, &mut texts);
        let matched = self.filters.iter().enumerate().filter(|(_, clause)| meets(clause, &texts));
        matched
            .max_by(|(at, one), (other_at, other)| {
                one.len().cmp(&other.len()).then(other_at.cmp(at))
            })
            .map_or(Bucket::Default, |(index, _)| Bucket::Filter(index))
    }

    fn look_up(&self, properties: Properties<'_>, texts: &mut Vec<usize>) {
        texts.clear();
        texts.resize(self.keys.len(), MISSING);
        for (name, property) in properties.iter() {
            if let Some(at) = self.keys.iter().position(|key| *key.name == *name) {
                texts[at] = self.keys[at].index(property.text());
            }
        }
    }
}

fn meets(clause: &Clause, texts: &[usize]) -> bool {
    clause.iter().all(|(key, bits)| bits.contains(texts[*key]))
}

fn merge(own: &Condition, asked: &[(String, Vec<String>)]) -> Condition {
    let kept = own.iter().filter(|(key, _)| asked.iter().all(|(name, _)| name != key));
    kept.chain(asked).cloned().collect()
}

fn keys_of<'a>(conditions: impl Iterator<Item = &'a Condition>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for (name, texts) in conditions.flatten() {
        let at = keys.iter().position(|key| *key.name == **name).unwrap_or_else(|| {
            keys.push(Key { name: name.as_str().into(), texts: Vec::new() });
            keys.len() - 1
        });
        keys[at].texts.extend(texts.iter().map(|text| text.as_str().into()));
    }
    for key in &mut keys {
        key.texts.sort_unstable();
        key.texts.dedup();
    }
    keys
}

fn compile_clause(keys: &[Key], condition: &Condition, missing_is_empty: bool) -> Clause {
    let mut clause = Clause::with_capacity(condition.len());
    for (name, texts) in condition {
        let Some(at) = keys.iter().position(|key| *key.name == **name) else { continue };
        let mut bits = Bits::default();
        for text in texts {
            bits.insert(keys[at].index(Some(text)));
            if missing_is_empty && text.is_empty() {
                bits.insert(MISSING);
            }
        }
        clause.push((at, bits));
    }
    clause
}

#[cfg(test)]
mod tests;
