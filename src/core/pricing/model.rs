//! The charge models and what they have in common.

use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::graduated::Graduated;
use super::graduated_percentage::GraduatedPercentage;
use super::member::nothing;
use super::package::Package;
use super::percentage::Percentage;
use super::standard::Standard;
use super::volume::{Volume, volume};
use super::{Priced, Quantity};

/// The charge models. `custom` is refused everywhere (specification 5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// One price per unit.
    Standard,
    /// Tiers filled one after the other.
    Graduated,
    /// A price per started package.
    Package,
    /// A percentage of the units.
    Percentage,
    /// One price for all units, chosen by their number.
    Volume,
    /// Tiers of percentages.
    GraduatedPercentage,
    /// Events bring their own price.
    Dynamic,
}

impl ModelKind {
    const ALL: [Self; 7] = [
        Self::Standard,
        Self::Graduated,
        Self::Package,
        Self::Percentage,
        Self::Volume,
        Self::GraduatedPercentage,
        Self::Dynamic,
    ];

    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Graduated => "graduated",
            Self::Package => "package",
            Self::Percentage => "percentage",
            Self::Volume => "volume",
            Self::GraduatedPercentage => "graduated_percentage",
            Self::Dynamic => "dynamic",
        }
    }

    /// The model with this name; none for `custom` and unknown names.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A charge model with its prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// One price per unit.
    Standard(Standard),
    /// Tiers filled one after the other.
    Graduated(Graduated),
    /// A price per started package.
    Package(Package),
    /// A percentage of the units.
    Percentage(Percentage),
    /// One price for all units, chosen by their number.
    Volume(Volume),
    /// Tiers of percentages.
    GraduatedPercentage(GraduatedPercentage),
    /// Events bring their own price.
    Dynamic,
}

impl Model {
    /// Reads the prices out of stored properties. A member that is missing or unreadable costs
    /// nothing (specification 6.2): whether properties are acceptable is judged when they are
    /// saved.
    pub fn from_properties(kind: ModelKind, properties: &Value) -> Self {
        match kind {
            ModelKind::Standard => Self::Standard(Standard::read(properties)),
            ModelKind::Graduated => Self::Graduated(Graduated::read(properties)),
            ModelKind::Package => Self::Package(Package::read(properties)),
            ModelKind::Percentage => Self::Percentage(Percentage::read(properties)),
            ModelKind::Volume => Self::Volume(Volume::read(properties)),
            ModelKind::GraduatedPercentage => {
                Self::GraduatedPercentage(GraduatedPercentage::read(properties))
            }
            ModelKind::Dynamic => Self::Dynamic,
        }
    }

    /// Which model this is.
    pub const fn kind(&self) -> ModelKind {
        match self {
            Self::Standard(_) => ModelKind::Standard,
            Self::Graduated(_) => ModelKind::Graduated,
            Self::Package(_) => ModelKind::Package,
            Self::Percentage(_) => ModelKind::Percentage,
            Self::Volume(_) => ModelKind::Volume,
            Self::GraduatedPercentage(_) => ModelKind::GraduatedPercentage,
            Self::Dynamic => ModelKind::Dynamic,
        }
    }

    /// Whether the price depends on [`Quantity::entries`]: percentages with bounds per event, and
    /// prorated tiers (which also read the prorated values).
    pub fn reads_events(&self, prorated: bool) -> bool {
        match self {
            Self::Graduated(_) => prorated,
            Self::Percentage(percentage) => percentage.is_bounded(),
            _ => false,
        }
    }

    /// What the quantity costs, in major units, unrounded (specification 6.6 to 6.9). `currency` is
    /// the plan's; `prorated` says that the charge is.
    pub fn amount(&self, quantity: &Quantity, prorated: bool, currency: Currency) -> Decimal {
        match self {
            Self::Standard(standard) => standard.amount(quantity),
            Self::Graduated(graduated) if prorated => graduated.prorated_amount(quantity),
            Self::Graduated(graduated) => graduated.amount(quantity),
            Self::Package(package) => package.amount(quantity),
            Self::Percentage(percentage) => percentage.amount(quantity),
            Self::Volume(volume) => volume.amount(quantity, prorated),
            Self::GraduatedPercentage(graduated) => graduated.amount(quantity),
            Self::Dynamic if quantity.units.is_zero() => Decimal::ZERO,
            // The quotient by a power of ten below its own precision is exact.
            Self::Dynamic => quantity.precise_cents.div_pow10(currency.exponent()),
        }
    }

    /// Average price of a unit, 0 where there are no units to spread the amount over (pricing
    /// details 3).
    pub fn unit_amount(&self, quantity: &Quantity, prorated: bool, amount: &Decimal) -> Decimal {
        let paid;
        let over = match self {
            Self::Volume(_) => volume(quantity, prorated),
            Self::Package(package) => {
                paid = package.paid_units(quantity);
                &paid
            }
            Self::Graduated(_) if prorated => {
                paid = quantity.entries.units();
                &paid
            }
            _ => quantity.full_or_units(),
        };
        amount.quo(over).unwrap_or_default()
    }

    /// How the amount came about (pricing details 4).
    pub fn details(&self, quantity: &Quantity, prorated: bool, amount: &Decimal) -> Value {
        match self {
            Self::Graduated(graduated) if !prorated => graduated.details(quantity),
            Self::Standard(_) | Self::Graduated(_) | Self::Dynamic => nothing(),
            Self::Package(package) => package.details(quantity),
            Self::Percentage(percentage) => percentage.details(quantity, amount),
            Self::Volume(volume) => volume.details(quantity, prorated),
            Self::GraduatedPercentage(graduated) => graduated.details(quantity),
        }
    }

    /// Amount, unit price and explanation together. Answers that show the amount alone take
    /// [`Model::amount`], which costs far less.
    pub fn price(&self, quantity: &Quantity, prorated: bool, currency: Currency) -> Priced {
        let amount = self.amount(quantity, prorated, currency);
        Priced {
            units: quantity.units.clone(),
            unit_amount: self.unit_amount(quantity, prorated, &amount),
            details: self.details(quantity, prorated, &amount),
            amount,
        }
    }

    /// What that many units would cost, without any event behind them (pricing details 2): no
    /// allowances, no fixed fees, no bounds per event, tiers as if not prorated.
    pub fn price_units(&self, units: Decimal, currency: Currency) -> Priced {
        let mut quantity = Quantity::new(Aggregation::Sum, units);
        quantity.full_units = Some(quantity.units.clone());
        if let Self::Percentage(percentage) = self {
            let mut unbounded = percentage.clone();
            unbounded.min = None;
            unbounded.max = None;
            return Self::Percentage(unbounded).price(&quantity, false, currency);
        }
        self.price(&quantity, false, currency)
    }
}
