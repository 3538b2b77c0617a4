//! Customers (specification 9.4).

use uuid::Uuid;

use super::Echo;
use crate::core::instant::Instant;

/// A customer of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// Identifier.
    pub id: Uuid,
    /// The tenant's own id of the customer.
    pub external_id: String,
    /// Display name.
    pub name: Option<String>,
    /// IANA zone; the billing entity's if none.
    pub timezone: Option<String>,
    /// Currency.
    pub currency: Option<String>,
    /// Taxes attached to the customer, by id.
    pub taxes: Vec<Uuid>,
    /// Profile members, by their names in requests.
    pub echo: Echo,
    /// Creation.
    pub created_at: Instant,
}
