//! Charges of one subscription (charge properties 10.5): its plan is copied into a private one when
//! the first of them is changed.

use uuid::Uuid;

use super::charges::with_charge;
use super::filter;
use super::members::{self, Draft, REGROUP};
use super::write::put_plan;
use super::{FilterReply, charge_by_code, charges_in_force, pricing_unit};
use crate::core::catalog::check::{is_blank, pricing_group_keys, without_nulls};
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{Changes, Command, Decision, Refusal, State, taxes};
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter, Plan, Status, Subscription};
use crate::core::pricing::Model;
use crate::core::value::Value;

/// Where a private charge keeps the id of the charge that it overrides.
pub const CHARGE_PARENT: &str = "lago_parent_id";

/// Changes a charge for one subscription.
#[derive(Clone, Debug)]
pub struct OverrideCharge {
    /// External id of the subscription.
    pub subscription: String,
    /// Code of the charge.
    pub charge: String,
    /// The members of `charge`.
    pub input: Value,
}

/// Adds a filter to a charge of one subscription.
#[derive(Clone, Debug)]
pub struct AddFilter {
    /// External id of the subscription.
    pub subscription: String,
    /// Code of the charge.
    pub charge: String,
    /// The members of `filter`.
    pub input: Value,
}

/// Changes a filter of a charge of one subscription.
#[derive(Clone, Debug)]
pub struct OverrideFilter {
    /// External id of the subscription.
    pub subscription: String,
    /// Code of the charge.
    pub charge: String,
    /// Id of the filter, of the plan's charge or of the subscription's own.
    pub filter: String,
    /// The members of `filter`.
    pub input: Value,
}

/// A copy of a plan for one subscription: the same charges under ids of their own.
pub fn private_plan(state: &State<'_>, plan: &Plan) -> Plan {
    let private = |charge: &Charge| {
        let mut private = charge.clone();
        private.id = state.new_id();
        private.echo.set(CHARGE_PARENT, Value::Text(charge.id.to_string()));
        for filter in &mut private.filters {
            filter.id = state.new_id();
        }
        private
    };
    Plan {
        id: state.new_id(),
        parent: Some(plan.parent.unwrap_or(plan.id)),
        charges: charges_in_force(plan, state.tenant).map(private).collect(),
        created_at: state.now,
        ..plan.clone()
    }
}

/// The active subscription with this external id, its plan, and that plan's charge with this code.
pub fn subscribed_charge<'a>(
    state: &State<'a>,
    subscription: &str,
    code: &str,
) -> Result<(Versioned<Subscription>, &'a Versioned<Plan>, &'a Charge), Refusal> {
    let rows = state.directory.subscriptions(state.organization(), subscription);
    let row = rows.iter().find(|row| row.status_at(state.now) == Status::Active);
    let row = row.ok_or(Refusal::NotFound("subscription"))?.clone();
    let plan = state.tenant.plan(row.plan).ok_or(Refusal::NotFound("charge"))?;
    let charge = charge_by_code(&plan.entity, state.tenant, code);
    Ok((row, plan, charge.ok_or(Refusal::NotFound("charge"))?))
}

impl Command for OverrideCharge {
    type Reply = Charge;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Charge>, Refusal> {
        let input = Input(&self.input);
        change(state, &self.subscription, &self.charge, |charge, metric, changes| {
            override_charge(state, input, charge, metric, changes)
        })
        .map(|(decision, ())| decision)
    }
}

impl Command for AddFilter {
    type Reply = FilterReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<FilterReply>, Refusal> {
        let decided = change(state, &self.subscription, &self.charge, |charge, metric, _| {
            let added = filter::add(state, filter::scope(charge, metric), charge, &self.input)?;
            charge.filters.push(added);
            Ok(charge.filters.len() - 1)
        });
        reply(decided?)
    }
}

impl Command for OverrideFilter {
    type Reply = FilterReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<FilterReply>, Refusal> {
        let id = Uuid::try_parse(&self.filter).ok();
        let decided = change(state, &self.subscription, &self.charge, |charge, metric, _| {
            let place = charge.filters.iter().position(|filter| Some(filter.id) == id);
            let old = charge.filters.remove(place.ok_or(Refusal::NotFound("charge_filter"))?);
            let scope = filter::scope(charge, metric);
            charge.filters.push(filter::update_with_breakdown(scope, &self.input, &old)?);
            Ok(charge.filters.len() - 1)
        });
        reply(decided?)
    }
}

/// The filter at a place of the charge that was decided on.
fn reply(decided: (Decision<Charge>, usize)) -> Result<Decision<FilterReply>, Refusal> {
    let (Decision { record, reply }, place) = decided;
    let filter: Option<&ChargeFilter> = reply.filters.get(place);
    let filter = filter.ok_or(Refusal::NotFound("charge_filter"))?.clone();
    Ok(Decision { record, reply: FilterReply { charge_code: reply.code, filter } })
}

/// Changes a charge of a subscription, in its private plan. Returns the charge as it is there.
fn change<R>(
    state: &State<'_>,
    subscription: &str,
    code: &str,
    change: impl FnOnce(&mut Charge, &BillableMetric, &mut Changes) -> Result<R, Refusal>,
) -> Result<(Decision<Charge>, R), Refusal> {
    let (row, plan, old) = subscribed_charge(state, subscription, code)?;
    let metric = state.tenant.metrics.get(old.metric).ok_or(Refusal::NotFound("charge"))?;
    let mut changes = state.changes();
    changes.read(EntityId::BillableMetric(metric.id), Some(metric.version));
    let mut charge = old.clone();
    let result = change(&mut charge, metric, &mut changes)?;
    let changed = with_charge(plan, &charge);
    if plan.parent.is_some() {
        put_plan(changed, Some(plan), &mut changes);
        return Ok((Decision { record: changes.into_record(), reply: charge }, result));
    }
    let private = private_plan(state, &changed);
    let own = private.charges.iter().find(|own| own.code == charge.code).cloned();
    changes.read(EntityId::Plan(plan.id), Some(plan.version));
    let moved = Subscription { plan: private.id, ..Subscription::clone(&row.entity) };
    changes.put(Body::Plan(private), None);
    changes.put(Body::Subscription(moved), Some(row.version));
    let reply = own.ok_or(Refusal::NotFound("charge"))?;
    Ok((Decision { record: changes.into_record(), reply }, result))
}

/// Properties are taken as they are sent, nulls in lists aside; everything that is not named keeps
/// the parent's value.
pub(super) fn override_charge(
    state: &State<'_>,
    input: Input<'_>,
    charge: &mut Charge,
    metric: &BillableMetric,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    if input.value("properties").as_object().is_some() {
        charge.properties = without_nulls(input.value("properties"));
    }
    let name = charge.invoice_display_name.as_deref();
    charge.invoice_display_name = input.text_or_kept("invoice_display_name", name);
    let kept = is_blank(input.value("min_amount_cents"));
    let draft = Draft {
        model: Some(charge.model.kind().name().to_owned()),
        metric: Some(metric),
        properties: charge.properties.clone(),
        code: charge.code.clone(),
        code_taken: false,
        pay_in_advance: charge.pay_in_advance,
        prorated: charge.prorated,
        invoiceable: charge.invoiceable,
        min_amount_cents: if kept {
            Some(charge.min_amount_cents)
        } else {
            members::min_amount_cents(input)
        },
        regroup_paid_fees: charge.echo.text(REGROUP).map(str::to_owned),
    };
    draft.check()?;
    charge.min_amount_cents = draft.min_amount_cents.unwrap_or(0);
    charge.model = Model::from_properties(charge.model.kind(), &charge.properties);
    charge.pricing_group_keys = pricing_group_keys(&charge.properties);
    charge.presentation_group_keys = draft.presentation();
    if let Some(filters) = input.value("filters").as_list() {
        let sent = filters.iter().filter(|filter| !filter.is_null());
        let scope = filter::scope(charge, metric);
        charge.filters = filter::save_list(state, scope, sent, &charge.filters)?;
    }
    if let Some(codes) = input.texts("tax_codes") {
        charge.taxes = taxes(state, &codes, changes)?;
    }
    charge.pricing_unit = pricing_unit::update(input, charge.pricing_unit.as_ref())?;
    Ok(())
}
