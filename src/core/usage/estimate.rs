//! What one event would cost, without storing it (specification 9.9).

use super::ask::{allowance, quantity};
use super::error::UsageError;
use super::fee::Presented;
use crate::core::aggregate::{
    Carry, Frame, InAdvance, Listing, Records, Terms, Trigger, aggregate, list, round_units,
};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::{Bucket, Buckets, Group, Matcher, TARGET_WALLET_KEY};
use crate::core::position::{Position, Source};
use crate::core::pricing::fee::to_cents;
use crate::core::pricing::{Model, ModelKind};
use crate::core::properties::{Kind, Properties};

/// Where an event stands that is not stored: after all that are.
pub const UNSTORED: Position = Position {
    log_time: Instant::MAX,
    source: Source(u32::MAX),
    offset: i64::MAX,
    index: u32::MAX,
};

/// What estimates of one subscription have in common.
#[derive(Clone, Debug)]
pub struct Basis<'a> {
    /// The plan's currency.
    pub currency: Currency,
    /// The running charges window.
    pub frame: Frame<'a>,
    /// When the event is taken to happen.
    pub now: Instant,
}

/// The fee of one event on one charge, on top of what is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct EstimatedFee<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// The filter that prices the event; none for the default bucket.
    pub filter: Option<&'a ChargeFilter>,
    /// Values by pricing group key.
    pub grouped_by: Vec<(String, Option<Box<str>>)>,
    /// Units shown.
    pub units: Decimal,
    /// What is due in major units of the plan's currency, unrounded.
    pub amount: Decimal,
    /// The same, rounded, in the smallest unit.
    pub amount_cents: i64,
    /// The rounded amount per unit, in major units.
    pub unit_amount: Decimal,
    /// Cents of the pricing unit, if the charge has one.
    pub pricing_unit_cents: Option<i64>,
    /// Breakdown of the event by the keys that invoices show.
    pub presented: Vec<Presented>,
}

/// What one event adds to a pay-in-advance charge (9.9, `estimate_fees`).
///
/// `events`: all of the metric in order of (timestamp, position); `event` is at [`UNSTORED`].
///
/// # Errors
///
/// [`UsageError::AmountOutOfRange`] if the fee does not fit.
pub fn on_top<'a>(
    basis: &Basis<'_>,
    charge: &'a Charge,
    metric: &'a BillableMetric,
    events: &[Usage<'_>],
    event: &Usage<'_>,
) -> Result<EstimatedFee<'a>, UsageError> {
    let matcher = Matcher::compile(&charge.filters, &metric.filters);
    let (bucket, filter, model) = chosen(charge, &matcher, event.properties);
    let mut taken = Buckets::default();
    let mut of_bucket: Vec<&Usage<'_>> = Vec::new();
    for stored in events {
        matcher.classify(stored.properties, &mut taken);
        if taken.taken().contains(&bucket) {
            of_bucket.push(stored);
        }
    }
    let keys = group_keys(charge, filter, event.properties);
    let group = Group::of(event.properties, &keys);
    // The default bucket of a filtered charge is not restricted to the group that is shown.
    let restricted = !keys.is_empty() && (filter.is_some() || charge.filters.is_empty());
    let shown: Vec<String> = charge
        .presentation_group_keys
        .iter()
        .filter(|key| key.display_in_invoice)
        .map(|key| key.value.clone())
        .collect();
    let terms = Terms {
        metric,
        prorated: charge.prorated,
        pay_in_advance: true,
        current_usage: false,
        dynamic: model.kind() == ModelKind::Dynamic,
        frame: basis.frame.clone(),
        fewer_days: 0,
        max_timestamp: Some(basis.now),
        group_keys: &[],
        presentation_keys: &shown,
        only: restricted.then_some((&keys[..], &group)),
        allowance: allowance(model),
        trigger: Some(Trigger { event, stored: false }),
        records: Records::Replay,
        carry: Carry::Stretches(&[]),
        bypass: false,
    };
    let result = aggregate(&terms, &of_bucket);
    let own = result.in_advance.unwrap_or_default();
    let figures = result.groups.into_iter().next().unwrap_or_default();
    let listed = |include| {
        let reads = model.reads_events(charge.prorated);
        let listing = Listing { include, exclude: false };
        reads.then(|| list(&terms, &of_bucket, listing)).flatten()
    };
    let priced = |figures, include| quantity(metric.aggregation, figures, listed(include));
    let without = priced(figures.clone(), false);
    let mut with = priced(figures, true);
    let full = own.full_units.as_ref().unwrap_or(&own.units);
    with.full_units = with.full_units.map(|units| units + full);
    with.units += &own.units;
    with.count += &Decimal::ONE;
    with.precise_cents += own.precise_cents.as_ref().unwrap_or(&Decimal::ZERO);
    let amount = model.amount(&with, charge.prorated, basis.currency)
        - model.amount(&without, charge.prorated, basis.currency);
    let units = shown_units(&own);
    let money = Money::of(charge, basis.currency, &amount, &units)?;
    let presented = own.breakdowns.unwrap_or_default().into_iter().map(|breakdown| Presented {
        presentation_by: shown.iter().cloned().zip(breakdown.group.0).collect(),
        units: breakdown.value,
    });
    Ok(EstimatedFee {
        charge,
        metric,
        filter,
        grouped_by: keys.iter().cloned().zip(group.0.iter().cloned()).collect(),
        units,
        amount: money.amount,
        amount_cents: money.amount_cents,
        unit_amount: money.unit_amount,
        pricing_unit_cents: money.pricing_unit_cents,
        presented: presented.collect(),
    })
}

/// The filter that prices an event, and its prices (9.9 step 4).
fn chosen<'a>(
    charge: &'a Charge,
    matcher: &Matcher,
    properties: Properties<'_>,
) -> (Bucket, Option<&'a ChargeFilter>, &'a Model) {
    let bucket = matcher.select(properties);
    let filter = match bucket {
        Bucket::Filter(at) => charge.filters.get(at),
        Bucket::Default => None,
    };
    (bucket, filter, filter.map_or(&charge.model, |filter| &filter.model))
}

/// The pricing keys of the bucket, and the target wallet if the event names one.
fn group_keys(
    charge: &Charge,
    filter: Option<&ChargeFilter>,
    properties: Properties<'_>,
) -> Vec<String> {
    let own = filter.map_or(&charge.pricing_group_keys, |filter| &filter.pricing_group_keys);
    let mut keys = own.clone();
    let named = properties.text(TARGET_WALLET_KEY).is_some();
    if charge.accepts_target_wallet && named && !keys.iter().any(|key| key == TARGET_WALLET_KEY) {
        keys.push(TARGET_WALLET_KEY.to_owned());
    }
    keys
}

/// The table of 9.9 step 6: what was applied where the level is not raised, else what is added.
fn shown_units(own: &InAdvance) -> Decimal {
    let added = || own.full_units.as_ref().unwrap_or(&own.units).clone();
    own.applied.clone().map_or_else(added, |applied| applied.max(Decimal::ZERO))
}

/// An amount in the plan's currency.
struct Money {
    amount: Decimal,
    amount_cents: i64,
    unit_amount: Decimal,
    pricing_unit_cents: Option<i64>,
}

impl Money {
    /// Through the pricing unit, if the charge has one: then the amount is rounded as if it were in
    /// the plan's currency first (pricing details 8.3, 9).
    fn of(
        charge: &Charge,
        currency: Currency,
        amount: &Decimal,
        units: &Decimal,
    ) -> Result<Self, UsageError> {
        let fits = |cents: &Decimal| cents.to_i64().ok_or(UsageError::AmountOutOfRange);
        let rounded = amount.round(i32::try_from(currency.exponent()).unwrap_or(0));
        let unit_amount = rounded.quo(units).unwrap_or_default();
        let Some(unit) = &charge.pricing_unit else {
            return Ok(Self {
                amount: amount.clone(),
                amount_cents: fits(&to_cents(amount, currency))?,
                unit_amount,
                pricing_unit_cents: None,
            });
        };
        let hundredths = Currency::PRICING_UNIT.exponent();
        let converted = |cents: &Decimal| (cents * &unit.conversion_rate).div_pow10(hundredths);
        let cents =
            to_cents(&to_cents(amount, currency).div_pow10(hundredths), Currency::PRICING_UNIT);
        let amount = converted(&cents);
        Ok(Self {
            amount_cents: fits(&to_cents(&amount, currency))?,
            amount,
            unit_amount: converted(&unit_amount.mul_pow10(hundredths).trunc(0)),
            pricing_unit_cents: Some(fits(&cents)?),
        })
    }
}

/// The fee of one event by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantFee<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// The filter that prices the event.
    pub filter: Option<&'a ChargeFilter>,
    /// Its units.
    pub units: Decimal,
    /// What is due in major units, unrounded; none for negative units, which cost nothing.
    pub amount: Option<Decimal>,
}

/// The field of an event is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("properties: value_is_not_valid_number")]
pub struct NotANumber;

/// Whether a charge prices an event by itself: paid in advance, standard or percentage.
pub fn is_instant(charge: &Charge) -> bool {
    let kind = charge.model.kind();
    charge.pay_in_advance && matches!(kind, ModelKind::Standard | ModelKind::Percentage)
}

/// What one event costs alone, nothing stored being looked at (9.9, `estimate_instant_fees`).
///
/// # Errors
///
/// [`NotANumber`] if the metric's field holds something else.
pub fn alone<'a>(
    charge: &'a Charge,
    metric: &'a BillableMetric,
    properties: Properties<'_>,
) -> Result<InstantFee<'a>, NotANumber> {
    let value = match &metric.field_name {
        None => Decimal::ONE,
        Some(field) => match properties.get(field) {
            Some(property) if matches!(property.kind, Kind::Bool | Kind::Tree) => {
                return Err(NotANumber);
            }
            Some(property) => match property.text() {
                Some(text) => Decimal::parse_amount(text).ok_or(NotANumber)?,
                None => Decimal::ZERO,
            },
            None => Decimal::ZERO,
        },
    };
    let units = round_units(metric.rounding, &value);
    let matcher = Matcher::compile(&charge.filters, &metric.filters);
    let (_, filter, model) = chosen(charge, &matcher, properties);
    let estimate = model.estimate(&units);
    let amount = estimate.filter(|_| !units.is_negative()).map(|estimate| estimate.amount);
    Ok(InstantFee { charge, metric, filter, units: units.max(Decimal::ZERO), amount })
}
