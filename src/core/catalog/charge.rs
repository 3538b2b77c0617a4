//! Charges and their filters (specification 6.1 to 6.5, 9.3).

use uuid::Uuid;

use super::Echo;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::pricing::Model;
use crate::core::value::Value;

/// A price on a billable metric, part of a plan.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // independent flags, as the API has them
pub struct Charge {
    /// Identifier; charges are listed in ascending order of it.
    pub id: Uuid,
    /// Code, unique in the plan.
    pub code: String,
    /// The billable metric, by id.
    pub metric: Uuid,
    /// Name on invoices.
    pub invoice_display_name: Option<String>,
    /// The charge model with its prices, for usage that no filter takes.
    pub model: Model,
    /// The properties as stored, for answers that echo them.
    pub properties: Value,
    /// Keys that split usage into groups, each priced on its own (6.4).
    pub pricing_group_keys: Vec<String>,
    /// Keys that split what is shown, not what is priced (2.7).
    pub presentation_group_keys: Vec<PresentationKey>,
    /// Whether each event is billed when it arrives (5.12).
    pub pay_in_advance: bool,
    /// Whether recurring units are charged for the days they are present (5.10).
    pub prorated: bool,
    /// Whether fees go on an invoice.
    pub invoiceable: bool,
    /// Spending minimum; ignored by usage answers.
    pub min_amount_cents: i64,
    /// Whether `target_wallet_code` splits usage (6.4).
    pub accepts_target_wallet: bool,
    /// Custom unit in which the charge is priced (6.7).
    pub pricing_unit: Option<PricingUnit>,
    /// Taxes attached to the charge, by id.
    pub taxes: Vec<Uuid>,
    /// Filters, in ascending order of their last update.
    pub filters: Vec<ChargeFilter>,
    /// Further members, such as `regroup_paid_fees`.
    pub echo: Echo,
    /// Creation.
    pub created_at: Instant,
}

/// A price for the part of the usage whose properties have certain values (6.3).
#[derive(Clone, Debug, PartialEq)]
pub struct ChargeFilter {
    /// Identifier.
    pub id: Uuid,
    /// Name on invoices.
    pub invoice_display_name: Option<String>,
    /// Values per property key as configured, in order; `__ALL_FILTER_VALUES__` is not expanded
    /// here.
    pub values: Vec<(String, Vec<String>)>,
    /// The prices: same kind of model as the charge's.
    pub model: Model,
    /// The properties as stored.
    pub properties: Value,
    /// The filter's own group keys; none means not grouped, even if the charge is.
    pub pricing_group_keys: Vec<String>,
    /// Creation: of identical filters the oldest counts.
    pub created_at: Instant,
}

/// A key of the breakdown that answers show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PresentationKey {
    /// Property key.
    pub value: String,
    /// Whether invoices show it.
    pub display_in_invoice: bool,
}

/// A custom unit of account with its rate into the plan's currency.
#[derive(Clone, Debug, PartialEq)]
pub struct PricingUnit {
    /// Code.
    pub code: String,
    /// Short name in answers.
    pub short_name: String,
    /// Plan currency per unit.
    pub conversion_rate: Decimal,
}
