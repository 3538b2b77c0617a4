//! Taxes (specification 9.1).

use super::input::Input;
use super::{Changes, Command, Decision, Refusal, State};
use crate::core::catalog::check::Errors;
use crate::core::catalog::record::{Body, Coded, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Organization, Tax};
use crate::core::double::Double;
use crate::core::value::Value;

/// A tax, and whether the billing entity applies it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaxReply {
    /// The tax.
    pub tax: Tax,
    /// Whether it applies to the whole organisation.
    pub applied: bool,
}

/// Adds a tax.
#[derive(Clone, Debug)]
pub struct CreateTax {
    /// The members of `tax`.
    pub input: Value,
}

/// Changes the members of a tax that are sent.
#[derive(Clone, Debug)]
pub struct UpdateTax {
    /// Code of the tax.
    pub code: String,
    /// The members of `tax`.
    pub input: Value,
}

/// Takes a tax out. Whatever it is attached to loses it.
#[derive(Clone, Debug)]
pub struct DeleteTax {
    /// Code of the tax.
    pub code: String,
}

impl Command for CreateTax {
    type Reply = TaxReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<TaxReply>, Refusal> {
        let (input, mut errors) = (Input(&self.input), Errors::default());
        let name = input.mandatory("name", &mut errors);
        let rate = rate(input, &mut errors);
        let code = input.mandatory("code", &mut errors);
        let mut changes = state.changes();
        take_code(state, &code, &mut changes, &mut errors);
        Refusal::unless_empty(errors)?;
        let tax = Tax {
            id: state.new_id(),
            code,
            name,
            rate,
            description: input.text("description"),
            created_at: state.now,
        };
        changes.put(Body::Tax(tax.clone()), None);
        let applied = apply_to_organization(state, &tax, input, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: TaxReply { tax, applied } })
    }
}

impl Command for UpdateTax {
    type Reply = TaxReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<TaxReply>, Refusal> {
        let old = state.tax(&self.code)?;
        let (input, mut errors) = (Input(&self.input), Errors::default());
        let mut changes = state.changes();
        let mut tax = Tax {
            name: input.mandatory_or_kept("name", &old.name, &mut errors),
            code: input.mandatory_or_kept("code", &old.code, &mut errors),
            description: input.text_or_kept("description", old.description.as_deref()),
            ..Tax::clone(&old.entity)
        };
        if input.has("rate") {
            tax.rate = rate(input, &mut errors);
        }
        if tax.code != old.code {
            take_code(state, &tax.code, &mut changes, &mut errors);
        }
        Refusal::unless_empty(errors)?;
        if tax != *old.entity {
            changes.put(Body::Tax(tax.clone()), Some(old.version));
        }
        let applied = apply_to_organization(state, &tax, input, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: TaxReply { tax, applied } })
    }
}

impl Command for DeleteTax {
    type Reply = TaxReply;

    fn decide(&self, state: &State<'_>) -> Result<Decision<TaxReply>, Refusal> {
        let old = state.tax(&self.code)?;
        let tax = Tax::clone(&old.entity);
        let mut changes = state.changes();
        let applied = state.tenant.organization.taxes.contains(&tax.id);
        // Plans, charges and customers name it by an id that nothing else will ever have; only the
        // organisation, which is small and shown, is cleaned.
        if applied {
            put_organization(&state.tenant.organization, &mut changes, |organization| {
                organization.taxes.retain(|id| *id != tax.id);
            });
        }
        changes.delete(EntityId::Tax(tax.id), old.version);
        Ok(Decision { record: changes.into_record(), reply: TaxReply { tax, applied } })
    }
}

/// A number, or a text that is one.
fn rate(input: Input<'_>, errors: &mut Errors) -> Double {
    let text = input.mandatory("rate", errors);
    let rate = Double::parse_literal(text.trim());
    if rate.is_none() && !text.is_empty() {
        errors.add("rate", "value_is_invalid");
    }
    rate.unwrap_or(Double::ZERO)
}

fn take_code(state: &State<'_>, code: &str, changes: &mut Changes, errors: &mut Errors) {
    if state.tenant.taxes.by_code(code).is_some() {
        errors.add("code", "value_already_exist");
    }
    changes.free_code(Coded::Tax, code);
}

/// Attaches the tax to the billing entity or detaches it, if the request says so. Returns whether
/// it is attached from now on.
fn apply_to_organization(
    state: &State<'_>,
    tax: &Tax,
    input: Input<'_>,
    changes: &mut Changes,
) -> bool {
    let organization = &state.tenant.organization;
    let applied = organization.taxes.contains(&tax.id);
    let wanted = input.flag("applied_to_organization").unwrap_or(applied);
    if wanted != applied {
        put_organization(organization, changes, |organization| {
            organization.taxes.retain(|id| *id != tax.id);
            if wanted {
                organization.taxes.push(tax.id);
            }
        });
    }
    wanted
}

fn put_organization(
    old: &Versioned<Organization>,
    changes: &mut Changes,
    change: impl FnOnce(&mut Organization),
) {
    let mut organization = Organization::clone(&old.entity);
    change(&mut organization);
    changes.put(Body::Organization(organization), Some(old.version));
}
