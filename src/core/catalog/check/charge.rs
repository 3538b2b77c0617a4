//! The charge check: flags, code, and model against metric (section 7).

use super::MODELS;
use super::errors::Errors;
use super::properties::check_properties;
use crate::core::catalog::Aggregation;
use crate::core::value::Value;

/// What the check asks of the billable metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricTraits {
    /// None for `custom_agg`.
    pub aggregation: Option<Aggregation>,
    /// Whether its quantity carries over.
    pub recurring: bool,
}

/// A charge that is about to be saved, with prepared properties.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent flags, as the API has them
pub struct ChargeDraft<'a> {
    /// Name of the charge model; none if it is absent, or no text.
    pub model: Option<&'a str>,
    /// The metric; none if it is unknown, and what needs it is not checked then.
    pub metric: Option<MetricTraits>,
    /// Prepared properties.
    pub properties: &'a Value,
    /// The code, generated already where that applies (section 9).
    pub code: &'a str,
    /// Whether another charge of the plan has the code.
    pub code_taken: bool,
    /// Whether each event is billed when it arrives.
    pub pay_in_advance: bool,
    /// Whether recurring units are charged for the days they are present.
    pub prorated: bool,
    /// Whether fees go on an invoice.
    pub invoiceable: bool,
    /// Spending minimum in cents; none if it is no number.
    pub min_amount_cents: Option<i64>,
    /// As sent; an empty text counts as none.
    pub regroup_paid_fees: Option<&'a str>,
    /// The licence state (specification 0.2).
    pub licence: bool,
}

/// Checks a charge: every row is evaluated, whatever failed before.
pub fn check_charge(draft: &ChargeDraft<'_>) -> Errors {
    const MODEL: &str = "charge_model";
    const INCOMPATIBLE: &str = "invalid_aggregation_type_or_charge_model";
    let mut errors = Errors::default();
    let blank_model = draft.model.is_none_or(|model| model.trim().is_empty());
    let is = |name: &str| draft.model == Some(name);
    if draft.model.is_none_or(|model| !MODELS.contains(&model)) {
        errors.add(MODEL, "value_is_invalid");
    }
    if let (Some(model), Some(metric)) = (draft.model, draft.metric) {
        let found = check_properties(model, metric.aggregation, draft.properties, draft.licence);
        if !found.is_empty() {
            errors.extend("properties", found.flatten());
        }
        if is("dynamic") && metric.aggregation != Some(Aggregation::Sum) {
            errors.add(MODEL, INCOMPATIBLE);
        }
    }
    match draft.min_amount_cents {
        None => errors.add("min_amount_cents", "is not a number"),
        Some(..0) => errors.add("min_amount_cents", "value_is_out_of_range"),
        Some(_) => {}
    }
    if blank_model {
        errors.add(MODEL, "value_is_mandatory");
    }
    if draft.code.trim().is_empty() {
        errors.add("code", "value_is_mandatory");
    }
    if draft.code_taken {
        errors.add("code", "value_already_exist");
    }
    if is("graduated_percentage") && !draft.licence {
        errors.add(MODEL, "graduated_percentage_requires_premium_license");
    }
    let unpayable = draft.metric.is_some_and(|metric| !payable_in_advance(metric.aggregation));
    if draft.pay_in_advance && (is("volume") || unpayable) {
        errors.add("pay_in_advance", INCOMPATIBLE);
    }
    check_regrouping(draft, &mut errors);
    if draft.prorated && draft.metric.is_some_and(|metric| !may_prorate(draft, metric)) {
        errors.add("prorated", "invalid_billable_metric_or_charge_model");
    }
    if draft.pay_in_advance && draft.min_amount_cents.is_some_and(|cents| cents > 0) {
        errors.add("min_amount_cents", "not_compatible_with_pay_in_advance");
    }
    if is("custom") && draft.metric.is_some_and(|metric| metric.aggregation.is_some()) {
        errors.add(MODEL, INCOMPATIBLE);
    }
    if !draft.pay_in_advance && !draft.invoiceable {
        errors.add("invoiceable", "must_be_true_unless_pay_in_advance");
    }
    errors
}

fn check_regrouping(draft: &ChargeDraft<'_>, errors: &mut Errors) {
    const FIELD: &str = "regroup_paid_fees";
    match draft.regroup_paid_fees {
        None | Some("") => {}
        Some("invoice") if draft.pay_in_advance && !draft.invoiceable => {}
        Some("invoice") => {
            errors.add(FIELD, "only_compatible_with_pay_in_advance_and_non_invoiceable");
        }
        Some(_) => errors.add(FIELD, "value_is_invalid"),
    }
}

fn payable_in_advance(aggregation: Option<Aggregation>) -> bool {
    !matches!(aggregation, Some(Aggregation::Max | Aggregation::Latest | Aggregation::WeightedSum))
}

fn may_prorate(draft: &ChargeDraft<'_>, metric: MetricTraits) -> bool {
    let divisible =
        matches!(metric.aggregation, None | Some(Aggregation::Sum | Aggregation::UniqueCount));
    let model = match draft.model {
        Some("standard") => true,
        Some("graduated" | "volume") => !draft.pay_in_advance,
        _ => false,
    };
    metric.recurring && divisible && model
}
