//! What a subscription had used before it came here (specification 8.3).

use super::input::Input;
use super::{Command, Decision, Refusal, State, row_in};
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::LifetimeRow;
use crate::core::catalog::{LifetimeUsage, Subscription};
use crate::core::value::Value;

const HISTORICAL: &str = "external_historical_usage_amount_cents";

/// Sets the historical usage of a subscription, and of those that it followed or that follow it by
/// a change of plan.
#[derive(Clone, Debug)]
pub struct UpdateLifetimeUsage {
    /// External id of the subscription.
    pub external_id: String,
    /// Name of the status that it has; `active` if none.
    pub status: Option<String>,
    /// The members of `lifetime_usage`.
    pub input: Value,
}

impl Command for UpdateLifetimeUsage {
    /// The row that the request is about.
    type Reply = Subscription;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Subscription>, Refusal> {
        let rows = state.directory.subscriptions(state.organization(), &self.external_id);
        let row = row_in(&rows, self.status.as_deref(), state.now);
        let row = row.ok_or(Refusal::NotFound("subscription"))?;
        let sent = Input(&self.input).integer(HISTORICAL);
        let sent = sent.map_err(|_| Refusal::invalid(HISTORICAL, "is not a number"))?;
        if sent.is_some_and(i64::is_negative) {
            return Err(Refusal::invalid(HISTORICAL, "value_is_out_of_range"));
        }
        let id = LifetimeUsage::id_of(state.tenant.organization.id, row);
        let known = state.directory.lifetime(state.organization(), id);
        let mut changes = state.changes();
        let before = known.as_ref().map_or(0, |known| known.historical_cents);
        if let Some(historical_cents) = sent.filter(|cents| *cents != before) {
            let version = known.as_ref().map(|known| known.version);
            let usage = LifetimeUsage {
                id,
                external_id: row.external_id.clone(),
                historical_cents,
                created_at: known.map_or(state.now, |known: LifetimeRow| known.created_at),
            };
            changes.put(Body::LifetimeUsage(usage), version);
            // The chain is named by where the row begins.
            let external_id = row.external_id.clone();
            changes.read(EntityId::Subscription { external_id, id: row.id }, Some(row.version));
        }
        Ok(Decision { record: changes.into_record(), reply: Subscription::clone(&row.entity) })
    }
}
