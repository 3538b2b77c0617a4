//! Charges of a plan, one at a time (charge properties 10.3 and 10.4).

use super::charge::{self, Code};
use super::charge_by_code;
use super::charge_update;
use super::write::put_plan;
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{Command, Decision, Refusal, State};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Charge, Plan};
use crate::core::value::Value;

/// Adds a charge to a plan.
#[derive(Clone, Debug)]
pub struct CreateCharge {
    /// Code of the plan.
    pub plan: String,
    /// The members of `charge`.
    pub input: Value,
}

/// Changes a charge.
#[derive(Clone, Debug)]
pub struct UpdateCharge {
    /// Code of the plan.
    pub plan: String,
    /// Code of the charge.
    pub charge: String,
    /// The members of `charge`.
    pub input: Value,
}

/// Takes a charge out of a plan.
#[derive(Clone, Debug)]
pub struct DeleteCharge {
    /// Code of the plan.
    pub plan: String,
    /// Code of the charge.
    pub charge: String,
}

/// The plan with this code and its charge with that one.
pub(super) fn find<'a>(
    state: &State<'a>,
    plan: &str,
    charge: &str,
) -> Result<(&'a Versioned<Plan>, &'a Charge), Refusal> {
    let plan = state.plan(plan)?;
    let charge = charge_by_code(&plan.entity, state.tenant, charge);
    Ok((plan, charge.ok_or(Refusal::NotFound("charge"))?))
}

/// The plan with a charge in the place of the one with the same id.
pub(super) fn with_charge(plan: &Plan, charge: &Charge) -> Plan {
    let mut plan = plan.clone();
    match plan.charges.iter_mut().find(|old| old.id == charge.id) {
        Some(old) => *old = charge.clone(),
        None => plan.charges.push(charge.clone()),
    }
    plan
}

impl Command for CreateCharge {
    type Reply = Charge;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Charge>, Refusal> {
        let plan = state.plan(&self.plan)?;
        let mut changes = state.changes();
        let input = Input(&self.input);
        let charge = charge::create(state, plan, input, Code::Mandatory, &mut changes)?;
        put_plan(with_charge(plan, &charge), Some(plan), &mut changes);
        Ok(Decision { record: changes.into_record(), reply: charge })
    }
}

impl Command for UpdateCharge {
    type Reply = Charge;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Charge>, Refusal> {
        let (plan, old) = find(state, &self.plan, &self.charge)?;
        let mut changes = state.changes();
        let (attached, input) = (state.is_attached(plan.id), Input(&self.input));
        let charge = charge_update::update(state, plan, old, attached, input, &mut changes)?;
        put_plan(with_charge(plan, &charge), Some(plan), &mut changes);
        Ok(Decision { record: changes.into_record(), reply: charge })
    }
}

impl Command for DeleteCharge {
    type Reply = Charge;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Charge>, Refusal> {
        let (plan, charge) = find(state, &self.plan, &self.charge)?;
        let mut changes = state.changes();
        let mut left = Plan::clone(&plan.entity);
        left.charges.retain(|other| other.id != charge.id);
        put_plan(left, Some(plan), &mut changes);
        Ok(Decision { record: changes.into_record(), reply: charge.clone() })
    }
}
