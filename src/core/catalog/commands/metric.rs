//! Billable metrics (specification 5.1 and 9.2).

use super::input::{Input, text_of};
use super::{Changes, Command, Decision, Refusal, State};
use crate::core::catalog::check::Errors;
use crate::core::catalog::record::{Body, Coded, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Aggregation, BillableMetric, MetricFilter, Rounding, RoundingMode};
use crate::core::expression::Expression;
use crate::core::value::Value;

/// The one interval that weighted sums know.
pub const WEIGHTED_INTERVAL: &str = "seconds";
/// Name of the aggregation that runs code of the caller's, which is not offered.
const CUSTOM: &str = "custom_agg";
/// Most decimals, or powers of ten, that a metric rounds to: far beyond the digits of any quantity.
const PRECISION_MAX: i64 = 100;
const MANDATORY: &str = "value_is_mandatory";
const INVALID: &str = "value_is_invalid";

/// Adds a billable metric.
#[derive(Clone, Debug)]
pub struct CreateMetric {
    /// The members of `billable_metric`.
    pub input: Value,
}

/// Changes the members of a billable metric that are sent. Once a plan has a charge on it, only
/// name, description and filters change; the other members are passed over.
#[derive(Clone, Debug)]
pub struct UpdateMetric {
    /// Code of the metric.
    pub code: String,
    /// The members of `billable_metric`.
    pub input: Value,
}

/// Takes a billable metric out. Charges on it name it by an id that no other metric will ever
/// have, so they are out of force with it.
#[derive(Clone, Debug)]
pub struct DeleteMetric {
    /// Code of the metric.
    pub code: String,
}

impl Command for CreateMetric {
    type Reply = BillableMetric;

    fn decide(&self, state: &State<'_>) -> Result<Decision<BillableMetric>, Refusal> {
        let input = Input(&self.input);
        if input.text("aggregation_type").as_deref() == Some(CUSTOM) {
            return Err(Refusal::FeatureUnavailable);
        }
        let mut draft = Draft::default();
        draft.take_texts(input);
        draft.take_rules(input);
        let (mut changes, mut errors) = (state.changes(), Errors::default());
        if !draft.code.trim().is_empty() {
            take_code(state, &draft.code, &mut changes, &mut errors);
        }
        let rules = draft.check(&mut errors);
        Refusal::unless_empty(errors)?;
        let filters = filters(input)?.unwrap_or_default();
        let metric = BillableMetric {
            id: state.new_id(),
            code: draft.code,
            name: draft.name,
            description: draft.description,
            aggregation: rules.aggregation,
            field_name: rules.field_name,
            recurring: rules.recurring,
            rounding: rules.rounding,
            expression: rules.expression,
            filters,
            created_at: state.now,
        };
        changes.put(Body::BillableMetric(metric.clone()), None);
        Ok(Decision { record: changes.into_record(), reply: metric })
    }
}

impl Command for UpdateMetric {
    type Reply = BillableMetric;

    fn decide(&self, state: &State<'_>) -> Result<Decision<BillableMetric>, Refusal> {
        let old = state.metric(&self.code)?;
        let input = Input(&self.input);
        let mut draft = Draft::of(old);
        draft.take_texts(input);
        if !is_attached(state, old) {
            if input.text("aggregation_type").as_deref() == Some(CUSTOM) {
                return Err(Refusal::FeatureUnavailable);
            }
            draft.take_rules(input);
        }
        let (mut changes, mut errors) = (state.changes(), Errors::default());
        if draft.code != old.code && !draft.code.trim().is_empty() {
            take_code(state, &draft.code, &mut changes, &mut errors);
        }
        let rules = draft.check(&mut errors);
        Refusal::unless_empty(errors)?;
        let metric = BillableMetric {
            id: old.id,
            code: draft.code,
            name: draft.name,
            description: draft.description,
            aggregation: rules.aggregation,
            field_name: rules.field_name,
            recurring: rules.recurring,
            rounding: rules.rounding,
            expression: rules.expression,
            filters: filters(input)?.unwrap_or_else(|| old.filters.clone()),
            created_at: old.created_at,
        };
        if metric != *old.entity {
            changes.put(Body::BillableMetric(metric.clone()), Some(old.version));
        }
        Ok(Decision { record: changes.into_record(), reply: metric })
    }
}

impl Command for DeleteMetric {
    type Reply = BillableMetric;

    fn decide(&self, state: &State<'_>) -> Result<Decision<BillableMetric>, Refusal> {
        let old = state.metric(&self.code)?;
        let mut changes = state.changes();
        changes.delete(EntityId::BillableMetric(old.id), old.version);
        Ok(Decision { record: changes.into_record(), reply: BillableMetric::clone(&old.entity) })
    }
}

/// Whether a plan, private ones included, has a charge on the metric.
fn is_attached(state: &State<'_>, metric: &Versioned<BillableMetric>) -> bool {
    let mut charges = state.tenant.plans.iter().flat_map(|plan| &plan.charges);
    charges.any(|charge| charge.metric == metric.id)
}

fn take_code(state: &State<'_>, code: &str, changes: &mut Changes, errors: &mut Errors) {
    if state.tenant.metrics.by_code(code).is_some() {
        errors.add("code", "value_already_exist");
    }
    changes.free_code(Coded::BillableMetric, code);
}

/// A metric as it would be saved, before it is checked.
#[derive(Clone, Debug, Default)]
struct Draft {
    name: String,
    code: String,
    description: Option<String>,
    aggregation: Option<String>,
    field_name: Option<String>,
    recurring: bool,
    weighted_interval: Option<String>,
    rounding_function: Option<String>,
    rounding_precision: Option<i64>,
    precision_is_odd: bool,
    expression: Option<String>,
}

/// What decides quantities, checked.
struct Rules {
    aggregation: Aggregation,
    field_name: Option<String>,
    recurring: bool,
    rounding: Option<Rounding>,
    expression: Option<String>,
}

impl Draft {
    fn of(metric: &BillableMetric) -> Self {
        let weighted = metric.aggregation == Aggregation::WeightedSum;
        Self {
            name: metric.name.clone(),
            code: metric.code.clone(),
            description: metric.description.clone(),
            aggregation: Some(metric.aggregation.name().to_owned()),
            field_name: metric.field_name.clone(),
            recurring: metric.recurring,
            weighted_interval: weighted.then(|| WEIGHTED_INTERVAL.to_owned()),
            rounding_function: metric.rounding.map(|rounding| rounding.mode.name().to_owned()),
            rounding_precision: metric.rounding.map(|rounding| i64::from(rounding.precision)),
            precision_is_odd: false,
            expression: metric.expression.clone(),
        }
    }

    /// What may always be changed.
    fn take_texts(&mut self, input: Input<'_>) {
        if input.has("name") {
            self.name = input.text("name").unwrap_or_default();
        }
        self.description = input.text_or_kept("description", self.description.as_deref());
    }

    /// What may be changed until a plan has a charge on the metric.
    fn take_rules(&mut self, input: Input<'_>) {
        if input.has("code") {
            self.code = input.text("code").unwrap_or_default();
        }
        for (name, place) in [
            ("aggregation_type", &mut self.aggregation),
            ("field_name", &mut self.field_name),
            ("weighted_interval", &mut self.weighted_interval),
            ("rounding_function", &mut self.rounding_function),
            ("expression", &mut self.expression),
        ] {
            if input.has(name) {
                *place = input.present(name);
            }
        }
        if input.has("recurring") {
            self.recurring = input.flag("recurring").unwrap_or(false);
        }
        if input.has("rounding_precision") {
            let precision = input.integer("rounding_precision");
            self.precision_is_odd = precision.is_err();
            self.rounding_precision = precision.unwrap_or(None);
        }
    }

    fn check(&self, errors: &mut Errors) -> Rules {
        for (field, text) in [("name", &self.name), ("code", &self.code)] {
            if text.trim().is_empty() {
                errors.add(field, MANDATORY);
            }
        }
        let named = self.aggregation.as_deref();
        let aggregation = named.and_then(Aggregation::from_name);
        if aggregation.is_none() {
            errors.add("aggregation_type", if named.is_none() { MANDATORY } else { INVALID });
        }
        // Every further rule depends on the aggregation; this one has none of them.
        let aggregation = aggregation.unwrap_or(Aggregation::Count);
        let counts = aggregation == Aggregation::Count;
        if !counts && self.field_name.is_none() {
            errors.add("field_name", MANDATORY);
        }
        let never = matches!(aggregation, Aggregation::Max | Aggregation::Latest) || counts;
        if self.recurring && never && named.is_some() {
            errors.add("recurring", "not_compatible_with_aggregation_type");
        }
        let weighted = aggregation == Aggregation::WeightedSum;
        if weighted && self.weighted_interval.as_deref() != Some(WEIGHTED_INTERVAL) {
            errors.add("weighted_interval", INVALID);
        }
        if self.expression.as_deref().is_some_and(|text| Expression::parse(text).is_err()) {
            errors.add("expression", "invalid_expression");
        }
        Rules {
            aggregation,
            field_name: self.field_name.clone().filter(|_| !counts),
            recurring: self.recurring,
            rounding: self.check_rounding(errors),
            expression: self.expression.clone(),
        }
    }

    fn check_rounding(&self, errors: &mut Errors) -> Option<Rounding> {
        let name = self.rounding_function.as_deref();
        let mode = name.and_then(RoundingMode::from_name);
        if name.is_some() && mode.is_none() {
            errors.add("rounding_function", INVALID);
        }
        let precision = self.rounding_precision.unwrap_or(0);
        if self.precision_is_odd {
            errors.add("rounding_precision", INVALID);
        } else if precision.abs() > PRECISION_MAX {
            errors.add("rounding_precision", "value_is_out_of_range");
        }
        Some(Rounding { mode: mode?, precision: i32::try_from(precision).unwrap_or(0) })
    }
}

/// The filters that are sent, of one key the last; none if the member is absent.
fn filters(input: Input<'_>) -> Result<Option<Vec<MetricFilter>>, Refusal> {
    let Some(sent) = input.list("filters") else { return Ok(None) };
    let mut filters: Vec<MetricFilter> = Vec::new();
    for sent in sent {
        let (sent, mut errors) = (Input(sent), Errors::default());
        let key = sent.mandatory("key", &mut errors);
        let mut values = Vec::new();
        for value in sent.list("values").into_iter().flatten().filter_map(text_of) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.is_empty() {
            errors.add("values", MANDATORY);
        }
        Refusal::unless_empty(errors)?;
        match filters.iter_mut().find(|filter| filter.key == key) {
            Some(filter) => filter.values = values,
            None => filters.push(MetricFilter { key, values }),
        }
    }
    Ok(Some(filters))
}
