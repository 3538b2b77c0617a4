//! What subscriptions had used before they came here (specification 8.3).

use uuid::Uuid;

use super::Subscription;
use crate::core::instant::Instant;

/// The historical usage of a chain of subscription rows that followed one another by changes of
/// plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifetimeUsage {
    /// Identifier, see [`LifetimeUsage::id_of`].
    pub id: Uuid,
    /// External id of the subscription.
    pub external_id: String,
    /// What was used before, in cents; 0 or more.
    pub historical_cents: i64,
    /// Creation.
    pub created_at: Instant,
}

impl LifetimeUsage {
    /// The identifier of the chain that a row belongs to: the rows of a customer that share
    /// external id and `subscription_at`. It names the lifetime usage whether or not one is stored.
    pub fn id_of(organization: Uuid, row: &Subscription) -> Uuid {
        let begins = row.subscription_at.micros();
        let (customer, external_id) = (&row.customer, &row.external_id);
        let name = format!("lifetime_usage\0{begins}\0{customer}\0{external_id}");
        Uuid::new_v5(&organization, name.as_bytes())
    }
}
