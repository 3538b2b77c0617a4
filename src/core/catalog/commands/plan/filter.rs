//! Filters of a charge, as a list and one by one (charge properties 8).

use uuid::Uuid;

use crate::core::catalog::check::{
    check_filter_values, check_properties, filter_values, is_blank, prepare_charge, prepare_filter,
    pricing_group_keys, without_nulls,
};
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{Refusal, State};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};
use crate::core::instant::Instant;
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

const VALUES: &str = "values";
const MANDATORY: &str = "value_is_mandatory";

/// What a filter is checked against: model and metric of its charge.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) model: ModelKind,
    pub(super) metric: &'a BillableMetric,
}

/// The filters that a charge has once a list is saved (8.2): entries with the values of one that
/// is there change it, others are new, and those that are not named are gone.
pub(super) fn save_list<'a>(
    state: &State<'_>,
    scope: Scope<'_>,
    sent: impl Iterator<Item = &'a Value> + Clone,
    old: &[ChargeFilter],
) -> Result<Vec<ChargeFilter>, Refusal> {
    if sent.clone().any(|entry| !has_values(entry)) {
        return Err(Refusal::invalid(VALUES, MANDATORY));
    }
    let mut saved: Vec<ChargeFilter> = Vec::new();
    for entry in sent {
        let properties = prepare(scope, entry)?;
        let values = values(scope, entry)?;
        let twin = old.iter().find(|filter| same(&filter.values, &values));
        let (id, created_at) =
            twin.map_or_else(|| (state.new_id(), state.now), |twin| (twin.id, twin.created_at));
        let name = Input(entry).text("invoice_display_name");
        // One that is named twice is the last of the two.
        saved.retain(|filter| filter.id != id);
        saved.push(build(scope, id, name, values, properties, created_at));
    }
    Ok(saved)
}

/// Whether an entry has values at all: what is no object counts as absent (2).
fn has_values(entry: &Value) -> bool {
    let values = entry.get(VALUES);
    values.as_object().is_some() && !is_blank(values)
}

/// A filter that is added by itself (8.3).
pub(super) fn create(
    state: &State<'_>,
    scope: Scope<'_>,
    entry: &Value,
) -> Result<ChargeFilter, Refusal> {
    if !has_values(entry) {
        return Err(Refusal::invalid(VALUES, MANDATORY));
    }
    let properties = prepare(scope, entry)?;
    let values = values(scope, entry)?;
    let name = Input(entry).text("invoice_display_name");
    Ok(build(scope, state.new_id(), name, values, properties, state.now))
}

/// A filter that is added to a subscription's charge, where no two may be equal (8.3).
pub(super) fn add(
    state: &State<'_>,
    scope: Scope<'_>,
    charge: &Charge,
    entry: &Value,
) -> Result<ChargeFilter, Refusal> {
    let sent = filter_values(&without_nulls(entry.get(VALUES)));
    if !sent.is_empty() && charge.filters.iter().any(|filter| same(&filter.values, &sent)) {
        return Err(Refusal::invalid(VALUES, "value_already_exists"));
    }
    create(state, scope, entry)
}

/// A filter with what is sent changed (8.3); its values stay.
pub(super) fn update(
    scope: Scope<'_>,
    entry: &Value,
    old: &ChargeFilter,
) -> Result<ChargeFilter, Refusal> {
    update_prepared(scope, entry, old, |properties| {
        prepare_filter(Some(scope.model.name()), properties)
    })
}

/// [`update`] where keys of the breakdown are kept, and checked (2.4).
pub(super) fn update_with_breakdown(
    scope: Scope<'_>,
    entry: &Value,
    old: &ChargeFilter,
) -> Result<ChargeFilter, Refusal> {
    update_prepared(scope, entry, old, |properties| {
        // A filter has no default properties.
        if is_blank(properties) {
            return properties.clone();
        }
        prepare_charge(Some(scope.model.name()), properties)
    })
}

fn update_prepared(
    scope: Scope<'_>,
    entry: &Value,
    old: &ChargeFilter,
    prepare: impl FnOnce(&Value) -> Value,
) -> Result<ChargeFilter, Refusal> {
    let properties = match entry.get("properties") {
        sent @ Value::Object(_) => check(scope, prepare(sent))?,
        _ => old.properties.clone(),
    };
    let name = old.invoice_display_name.as_deref();
    let name = Input(entry).text_or_kept("invoice_display_name", name);
    Ok(build(scope, old.id, name, old.values.clone(), properties, old.created_at))
}

/// Model and metric of a stored charge.
pub(super) fn scope<'a>(charge: &Charge, metric: &'a BillableMetric) -> Scope<'a> {
    Scope { model: charge.model.kind(), metric }
}

fn prepare(scope: Scope<'_>, entry: &Value) -> Result<Value, Refusal> {
    check(scope, prepare_filter(Some(scope.model.name()), entry.get("properties")))
}

fn check(scope: Scope<'_>, properties: Value) -> Result<Value, Refusal> {
    let (model, aggregation) = (scope.model.name(), Some(scope.metric.aggregation));
    let errors = check_properties(model, aggregation, &properties, true);
    super::charge::refuse_properties(&errors)?;
    Ok(properties)
}

fn values(scope: Scope<'_>, entry: &Value) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let sent = without_nulls(entry.get(VALUES));
    Refusal::unless_empty(check_filter_values(&scope.metric.filters, &sent))?;
    Ok(filter_values(&sent))
}

fn build(
    scope: Scope<'_>,
    id: Uuid,
    invoice_display_name: Option<String>,
    values: Vec<(String, Vec<String>)>,
    properties: Value,
    created_at: Instant,
) -> ChargeFilter {
    ChargeFilter {
        id,
        invoice_display_name,
        values,
        model: Model::from_properties(scope.model, &properties),
        pricing_group_keys: pricing_group_keys(&properties),
        properties,
        created_at,
    }
}

/// Whether two filters name the same values: keys in any order, the values of each in one order.
fn same(left: &[(String, Vec<String>)], right: &[(String, Vec<String>)]) -> bool {
    left.len() == right.len() && left.iter().all(|pair| right.contains(pair))
}
