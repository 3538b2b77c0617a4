//! Filters of a plan's charge, one at a time (charge properties 8.3).

use uuid::Uuid;

use super::charges::{find, with_charge};
use super::filter;
use super::write::put_plan;
use crate::core::catalog::commands::{Command, Decision, Refusal, State};
use crate::core::catalog::record::EntityId;
use crate::core::catalog::{Charge, ChargeFilter};
use crate::core::value::Value;

/// A filter, and the code of its charge.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterReply {
    /// Code of the charge.
    pub charge_code: String,
    /// The filter.
    pub filter: ChargeFilter,
}

/// Adds a filter to a charge.
#[derive(Clone, Debug)]
pub struct CreateFilter {
    /// Code of the plan.
    pub plan: String,
    /// Code of the charge.
    pub charge: String,
    /// The members of `filter`.
    pub input: Value,
}

/// Changes a filter; its values stay.
#[derive(Clone, Debug)]
pub struct UpdateFilter {
    /// Code of the plan.
    pub plan: String,
    /// Code of the charge.
    pub charge: String,
    /// Id of the filter.
    pub filter: String,
    /// The members of `filter`.
    pub input: Value,
}

/// Takes a filter out of a charge.
#[derive(Clone, Debug)]
pub struct DeleteFilter {
    /// Code of the plan.
    pub plan: String,
    /// Code of the charge.
    pub charge: String,
    /// Id of the filter.
    pub filter: String,
}

impl Command for CreateFilter {
    type Reply = FilterReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<FilterReply>, Refusal> {
        change(state, &self.plan, &self.charge, |charge, scope| {
            let filter = filter::create(state, scope, &self.input)?;
            charge.filters.push(filter.clone());
            Ok(filter)
        })
    }
}

impl Command for UpdateFilter {
    type Reply = FilterReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<FilterReply>, Refusal> {
        change(state, &self.plan, &self.charge, |charge, scope| {
            let old = charge.filters.remove(place(charge, &self.filter)?);
            let filter = filter::update(scope, &self.input, &old)?;
            // Filters stand in the order of their last update.
            charge.filters.push(filter.clone());
            Ok(filter)
        })
    }
}

impl Command for DeleteFilter {
    type Reply = FilterReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<FilterReply>, Refusal> {
        change(state, &self.plan, &self.charge, |charge, _| {
            Ok(charge.filters.remove(place(charge, &self.filter)?))
        })
    }
}

fn place(charge: &Charge, id: &str) -> Result<usize, Refusal> {
    let id = Uuid::try_parse(id).ok();
    let place = charge.filters.iter().position(|filter| Some(filter.id) == id);
    place.ok_or(Refusal::NotFound("charge_filter"))
}

/// Changes one charge of a plan.
fn change(
    state: &State<'_>,
    plan: &str,
    charge: &str,
    change: impl FnOnce(&mut Charge, filter::Scope<'_>) -> Result<ChargeFilter, Refusal>,
) -> Result<Decision<FilterReply>, Refusal> {
    let (plan, old) = find(state, plan, charge)?;
    let metric = state.tenant.metrics.get(old.metric).ok_or(Refusal::NotFound("charge"))?;
    let mut changed = old.clone();
    let filter = change(&mut changed, filter::scope(old, metric))?;
    let mut changes = state.changes();
    let id = EntityId::BillableMetric(metric.id);
    changes.read(id, Some(metric.version));
    put_plan(with_charge(plan, &changed), Some(plan), &mut changes);
    let reply = FilterReply { charge_code: changed.code, filter };
    Ok(Decision { record: changes.into_record(), reply })
}
