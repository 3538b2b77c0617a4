//! The fees of one charge (specification 6.1, 6.7, pricing details 8).

use odometer::core::catalog::{Aggregation, BillableMetric, Charge, Plan};
use odometer::core::currency::Currency;
use odometer::core::decimal::Decimal;

use super::Question;
use super::bucket::{Bucket, Figures, Group, Stint};
use super::calendar::{Calendar, Window};
use super::event::Event;
use super::{filter, percentage, price};

/// The key that a charge with a target wallet groups by, too (6.4).
const WALLET: &str = "target_wallet_code";

/// One fee.
#[derive(Clone, Debug)]
pub struct Fee {
    /// Place of its filter; none for the default bucket.
    pub filter: Option<usize>,
    pub grouped_by: Vec<(String, Option<String>)>,
    pub units: Decimal,
    pub total_aggregated_units: Decimal,
    pub events_count: i64,
    pub amount_cents: i64,
    pub pricing_unit_cents: i64,
    /// Presentation values and units.
    pub breakdowns: Vec<(Vec<(String, Option<String>)>, Decimal)>,
}

/// What a charge is read under.
pub struct Scene<'a> {
    pub plan: &'a Plan,
    pub calendar: &'a Calendar,
    pub window: Window,
    /// The subscription's events, by (timestamp, position).
    pub events: &'a [&'a Event],
    pub question: &'a Question,
}

/// The fees of a charge: filters in order, then the default bucket.
pub fn fees(
    scene: &Scene<'_>,
    charge: &Charge,
    metric: &BillableMetric,
    stints: &[Stint],
) -> Vec<Fee> {
    let filters = (0..charge.filters.len()).map(Some).chain([None]);
    filters.flat_map(|filter| of_bucket(scene, charge, metric, stints, filter)).collect()
}

fn of_bucket(
    scene: &Scene<'_>,
    charge: &Charge,
    metric: &BillableMetric,
    stints: &[Stint],
    filter: Option<usize>,
) -> Vec<Fee> {
    let question = scene.question;
    let own = filter.map(|at| &charge.filters[at]);
    let properties = own.map_or(&charge.properties, |filter| &filter.properties);
    let counted = |event: &&&Event| {
        event.code == metric.code
            && event.timestamp <= scene.window.to
            && filter::counts(event, charge, metric, filter, &question.group)
    };
    let wanted =
        |key: &String| question.presentation.as_ref().is_none_or(|keys| keys.contains(key));
    let shown = charge.presentation_group_keys.iter().map(|key| key.value.clone());
    let bucket = Bucket {
        metric,
        calendar: scene.calendar,
        window: scene.window,
        events: scene.events.iter().filter(counted).copied().collect(),
        keys: keys(charge, filter, question),
        shown_keys: shown.filter(wanted).collect(),
        prorated: charge.prorated,
        in_advance: charge.pay_in_advance,
        stints: stints.to_vec(),
        free: percentage::free(properties),
    };
    let build = |group: &Group, figures: &Figures| {
        let prices = (charge.model.kind().name(), properties);
        fee(scene.plan, charge, prices, figures, filter, named(&bucket.keys, group))
    };
    let breakdowns = bucket.breakdowns();
    let mut fees = Vec::new();
    for (group, figures) in bucket.aggregate() {
        let mut fee = build(&group, &figures);
        if !bucket.shown_keys.is_empty() {
            fee.breakdowns = of_group(&breakdowns, &fee.grouped_by);
        }
        let zero = fee.units.is_zero() && fee.amount_cents == 0 && fee.events_count == 0;
        if !zero {
            fees.push(fee);
        }
    }
    if fees.is_empty() {
        let mut nothing = Figures::default();
        if charge.prorated || charge.pay_in_advance || metric.aggregation == Aggregation::Count {
            nothing.current_units = Some(Decimal::ZERO);
        }
        fees.push(build(&vec![None; bucket.keys.len()], &nothing));
    }
    fees
}

/// The pricing group keys in force (6.4, 6.5).
fn keys(charge: &Charge, filter: Option<usize>, question: &Question) -> Vec<String> {
    if question.skip_grouping {
        return Vec::new();
    }
    let own =
        filter.map_or(&charge.pricing_group_keys, |at| &charge.filters[at].pricing_group_keys);
    let mut keys = own.clone();
    if charge.accepts_target_wallet && !keys.contains(&WALLET.to_owned()) {
        keys.push(WALLET.to_owned());
    }
    keys.retain(|key| question.group.iter().all(|(asked, _)| asked != key));
    keys
}

fn named(keys: &[String], group: &Group) -> Vec<(String, Option<String>)> {
    keys.iter().cloned().zip(group.iter().cloned()).collect()
}

/// The breakdowns whose pricing values are the group's, without these.
#[allow(clippy::type_complexity)] // one shape, used once
fn of_group(
    all: &[(Vec<(String, Option<String>)>, Decimal)],
    group: &[(String, Option<String>)],
) -> Vec<(Vec<(String, Option<String>)>, Decimal)> {
    let fits =
        |values: &Vec<(String, Option<String>)>| group.iter().all(|own| values.contains(own));
    let rest = |values: &[(String, Option<String>)]| {
        values.iter().filter(|(key, _)| group.iter().all(|(own, _)| own != key)).cloned().collect()
    };
    let own = all.iter().filter(|(values, _)| fits(values));
    own.map(|(values, units)| (rest(values), units.clone())).collect()
}

/// 6.7.
fn fee(
    plan: &Plan,
    charge: &Charge,
    (model, properties): (&str, &odometer::core::value::Value),
    figures: &Figures,
    filter: Option<usize>,
    grouped_by: Vec<(String, Option<String>)>,
) -> Fee {
    let mut units = figures.units.clone();
    let mut amount = price::amount(model, properties, figures, charge.prorated, &plan.currency);
    if units.is_negative() || amount.is_negative() {
        (units, amount) = (Decimal::ZERO, Decimal::ZERO);
    }
    let exponent = Currency::of(&plan.currency).exponent();
    let places = i32::try_from(exponent).unwrap();
    let (mut major, mut pricing_unit_cents) = (amount, 0);
    if let Some(unit) = &charge.pricing_unit {
        let hundredths = major.round(2).mul_pow10(2);
        pricing_unit_cents = hundredths.to_i64().unwrap();
        major = (hundredths * &unit.conversion_rate).div_pow10(2);
    }
    let amount_cents = major.round(places).mul_pow10(exponent).to_i64().unwrap();
    let shown = if charge.prorated || charge.pay_in_advance {
        figures.current_units.clone().unwrap_or_default()
    } else {
        units
    };
    let total = figures.total_units.clone().unwrap_or_else(|| shown.clone());
    Fee {
        filter,
        grouped_by,
        units: shown,
        total_aggregated_units: total,
        events_count: figures.count.trunc_i64().unwrap(),
        amount_cents,
        pricing_unit_cents,
        breakdowns: Vec::new(),
    }
}
