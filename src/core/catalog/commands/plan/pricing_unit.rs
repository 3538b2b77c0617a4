//! Custom units of account on charges (charge properties 10.3, row 4).

use crate::core::catalog::PricingUnit;
use crate::core::catalog::check::{Errors, is_blank};
use crate::core::catalog::commands::input::{Input, text_of};
use crate::core::catalog::commands::{Refusal, State};
use crate::core::decimal::Decimal;
use crate::core::value::Value;

const RATE: &str = "conversion_rate";

/// The unit that is sent with a new charge. Units are made with the catalogue file; one that no
/// charge of the organisation is priced in is not known.
pub(super) fn create(state: &State<'_>, input: Input<'_>) -> Result<Option<PricingUnit>, Refusal> {
    let sent = input.value("applied_pricing_unit");
    if is_blank(sent) || sent.as_object().is_none() {
        return Ok(None);
    }
    let (sent, mut errors) = (Input(sent), Errors::default());
    let code = sent.text("code").unwrap_or_default();
    let charges = state.tenant.plans.iter().flat_map(|plan| &plan.charges);
    let mut units = charges.filter_map(|charge| charge.pricing_unit.as_ref());
    let known = units.find(|unit| unit.code == code);
    if known.is_none() {
        errors.add("pricing_unit", "relation_must_exist");
    }
    let rate = rate(sent.value(RATE), &mut errors);
    Refusal::unless_empty(errors)?;
    Ok(known.zip(rate).map(|(known, rate)| PricingUnit { conversion_rate: rate, ..known.clone() }))
}

/// The unit of a charge with the rate that is sent for it, if one is.
pub(super) fn update(
    input: Input<'_>,
    old: Option<&PricingUnit>,
) -> Result<Option<PricingUnit>, Refusal> {
    let sent = input.value("applied_pricing_unit");
    let Some(old) = old else { return Ok(None) };
    if is_blank(sent) || sent.as_object().is_none() {
        return Ok(Some(old.clone()));
    }
    let mut errors = Errors::default();
    let rate = rate(sent.get(RATE), &mut errors);
    Refusal::unless_empty(errors)?;
    Ok(rate.map(|rate| PricingUnit { conversion_rate: rate, ..old.clone() }))
}

fn rate(sent: &Value, errors: &mut Errors) -> Option<Decimal> {
    let text = text_of(sent).filter(|text| !text.trim().is_empty());
    let rate = text.as_deref().and_then(Decimal::parse_amount);
    match &rate {
        Some(rate) if rate.is_positive() => {}
        Some(_) => errors.add(RATE, "value_is_out_of_range"),
        None if text.is_none() => errors.extend(RATE, ["value_is_mandatory", "is not a number"]),
        None => errors.add(RATE, "is not a number"),
    }
    rate
}
