//! What a usage will come to by the end of the plan's period, if it goes on as it did
//! (specification 8.2).

use uuid::Uuid;

use super::ask::{Ask, Measured, Quantities};
use super::error::UsageError;
use super::fee::{Fee, FeeRules, Presented};
use super::request::Request;
use super::rows::ChargeUsage;
use super::{CurrentUsage, Terms, priced};
use crate::core::catalog::{BillableMetric, Charge, Tax};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::instant::Instant;
use crate::core::matching::Group;
use crate::core::period::{Window, Zone, day_diff};
use crate::core::pricing::Quantity;

/// Decimals of projected units.
const UNITS_PLACES: i32 = 2;

/// The share of a plan's period that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(Double);

impl Elapsed {
    /// The begun days up to `now` over all days of the period, from 0 to 1.
    pub fn of(period: Window, zone: &Zone, now: Instant) -> Self {
        let days = day_diff(zone, period.from, period.to);
        let begun = match now {
            now if now < period.from => 0,
            now if now >= period.to => days,
            now => day_diff(zone, period.from, now).clamp(0, days),
        };
        Self(Double::ratio(begun, days))
    }

    /// The share as the decimal that figures are divided by; none before the period.
    fn share(self) -> Option<Decimal> {
        Some(self.0.shortest()).filter(Decimal::is_positive)
    }
}

/// The answer: a current usage, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectedUsage<'a> {
    /// The usage so far.
    pub usage: CurrentUsage<'a>,
    /// Rows of the same charges, filters and groups in the same order, where units, amounts and
    /// breakdowns are projections. Other figures in them mean nothing.
    pub projected: Vec<ChargeUsage<'a>>,
    /// Σ of the charges' projected amounts.
    pub projected_amount_cents: i64,
}

/// Computes a usage with its projection. `source` knows the charges window, `whole` the plan's
/// period up to now. Of the request only taxes are honoured.
///
/// # Errors
///
/// As [`compute`](super::compute).
pub fn project<'a, M, T>(
    terms: &Terms<'a, M, T>,
    apply_taxes: bool,
    source: &(impl Quantities + ?Sized),
    whole: &(impl Quantities + ?Sized),
    elapsed: Elapsed,
) -> Result<ProjectedUsage<'a>, UsageError>
where
    M: Fn(Uuid) -> Option<&'a BillableMetric>,
    T: Fn(&'a Charge) -> Vec<&'a Tax>,
{
    let request = Request { apply_taxes, ..Request::default() };
    let rules = terms.rules();
    let mut projected = Vec::new();
    let usage = priced(terms, &request, source, |ask, fees| {
        let fees = projected_fees(rules, ask, fees, whole, elapsed)?;
        projected.extend(ChargeUsage::new(&fees)?);
        Ok(())
    })?;
    let mut projected_amount_cents = 0_i64;
    for row in &projected {
        let sum = projected_amount_cents.checked_add(row.sum.amount_cents);
        projected_amount_cents = sum.ok_or(UsageError::AmountOutOfRange)?;
    }
    Ok(ProjectedUsage { usage, projected, projected_amount_cents })
}

/// The fees of one charge as projections. Of a charge with filters only these are projected: the
/// default bucket shows 0, so that sums over it are those of the filters.
fn projected_fees<'a>(
    rules: FeeRules,
    ask: &Ask<'a>,
    fees: &[Fee<'a>],
    whole: &(impl Quantities + ?Sized),
    elapsed: Elapsed,
) -> Result<Vec<Fee<'a>>, UsageError> {
    let recurring = ask.metric.recurring;
    // In-advance rules have no part in a projection.
    let plain = Charge { pay_in_advance: false, ..ask.charge.clone() };
    let measured = if recurring || elapsed.share().is_none() {
        Vec::new()
    } else {
        let request = Request::default();
        whole.measure(&Ask::new(ask.index, &plain, ask.metric, &request))?
    };
    let project = |fee: &Fee<'a>| {
        let share = elapsed.share();
        let counts = fee.filter.is_some() || ask.charge.filters.is_empty();
        let mut projected = fee.clone();
        projected.breakdowns = breakdowns(fee, rules.currency, share.as_ref(), recurring);
        match share {
            Some(_) if counts && recurring => {}
            Some(share) if counts => {
                let at = ask.buckets.iter().position(|bucket| bucket.bucket == fee.bucket);
                let quantity = at.and_then(|at| quantity_of(measured.get(at)?, fee));
                extrapolate(&mut projected, rules, quantity, &share)?;
            }
            _ => nothing(&mut projected),
        }
        if projected.units.is_negative() {
            projected.units = Decimal::ZERO;
        }
        Ok(projected)
    };
    fees.iter().map(project).collect()
}

/// The quantity of a fee's own group.
fn quantity_of<'m>(measured: &'m Measured, fee: &Fee<'_>) -> Option<&'m Quantity> {
    let values: Vec<_> = fee.grouped_by.iter().map(|(_, value)| value.clone()).collect();
    let group = (!values.is_empty()).then_some(Group(values));
    measured.groups.iter().find(|(own, _)| *own == group).map(|(_, quantity)| quantity)
}

fn extrapolate(
    fee: &mut Fee<'_>,
    rules: FeeRules,
    quantity: Option<&Quantity>,
    share: &Decimal,
) -> Result<(), UsageError> {
    let Some(quantity) = quantity else {
        nothing(fee);
        return Ok(());
    };
    let units = quantity.units.quo(share).unwrap_or_default().round(UNITS_PLACES);
    fee.units = units.max(Decimal::ZERO);
    let amount = fee.model.project(&fee.units).unwrap_or_else(|| {
        let amount = fee.model.extrapolated(quantity, fee.charge.prorated, rules.currency);
        amount.quo(share).unwrap_or_default()
    });
    let cents = rules.terms(fee.charge).cents(&quantity.units, &amount);
    let fits = |cents: &Decimal| cents.to_i64().ok_or(UsageError::AmountOutOfRange);
    fee.amount_cents = fits(&cents.amount_cents)?;
    fee.pricing_unit_cents = cents.pricing_unit_amount_cents.as_ref().map(fits).transpose()?;
    Ok(())
}

fn nothing(fee: &mut Fee<'_>) {
    fee.units = Decimal::ZERO;
    fee.amount_cents = 0;
    fee.pricing_unit_cents = fee.pricing_unit_cents.map(|_| 0);
}

fn breakdowns(
    fee: &Fee<'_>,
    currency: Currency,
    share: Option<&Decimal>,
    recurring: bool,
) -> Vec<Presented> {
    let project = |presented: &Presented| {
        let units = match share {
            Some(_) if recurring => presented.units.clone(),
            Some(share) => {
                let places = i32::try_from(currency.exponent()).unwrap_or_default();
                presented.units.quo(share).unwrap_or_default().round(places)
            }
            None => Decimal::ZERO,
        };
        Presented { units, ..presented.clone() }
    };
    fee.breakdowns.iter().map(project).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        DAY, WINDOW, charge, event, filter, graduated, metric, plan, properties, scan, standard,
        texts,
    };
    use super::super::{Context, Terms};
    use super::*;
    use crate::core::catalog::{Aggregation, Plan, PresentationKey};
    use crate::core::event::Usage;
    use crate::core::period::Date;
    use crate::core::pricing::{Model, ModelKind};
    use crate::core::value::Value;

    /// Day so-and-so of the thirty of the window, at noon.
    fn day(number: i64) -> Elapsed {
        Elapsed::of(WINDOW, &Zone::UTC, Instant((number - 1) * DAY + DAY / 2))
    }

    fn projected<'a>(
        plan: &'a Plan,
        metric: &'a BillableMetric,
        events: &[Usage<'_>],
        elapsed: Elapsed,
    ) -> ProjectedUsage<'a> {
        let zone = Zone::UTC;
        let terms = Terms {
            plan,
            metrics: |id| (id == metric.id).then_some(metric),
            taxes: |_: &Charge| Vec::new(),
            window: WINDOW,
            issuing_date: Date::from_days(29),
            context: Context::CurrentUsage,
        };
        let source = scan(events, &zone);
        project(&terms, true, &source, &source, elapsed).unwrap()
    }

    fn units(row: &ChargeUsage<'_>) -> (String, i64) {
        (row.sum.units.decstr(), row.sum.amount_cents)
    }

    #[test]
    fn the_share_counts_begun_days() {
        let share = |now| Elapsed::of(WINDOW, &Zone::UTC, now);
        assert_eq!(share(Instant(-1)).share(), None);
        assert_eq!(share(Instant(0)), day(1), "midnight begins a day");
        assert_eq!(day(3).share(), Decimal::parse_literal("0.1"));
        assert_eq!(share(WINDOW.to).share(), Some(Decimal::ONE));
        assert_eq!(share(Instant(40 * DAY)).share(), Some(Decimal::ONE));
    }

    #[test]
    fn filters_are_projected_and_what_no_filter_takes_is_not() {
        let filters = vec![filter(2, "eu", standard("10")), filter(3, "us", standard("20"))];
        let plan = plan(vec![charge(1, standard("1"), filters)]);
        let metric = metric(Aggregation::Count);
        let regions = ["eu", "eu", "eu", "us", "af"].map(|name| properties(&[("region", name)]));
        let events: Vec<_> = regions.iter().zip(0..).map(|(own, at)| event(1, at, own)).collect();
        let usage = projected(&plan, &metric, &events, day(3));
        assert_eq!(usage.usage.amount_cents, 5100);
        assert_eq!(usage.projected_amount_cents, 30_000 + 20_000);
        let [row] = &usage.projected[..] else { panic!("one charge") };
        assert_eq!(units(row), ("40.0".into(), 50_000));
        let rows: Vec<_> =
            row.filters.iter().map(|f| (f.sum.units.decstr(), f.sum.amount_cents)).collect();
        assert_eq!(rows, [("30.0".into(), 30_000), ("10.0".into(), 20_000), ("0.0".into(), 0)]);
    }

    #[test]
    fn before_the_period_nothing_is_projected_and_after_it_everything_is_there() {
        let plan = plan(vec![charge(1, graduated("2"), Vec::new())]);
        let metric = metric(Aggregation::Sum);
        let own = properties(&[("value", "7")]);
        let events = [event(1, 1, &own)];
        let at = |elapsed| units(&projected(&plan, &metric, &events, elapsed).projected[0]);
        assert_eq!(at(Elapsed::of(WINDOW, &Zone::UTC, Instant(-DAY))), ("0.0".into(), 0));
        assert_eq!(at(day(31)), ("7.0".into(), 900));
        assert_eq!(at(day(15)), ("14.0".into(), 1600));
        // Without usage the flat fee is due now, but no tier is reached.
        let usage = projected(&plan, &metric, &[], day(15));
        assert_eq!((usage.usage.amount_cents, usage.projected_amount_cents), (200, 0));
    }

    #[test]
    fn recurring_usage_goes_on_as_it_is() {
        let plan = plan(vec![charge(1, standard("2"), Vec::new())]);
        let mut metric = metric(Aggregation::Sum);
        metric.recurring = true;
        let own = properties(&[("value", "3")]);
        let usage = projected(&plan, &metric, &[event(-5, 1, &own)], day(3));
        assert_eq!(units(&usage.projected[0]), ("3.0".into(), 600));
    }

    #[test]
    fn percentages_are_extrapolated_without_what_they_give_away() {
        let text = |text: &str| Value::Text(text.into());
        let properties_of = Value::Object(vec![
            ("rate".into(), text("10")),
            ("fixed_amount".into(), text("1")),
            ("free_units_per_events".into(), Value::Number("5".into())),
        ]);
        let model = Model::from_properties(ModelKind::Percentage, &properties_of);
        let mut in_advance = charge(1, model, Vec::new());
        in_advance.pay_in_advance = true;
        let plan = plan(vec![in_advance]);
        let metric = metric(Aggregation::Sum);
        let own = properties(&[("value", "50")]);
        let usage = projected(&plan, &metric, &[event(1, 1, &own)], day(3));
        assert_eq!(usage.usage.amount_cents, 0);
        assert_eq!(units(&usage.projected[0]), ("500.0".into(), 6_000));
    }

    #[test]
    fn groups_and_breakdowns_are_projected_one_by_one() {
        let mut grouped = charge(1, standard("1"), Vec::new());
        grouped.pricing_group_keys = texts(&["cloud"]);
        let key = PresentationKey { value: "user".into(), display_in_invoice: false };
        grouped.presentation_group_keys = vec![key];
        let plan = plan(vec![grouped]);
        let metric = metric(Aggregation::Sum);
        let (aws, gcp) = (
            properties(&[("cloud", "aws"), ("user", "u"), ("value", "1.111")]),
            properties(&[("cloud", "gcp"), ("user", "u"), ("value", "-4")]),
        );
        let usage = projected(&plan, &metric, &[event(1, 1, &aws), event(1, 2, &gcp)], day(9));
        let row = &usage.projected[0];
        // 1.111 / 0.3 = 3.7033…; a negative quantity comes to nothing.
        let rows: Vec<_> = row
            .grouped
            .iter()
            .map(|g| (g.sum.units.decstr(), g.sum.amount_cents, g.breakdowns[0].units.decstr()))
            .collect();
        assert_eq!(
            rows,
            [("3.7".into(), 370, "3.7".into()), ("0.0".into(), 0, "-13.33".to_owned())]
        );
    }
}
