//! What versions of the past decide: rules that bind when an event is taken in (specification
//! 10.5), and the zones in which earlier windows were closed (3.6).
//!
//! Everything else binds to the catalogue of today and is in the [`Book`](super::book::Book).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::BillableMetric;
use super::table::Table;
use crate::core::expression::{Expression, Input};
use crate::core::instant::Instant;
use crate::core::properties::{Properties, PropertiesBuf};

/// A metric's expression as it was from one version of the catalogue on.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// The version that brought it. Names the formula for good.
    pub version: u64,
    /// The property that takes the result; empty if the metric has none.
    pub field: String,
    text: String,
    /// None if the text is no expression: then it fails on every event.
    expression: Result<Expression, String>,
}

impl Formula {
    fn of(metric: &BillableMetric, version: u64) -> Option<Self> {
        let text = metric.expression.as_deref().filter(|text| !text.trim().is_empty())?;
        Some(Self {
            version,
            field: metric.field_name.clone().unwrap_or_default(),
            text: text.to_owned(),
            expression: Expression::parse(text).map_err(|error| error.to_string()),
        })
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.field == other.field && self.text == other.text
    }

    /// The properties of an event with the result among them (4.5). `sent` are those that were
    /// sent. The message of a failure is the one that is shown.
    pub fn apply(
        &self,
        code: &str,
        timestamp: Instant,
        sent: Properties<'_>,
    ) -> Result<PropertiesBuf, String> {
        let expression = self.expression.as_ref().map_err(Clone::clone)?;
        let result = expression
            .evaluate(&Input { code, timestamp, properties: sent })
            .map_err(|error| error.to_string())?;
        Ok(sent.evaluated(&self.field, &result.into_text(), self.version))
    }
}

/// The deletion of a metric (4.4): events of its code that were taken in until then are void, in
/// subscriptions that were on one of its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    /// Log time of the deletion.
    pub upto: Instant,
    /// Version of the catalogue that deleted the metric.
    pub version: u64,
    /// Plans that had a charge on the metric by then, ascending.
    pub plans: Arc<[Uuid]>,
}

/// What happened to one code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodePast {
    /// Which formula held from when on, by log time. None before the first.
    formulas: Vec<(Instant, Option<Arc<Formula>>)>,
    /// Deletions, in order.
    pub(super) voids: Vec<Void>,
}

impl CodePast {
    /// The formula for events of a log time: that of the newest version which is not later.
    pub fn formula(&self, log_time: Instant) -> Option<&Arc<Formula>> {
        formula_at(&self.formulas, log_time)
    }

    pub(super) fn formulas(&self) -> &[(Instant, Option<Arc<Formula>>)] {
        &self.formulas
    }
}

/// The entry that holds at a log time; entries ascend.
pub(super) fn formula_at(
    formulas: &[(Instant, Option<Arc<Formula>>)],
    log_time: Instant,
) -> Option<&Arc<Formula>> {
    let after = formulas.partition_point(|(from, _)| *from <= log_time);
    formulas.get(after.checked_sub(1)?)?.1.as_ref()
}

/// A zone, by name, and the log time from which on it was the one. None: none was named.
pub type ZoneChange = (Instant, Option<Box<str>>);

/// The past of one organisation. Codes without a formula and without a deletion take no room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    codes: HashMap<Box<str>, CodePast>,
    /// Zones of the organisation, by log time; what it was created with holds before that, too.
    pub zones: Vec<ZoneChange>,
}

/// How a record changed one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricChange {
    /// The metric.
    pub id: Uuid,
    /// Its code before; none if it was not there.
    pub before: Option<String>,
    /// Its code after; none if it is not there.
    pub after: Option<String>,
}

impl Past {
    /// What happened to a code, if it matters.
    pub fn code(&self, code: &str) -> Option<&CodePast> {
        self.codes.get(code)
    }

    /// Whether every event counts as it was kept.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Whether any code ever had a formula.
    pub fn evaluates(&self) -> bool {
        self.codes.values().any(|code| !code.formulas.is_empty())
    }

    /// The organisation was written with this zone.
    pub fn note_zone(&mut self, log_time: Instant, zone: Option<&str>) {
        note_zone(&mut self.zones, log_time, zone);
    }

    /// A record changed these metrics. `metrics` are those after it; `plans` tells which plans had
    /// a charge on a metric by then.
    pub fn note_metrics(
        &mut self,
        changes: &[MetricChange],
        metrics: &Table<BillableMetric>,
        (version, log_time): (u64, Instant),
        mut plans: impl FnMut(Uuid) -> Vec<Uuid>,
    ) {
        let mut codes = BTreeSet::new();
        for change in changes {
            codes.extend(change.before.as_deref());
            codes.extend(change.after.as_deref());
            if let (Some(code), None) = (&change.before, &change.after) {
                let mut plans = plans(change.id);
                plans.sort_unstable();
                plans.dedup();
                let void = Void { upto: log_time, version, plans: plans.into() };
                self.codes.entry(code.as_str().into()).or_default().voids.push(void);
            }
        }
        for code in codes {
            let holder = metrics.by_code(code);
            let formula = holder.and_then(|metric| Formula::of(metric, version));
            self.note_formula(code, log_time, formula);
        }
    }

    fn note_formula(&mut self, code: &str, log_time: Instant, formula: Option<Formula>) {
        let last = self.codes.get(code).and_then(|past| past.formulas.last());
        let same = match (last.and_then(|(_, formula)| formula.as_ref()), &formula) {
            (None, None) => true,
            (Some(last), Some(formula)) => last.says_the_same(formula),
            _ => false,
        };
        if !same {
            let past = self.codes.entry(code.into()).or_default();
            past.formulas.push((log_time, formula.map(Arc::new)));
        }
    }
}

/// Adds a version's zone to the changes so far, if it is another one.
pub fn note_zone(zones: &mut Vec<ZoneChange>, log_time: Instant, zone: Option<&str>) {
    let zone = zone.filter(|zone| !zone.trim().is_empty());
    if zones.last().is_none_or(|(_, last)| last.as_deref() != zone) {
        zones.push((log_time, zone.map(Box::from)));
    }
}

/// A version of something that the past is made of, as the store kept it.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The organisation with its zone.
    Organization(Option<String>),
    /// A metric; none once it was deleted.
    Metric(Uuid, Option<Box<BillableMetric>>),
}

/// The past of one organisation from all versions of its parts, each with its version and log time.
/// `plans` tells which plans had a charge on a metric before a version.
pub fn replay(
    mut versions: Vec<(u64, Instant, Kept)>,
    mut plans: impl FnMut(Uuid, u64) -> Vec<Uuid>,
) -> Past {
    versions.sort_by_key(|(version, _, _)| *version);
    let mut past = Past::default();
    let mut metrics: Table<BillableMetric> = Table::default();
    for record in versions.chunk_by(|(one, ..), (other, ..)| one == other) {
        // What one record changed, it changed at once.
        let mut changed = BTreeMap::new();
        for (version, log_time, kept) in record {
            match kept {
                Kept::Organization(zone) => past.note_zone(*log_time, zone.as_deref()),
                Kept::Metric(id, metric) => {
                    let before = metrics.get(*id).map(|metric| metric.code.clone());
                    match metric {
                        Some(metric) => metrics.put((**metric).clone(), *version, *log_time),
                        None => metrics.remove(*id),
                    }
                    changed.insert(*id, before);
                }
            }
        }
        let Some((version, log_time, _)) = record.first() else { continue };
        let changes: Vec<MetricChange> = changed
            .into_iter()
            .map(|(id, before)| MetricChange {
                id,
                before,
                after: metrics.get(id).map(|m| m.code.clone()),
            })
            .collect();
        past.note_metrics(&changes, &metrics, (*version, *log_time), |id| plans(id, *version));
    }
    past
}
