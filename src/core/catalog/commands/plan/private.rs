//! Plans that belong to one subscription, with what a request overrides in them (9.5, charge
//! properties 10.5).

use super::overrides::{CHARGE_PARENT, override_charge, private_plan};
use super::thresholds::take_thresholds;
use super::write::{put_plan, take_amount, take_currency, take_texts};
use crate::core::catalog::check::Errors;
use crate::core::catalog::commands::input::{Input, text_of};
use crate::core::catalog::commands::{Changes, Refusal, State, taxes};
use crate::core::catalog::record::EntityId;
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Charge, Plan};
use crate::core::value::Value;

/// A private copy of a plan with what is sent changed in it; the caller saves it.
///
/// # Errors
///
/// Refusals of its members, of a charge's, or `tax_not_found`.
pub fn overridden_plan(
    state: &State<'_>,
    plan: &Plan,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<Plan, Refusal> {
    let mut private = private_plan(state, plan);
    take(state, &mut private, input, changes)?;
    private.charges.sort_by_key(|charge| charge.id);
    Ok(private)
}

/// Changes what is sent in a plan that is private already, and saves it.
///
/// # Errors
///
/// As [`overridden_plan`].
pub fn change_private_plan(
    state: &State<'_>,
    old: &Versioned<Plan>,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let mut private = Plan::clone(&old.entity);
    take(state, &mut private, input, changes)?;
    put_plan(private, Some(old), changes);
    Ok(())
}

fn take(
    state: &State<'_>,
    plan: &mut Plan,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let mut errors = Errors::default();
    plan.name = input.mandatory_or_kept("name", &plan.name, &mut errors);
    if input.has("amount_cents") {
        take_amount(input, plan, &mut errors);
    }
    if input.has("amount_currency") {
        take_currency(input, plan, &mut errors);
    }
    take_texts(input, plan, &mut errors);
    take_thresholds(input, plan, &mut errors);
    Refusal::unless_empty(errors)?;
    if let Some(codes) = input.texts("tax_codes") {
        plan.taxes = taxes(state, &codes, changes)?;
    }
    for charge in &mut plan.charges {
        let Some(metric) = state.tenant.metrics.get(charge.metric) else { continue };
        // Of two entries for one charge the last one counts.
        let sent = input.list("charges").into_iter().flatten().filter(|sent| names(sent, charge));
        if let Some(sent) = sent.last() {
            changes.read(EntityId::BillableMetric(metric.id), Some(metric.version));
            override_charge(state, Input(sent), charge, metric, changes)?;
        }
    }
    Ok(())
}

/// Whether an entry is about a charge: by the charge's own id, or by that of the one it overrides.
fn names(sent: &Value, charge: &Charge) -> bool {
    text_of(sent.get("id")).is_some_and(|id| {
        id == charge.id.to_string() || charge.echo.text(CHARGE_PARENT) == Some(id.as_str())
    })
}
