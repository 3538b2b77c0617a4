//! Commands: what callers ask of the catalogue, decided on its present state (architecture, logs).
//!
//! A command is a pure function from the state, the request and the moment to a [`Decision`]: the
//! record to be appended, with the versions of what was read, and the reply to give once the fold
//! has applied it. Should one of those versions have moved, the fold ignores the record and the
//! command is decided anew, as if it had come second. So a command must [expect](Changes::read)
//! everything that its decision rests on, codes that it found free included.

mod customer;
mod expression;
mod input;
mod lifetime;
mod metric;
mod organization;
mod plan;
mod state;
mod subscription;
mod tax;

use super::check::Errors;
use super::record::Record;

pub use customer::{
    BILLING, DeleteCustomer, PROFILE, SHIPPING, UpsertCustomer, new_customer, taxes,
};
pub use expression::evaluate_expression;
pub use input::{Input, boolean, text_of};
pub use lifetime::UpdateLifetimeUsage;
pub use metric::{CreateMetric, DeleteMetric, UpdateMetric, WEIGHTED_INTERVAL};
pub use organization::UpdateOrganization;
pub use plan::{
    AddFilter, CHARGE_PARENT, CreateCharge, CreateFilter, CreatePlan, DeleteCharge, DeleteFilter,
    DeletePlan, FilterReply, OverrideCharge, OverrideFilter, UpdateCharge, UpdateFilter,
    UpdatePlan, change_private_plan, charge_by_code, charges_in_force, overridden_plan,
    private_plan, subscribed_charge,
};
pub use state::{Changes, State};
pub use subscription::{CreateSubscription, EndSubscription, UpdateSubscription, row_in};
pub use tax::{CreateTax, DeleteTax, TaxReply, UpdateTax};

#[cfg(test)]
mod tests;

/// Something to be done to the catalogue of one organisation.
pub trait Command: Send + Sync + 'static {
    /// What the caller is told once it is done.
    type Reply: Send + 'static;

    /// Decides on the present state. Called again whenever that has moved.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] in the order of checks of specification chapter 9.
    fn decide(&self, state: &State<'_>) -> Result<Decision<Self::Reply>, Refusal>;
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// What changes; a record without changes is not appended.
    pub record: Record,
    /// What the caller is told.
    pub reply: R,
}

/// Why a command is not carried out (specification chapter 9, SDK contract 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 404 `<resource>_not_found`.
    NotFound(&'static str),
    /// 403 `feature_unavailable`.
    FeatureUnavailable,
    /// 422 with codes by field.
    Invalid(Errors),
}

impl Refusal {
    /// One code on one field.
    pub fn invalid(field: &'static str, code: &'static str) -> Self {
        let mut errors = Errors::default();
        errors.add(field, code);
        Self::Invalid(errors)
    }

    /// Refuses if there are any errors.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] with all of them.
    pub fn unless_empty(errors: Errors) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::Invalid(errors)) }
    }
}
