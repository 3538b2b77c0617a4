//! Plans (specification 9.3).

use uuid::Uuid;

use super::{Charge, Echo};
use crate::core::instant::Instant;

/// How often a plan bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interval {
    /// Every seven days.
    Weekly,
    /// Every month.
    Monthly,
    /// Every three months.
    Quarterly,
    /// Every six months.
    Semiannual,
    /// Every year.
    Yearly,
}

impl Interval {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Semiannual => "semiannual",
            Self::Yearly => "yearly",
        }
    }

    /// The interval with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Weekly, Self::Monthly, Self::Quarterly, Self::Semiannual, Self::Yearly]
            .into_iter()
            .find(|interval| interval.name() == name)
    }

    /// How many of them a year has, as base fees are compared (3.11).
    pub const fn times_a_year(self) -> i64 {
        match self {
            Self::Weekly => 52,
            Self::Monthly => 12,
            Self::Quarterly => 4,
            Self::Semiannual => 2,
            Self::Yearly => 1,
        }
    }
}

/// A plan with its charges.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Identifier.
    pub id: Uuid,
    /// Code, unique in the organisation.
    pub code: String,
    /// Display name.
    pub name: String,
    /// Billing interval.
    pub interval: Interval,
    /// Base fee in cents; never part of usage, but it decides upgrade or downgrade (3.11).
    pub amount_cents: i64,
    /// Currency of everything the plan prices.
    pub currency: String,
    /// Whether the base fee is billed ahead; charges are not affected.
    pub pay_in_advance: bool,
    /// Charges of a yearly or semiannual plan are billed every month (3.2).
    pub bill_charges_monthly: bool,
    /// Charges in ascending order of id.
    pub charges: Vec<Charge>,
    /// Taxes attached to the plan, by id.
    pub taxes: Vec<Uuid>,
    /// The plan this one overrides for one subscription.
    pub parent: Option<Uuid>,
    /// Further members, such as `description`.
    pub echo: Echo,
    /// Creation.
    pub created_at: Instant,
}
