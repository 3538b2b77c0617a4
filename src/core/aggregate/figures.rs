//! From the parts of a quantity to the figures of its group (aggregation details 2, 6 to 8),
//! however the parts came about: read from the events, or kept event by event.

use super::advance::{Levels, raise};
use super::prorated::Prorated;
use super::rounding::round_units;
use super::running;
use super::terms::{Figures, RunningTotals, Terms};
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::matching::Group;

/// Decimals to which an ungrouped weighted sum is rounded up (5.9).
const WEIGHTED_PLACES: i32 = 20;

/// The figures of a count.
pub fn plain_count(terms: &Terms<'_>, count: Decimal, group: Option<Group>) -> Figures {
    Figures {
        count: count.clone(),
        current_units: Some(count.clone()),
        running_totals: Some(running::counted(terms, &count)),
        units: count,
        group,
        ..Figures::default()
    }
}

/// The figures of a maximum or a latest value; no value without a valid event.
pub fn plain_value(value: Option<Decimal>, count: Decimal, group: Option<Group>) -> Figures {
    Figures { count, units: value.unwrap_or_default(), group, ..Figures::default() }
}

/// What the figures of a sum are made of.
pub struct Summed {
    /// Σ of the selected values.
    pub total: Decimal,
    /// Number of them.
    pub selected: Decimal,
    /// Number of valid events of all time.
    pub all: Decimal,
    /// Σ of the selected events' own amounts, if the charge is dynamic.
    pub cents: Option<Decimal>,
    /// The prorated sum, rounded up, if the charge is prorated.
    pub shares: Option<Decimal>,
    /// What was billed in advance.
    pub levels: Option<Levels>,
    /// Running totals for free units, if the charge is not prorated.
    pub running: Option<RunningTotals>,
}

impl Summed {
    /// The figures of the group.
    pub fn figures(self, terms: &Terms<'_>, group: Option<Group>) -> Figures {
        let total = plain(terms, self.total);
        let levels = self.levels.as_ref();
        let raised = in_advance_usage(terms).then(|| raise(&total, levels));
        let mut figures = Figures { group, precise_cents: self.cents, ..Figures::default() };
        let Some(shares) = self.shares else {
            figures.count = self.selected;
            figures.running_totals = self.running;
            (figures.units, figures.current_units) = match raised {
                Some((shown, priced)) => (priced, Some(shown)),
                None => (total, None),
            };
            return figures;
        };
        figures.count = if is_billing_run(terms) { self.selected } else { self.all };
        let (shown, plain) = raised.unwrap_or_else(|| (total.clone(), total));
        let prorated = Prorated { plain, shown, shares, levels };
        (figures.units, figures.current_units, figures.full_units) = prorated.resolve(terms);
        figures
    }
}

/// What the figures of a unique count are made of.
pub struct Distinct {
    /// Number of active values.
    pub active: Decimal,
    /// The prorated number, rounded up, if the charge is prorated.
    pub shares: Option<Decimal>,
    /// What was billed in advance.
    pub levels: Option<Levels>,
}

impl Distinct {
    /// The figures of the group.
    pub fn figures(self, terms: &Terms<'_>, group: Option<Group>) -> Figures {
        let total = plain(terms, self.active.clone());
        let levels = self.levels.as_ref();
        let raised = in_advance_usage(terms).then(|| raise(&total, levels));
        let mut figures = Figures::default();
        if let Some(shares) = self.shares {
            let (shown, plain) = raised.unwrap_or_else(|| (total.clone(), total));
            let prorated = Prorated { plain, shown, shares, levels };
            (figures.units, figures.current_units, figures.full_units) = prorated.resolve(terms);
            figures.count = if is_billing_run(terms) { self.active } else { figures.units.clone() };
        } else {
            let (shown, priced) = match raised {
                Some((shown, priced)) => (Some(shown), priced),
                None => (None, total),
            };
            let running = if group.is_some() { &priced } else { &self.active };
            figures.running_totals = Some(running::counted(terms, running));
            figures.count = if group.is_some() { self.active } else { priced.clone() };
            figures.units = priced;
            figures.current_units = shown;
        }
        figures.group = group;
        figures
    }
}

/// What the figures of a weighted sum are made of.
pub struct Weighted {
    /// The weighted sum, unrounded.
    pub value: Decimal,
    /// Number of valid events of the window.
    pub count: Decimal,
    /// Σ of their values.
    pub variation: Decimal,
    /// The initial value.
    pub initial: Decimal,
    /// Timestamp of the latest of them.
    pub latest: Option<Instant>,
}

impl Weighted {
    /// The figures of the group.
    pub fn figures(self, terms: &Terms<'_>, group: Option<Group>) -> Figures {
        let updated = || self.latest.unwrap_or(terms.frame.from);
        Figures {
            units: if group.is_none() { self.value.ceil(WEIGHTED_PLACES) } else { self.value },
            count: self.count,
            total_units: Some(&self.variation + &self.initial),
            variation: Some(self.variation),
            recurring_updated_at: terms.metric.recurring.then(updated),
            group,
            ..Figures::default()
        }
    }
}

/// The plain quantity: rounded before it is prorated, else left to the end.
fn plain(terms: &Terms<'_>, total: Decimal) -> Decimal {
    let rounds = terms.prorated && terms.trigger.is_none();
    if rounds { round_units(terms.metric.rounding, &total) } else { total }
}

/// Whether a charge that is billed in advance is billed for a window: it is not prorated then.
const fn is_billing_run(terms: &Terms<'_>) -> bool {
    terms.pay_in_advance && !terms.current_usage && terms.trigger.is_none()
}

const fn in_advance_usage(terms: &Terms<'_>) -> bool {
    terms.pay_in_advance && terms.current_usage
}
