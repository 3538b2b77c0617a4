//! Members of a charge as they are sent, and the check of a charge that is made of them.

use super::traits;
use crate::core::catalog::check::{
    ChargeDraft, Errors, check_charge, is_blank, presentation_group_keys,
};
use crate::core::catalog::commands::Refusal;
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::{BillableMetric, PresentationKey};
use crate::core::value::Value;

/// The member that regroups fees paid in advance; kept to be shown.
pub(super) const REGROUP: &str = "regroup_paid_fees";
const MIN_AMOUNT: &str = "min_amount_cents";
const MODEL: &str = "charge_model";
/// A name that nothing has.
const NOTHING: &str = "?";

/// A charge that is about to be saved, before it is checked. Members that only a save in two steps
/// changes late are old in the first one (charge properties 10.4).
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent flags, as the API has them
pub(super) struct Draft<'a> {
    pub(super) model: Option<String>,
    /// None if what is sent names no metric.
    pub(super) metric: Option<&'a BillableMetric>,
    pub(super) properties: Value,
    pub(super) code: String,
    pub(super) code_taken: bool,
    pub(super) pay_in_advance: bool,
    pub(super) prorated: bool,
    pub(super) invoiceable: bool,
    /// None if it is no number.
    pub(super) min_amount_cents: Option<i64>,
    pub(super) regroup_paid_fees: Option<String>,
}

impl Draft<'_> {
    /// All that is wrong with it (sections 4 to 7).
    pub(super) fn errors(&self) -> Errors {
        let mut errors = Errors::default();
        if self.metric.is_none() {
            errors.add("billable_metric", "relation_must_exist");
        }
        let found = check_charge(&ChargeDraft {
            model: self.model.as_deref(),
            metric: self.metric.map(traits),
            properties: &self.properties,
            code: &self.code,
            code_taken: self.code_taken,
            pay_in_advance: self.pay_in_advance,
            prorated: self.prorated,
            invoiceable: self.invoiceable,
            min_amount_cents: self.min_amount_cents,
            regroup_paid_fees: self.regroup_paid_fees.as_deref(),
            licence: true,
        });
        for (field, codes) in found.iter() {
            errors.extend(field, codes.iter().copied());
        }
        errors
    }

    /// Refuses if anything is wrong.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        Refusal::unless_empty(self.errors())
    }

    /// The keys of the breakdown.
    pub(super) fn presentation(&self) -> Vec<PresentationKey> {
        presentation_group_keys(&self.properties)
    }
}

/// `min_amount_cents` as sent: 0 if null or absent, none if it is no number.
pub(super) fn min_amount_cents(input: Input<'_>) -> Option<i64> {
    input.integer(MIN_AMOUNT).ok().map(|cents| cents.unwrap_or(0))
}

/// `regroup_paid_fees` as sent; an empty text is none.
pub(super) fn regroup_paid_fees(input: Input<'_>) -> Option<String> {
    name(input, REGROUP).filter(|text| !text.is_empty())
}

/// `charge_model` as sent.
pub(super) fn model(input: Input<'_>) -> Option<String> {
    name(input, MODEL)
}

/// A member that names something. What is no text, and not blank, names nothing there is (11).
fn name(input: Input<'_>, member: &str) -> Option<String> {
    let nothing = || (!is_blank(input.value(member))).then(|| NOTHING.to_owned());
    input.text(member).or_else(nothing)
}
