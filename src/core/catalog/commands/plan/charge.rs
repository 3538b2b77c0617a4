//! One new charge (charge properties 10.3).

use uuid::Uuid;

use super::filter::{self, Scope};
use super::members::{self, Draft, REGROUP};
use super::{charges_in_force, pricing_unit};
use crate::core::catalog::check::{Errors, charge_code, prepare_charge, pricing_group_keys};
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{Changes, Refusal, State, taxes};
use crate::core::catalog::record::EntityId;
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{BillableMetric, Charge, Echo, Flag, Plan};
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

/// Where the code of a new charge comes from when none is sent (section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// From the metric.
    Generated,
    /// Nowhere: it has to be sent.
    Mandatory,
}

/// Checks what is sent and makes the charge that it asks for, on a plan as it is so far.
pub(super) fn create(
    state: &State<'_>,
    plan: &Plan,
    input: Input<'_>,
    code: Code,
    changes: &mut Changes,
) -> Result<Charge, Refusal> {
    let metric = sent_metric(state, input).ok_or(Refusal::NotFound("billable_metric"))?;
    changes.read(EntityId::BillableMetric(metric.id), Some(metric.version));
    let draft = draft(state, plan, input, code, metric);
    let mut filters = input.list("filters").into_iter().flatten().peekable();
    let mut saved = Vec::new();
    if filters.peek().is_some() {
        // The charge is saved in its plainest form before the filters are looked at.
        let plain = Draft {
            invoiceable: true,
            regroup_paid_fees: None,
            min_amount_cents: Some(0),
            ..draft.clone()
        };
        plain.check()?;
        let scope = Scope { model: kind_of(&draft)?, metric };
        saved = filter::save_list(state, scope, filters, &[])?;
    }
    draft.check()?;
    let kind = kind_of(&draft)?;
    let pricing_unit = pricing_unit::create(state, input)?;
    let taxes = taxes(state, &input.texts("tax_codes").unwrap_or_default(), changes)?;
    let mut echo = Echo::default();
    if let Some(regroup) = &draft.regroup_paid_fees {
        echo.set(REGROUP, Value::Text(regroup.clone()));
    }
    Ok(Charge {
        id: state.new_id(),
        metric: metric.id,
        invoice_display_name: input.text("invoice_display_name"),
        model: Model::from_properties(kind, &draft.properties),
        pricing_group_keys: pricing_group_keys(&draft.properties),
        presentation_group_keys: draft.presentation(),
        pay_in_advance: draft.pay_in_advance,
        prorated: draft.prorated,
        invoiceable: draft.invoiceable,
        min_amount_cents: draft.min_amount_cents.unwrap_or(0),
        accepts_target_wallet: target_wallet(state, input).unwrap_or(false),
        pricing_unit,
        taxes,
        filters: saved,
        echo,
        created_at: state.now,
        code: draft.code,
        properties: draft.properties,
    })
}

fn draft<'a>(
    state: &State<'_>,
    plan: &Plan,
    input: Input<'_>,
    rule: Code,
    metric: &'a BillableMetric,
) -> Draft<'a> {
    let model = members::model(input);
    let codes = || charges_in_force(plan, state.tenant).map(|charge| charge.code.as_str());
    let codes: Vec<&str> = codes().collect();
    let code = match input.present("code") {
        Some(code) => code,
        None if rule == Code::Generated => charge_code(&metric.code, codes.iter().copied()),
        None => String::new(),
    };
    Draft {
        properties: prepare_charge(model.as_deref(), input.value("properties")),
        model,
        metric: Some(metric),
        code_taken: codes.contains(&code.as_str()),
        code,
        pay_in_advance: input.flag("pay_in_advance").unwrap_or(false),
        prorated: input.flag("prorated").unwrap_or(false),
        invoiceable: input.flag("invoiceable").unwrap_or(true),
        min_amount_cents: members::min_amount_cents(input),
        regroup_paid_fees: members::regroup_paid_fees(input),
    }
}

/// The metric that is named by id, or by code where no id is sent.
pub(super) fn sent_metric<'a>(
    state: &State<'a>,
    input: Input<'_>,
) -> Option<&'a Versioned<BillableMetric>> {
    match input.text("billable_metric_id") {
        Some(id) => state.tenant.metrics.get(Uuid::try_parse(&id).ok()?),
        None => state.tenant.metrics.by_code(&input.text("billable_metric_code")?),
    }
}

/// Whether a target wallet is accepted, if that is sent and the organisation may say so.
pub(super) fn target_wallet(state: &State<'_>, input: Input<'_>) -> Option<bool> {
    let flags = &state.tenant.organization.flags;
    let accepts = input.flag("accepts_target_wallet");
    accepts.filter(|_| flags.contains(&Flag::EventsTargetingWallets))
}

/// The model of a draft that passes its check; all others have been refused by then.
pub(super) fn kind_of(draft: &Draft<'_>) -> Result<ModelKind, Refusal> {
    let kind = draft.model.as_deref().and_then(ModelKind::from_name);
    kind.ok_or_else(|| Refusal::invalid("charge_model", "value_is_invalid"))
}

/// Refuses properties with all their codes under one key (10.1).
pub(super) fn refuse_properties(found: &Errors) -> Result<(), Refusal> {
    let mut errors = Errors::default();
    if !found.is_empty() {
        errors.extend("properties", found.flatten());
    }
    Refusal::unless_empty(errors)
}
