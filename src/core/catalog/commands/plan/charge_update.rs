//! One charge that is changed (charge properties 10.4).

use super::charge::{kind_of, sent_metric, target_wallet};
use super::filter::{self, Scope};
use super::members::{self, Draft, REGROUP};
use super::{charges_in_force, pricing_unit};
use crate::core::catalog::check::{
    is_blank, prepare_charge, prepare_filter, presentation_group_keys, pricing_group_keys,
};
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{Changes, Refusal, State, taxes};
use crate::core::catalog::record::EntityId;
use crate::core::catalog::{BillableMetric, Charge, Plan};
use crate::core::pricing::Model;
use crate::core::value::Value;

/// Checks what is sent and makes the charge that it asks for. `attached` tells whether a
/// subscription points at the plan: then the members that decide quantities stay as they are.
pub(super) fn update(
    state: &State<'_>,
    plan: &Plan,
    old: &Charge,
    attached: bool,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<Charge, Refusal> {
    let metric = state.tenant.metrics.get(old.metric).ok_or(Refusal::NotFound("charge"))?;
    changes.read(EntityId::BillableMetric(metric.id), Some(metric.version));
    let mut draft = first_draft(old, metric, attached, input);
    draft.check()?;
    let mut charge = old.clone();
    let kind = kind_of(&draft)?;
    charge.invoice_display_name = input.text("invoice_display_name");
    charge.model = Model::from_properties(kind, &draft.properties);
    charge.pricing_group_keys = pricing_group_keys(&draft.properties);
    charge.presentation_group_keys = presentation_group_keys(&draft.properties);
    charge.properties = draft.properties.clone();
    if let Some(accepts) = target_wallet(state, input) {
        charge.accepts_target_wallet = accepts;
    }
    charge.pricing_unit = pricing_unit::update(input, old.pricing_unit.as_ref())?;
    if let Some(filters) = input.value("filters").as_list() {
        let sent = filters.iter().filter(|filter| !filter.is_null());
        let scope = Scope { model: kind, metric };
        charge.filters = filter::save_list(state, scope, sent, &old.filters)?;
    }
    if let Some(codes) = input.texts("tax_codes") {
        charge.taxes = taxes(state, &codes, changes)?;
    }
    if !attached {
        second_draft(state, plan, old, input, &mut draft, changes);
        draft.check()?;
        charge.metric = draft.metric.map_or(old.metric, |metric| metric.id);
        charge.echo.set(REGROUP, draft.regroup_paid_fees.map_or(Value::Null, Value::Text));
        charge.min_amount_cents = draft.min_amount_cents.unwrap_or(0);
        charge.pay_in_advance = draft.pay_in_advance;
        charge.prorated = draft.prorated;
        charge.invoiceable = draft.invoiceable;
        charge.code = draft.code;
    }
    Ok(charge)
}

/// The first save: model and properties are new, everything else is old.
fn first_draft<'a>(
    old: &Charge,
    metric: &'a BillableMetric,
    attached: bool,
    input: Input<'_>,
) -> Draft<'a> {
    let sent = members::model(input);
    let model = if attached { Some(old.model.kind().name().to_owned()) } else { sent.clone() };
    Draft {
        properties: properties(sent.as_deref(), model.as_deref(), input.value("properties")),
        model,
        metric: Some(metric),
        code: old.code.clone(),
        code_taken: false,
        pay_in_advance: old.pay_in_advance,
        prorated: old.prorated,
        invoiceable: old.invoiceable,
        min_amount_cents: Some(old.min_amount_cents),
        regroup_paid_fees: old.echo.text(REGROUP).map(str::to_owned),
    }
}

/// Where none are sent, the default is that of the model that is sent, even where the model stays
/// another one.
fn properties(sent: Option<&str>, model: Option<&str>, given: &Value) -> Value {
    let blank = given.as_object().is_none() || is_blank(given);
    if !blank {
        return prepare_charge(model, given);
    }
    let default = sent.map_or(Value::Object(Vec::new()), |sent| {
        prepare_charge(Some(sent), &Value::Object(Vec::new()))
    });
    // Defaults have no keys of a breakdown, so nothing is lost by keeping them as a filter's.
    prepare_filter(model, &default)
}

/// The second save: the members that a plan without subscriptions may still change.
fn second_draft<'a>(
    state: &State<'a>,
    plan: &Plan,
    old: &Charge,
    input: Input<'_>,
    draft: &mut Draft<'a>,
    changes: &mut Changes,
) {
    if input.has("billable_metric_id") {
        let metric = sent_metric(state, input);
        if let Some(metric) = metric {
            changes.read(EntityId::BillableMetric(metric.id), Some(metric.version));
        }
        draft.metric = metric.map(|metric| &*metric.entity);
    }
    if let Some(code) = input.present("code") {
        let others = || charges_in_force(plan, state.tenant).filter(|other| other.id != old.id);
        draft.code_taken = others().any(|other| other.code == code);
        draft.code = code;
    }
    let flag = |name, place: &mut bool| *place = input.flag(name).unwrap_or(*place);
    flag("pay_in_advance", &mut draft.pay_in_advance);
    flag("prorated", &mut draft.prorated);
    flag("invoiceable", &mut draft.invoiceable);
    // Absent it is 0, but a null is passed over.
    if !input.has("min_amount_cents") || !input.value("min_amount_cents").is_null() {
        draft.min_amount_cents = members::min_amount_cents(input);
    }
    if input.has(REGROUP) {
        draft.regroup_paid_fees = members::regroup_paid_fees(input);
    }
}
