//! Taxes (specification 7 and 9.1).

use uuid::Uuid;

use crate::core::double::Double;
use crate::core::instant::Instant;

/// A tax that can be attached to charges, plans, customers and the billing entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Tax {
    /// Identifier.
    pub id: Uuid,
    /// Code, unique in the organisation.
    pub code: String,
    /// Display name.
    pub name: String,
    /// Percent, as a double (7.2).
    pub rate: Double,
    /// Free text.
    pub description: Option<String>,
    /// Creation; applied taxes are listed in this order.
    pub created_at: Instant,
}
