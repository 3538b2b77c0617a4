//! A request to end a subscription, or to give up one that has not begun.

use super::Lives;
use crate::core::catalog::Subscription;
use crate::core::catalog::commands::{Command, Decision, Refusal, State};
use crate::core::catalog::lifecycle::{cancel, terminate};

/// Ends what serves an external id, or gives up what waits under it (9.6).
#[derive(Clone, Debug)]
pub struct EndSubscription {
    /// External id of the subscription.
    pub external_id: String,
    /// Whether what waits is meant.
    pub pending: bool,
}

impl Command for EndSubscription {
    /// The row that has ended.
    type Reply = Subscription;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Subscription>, Refusal> {
        let rows = state.directory.subscriptions(state.organization(), &self.external_id);
        let customer = rows.last().map_or("", |row| row.customer.as_str());
        let lives = Lives::new(state, &rows, customer);
        let mut changes = state.changes();
        let rule = if self.pending { cancel } else { terminate };
        let decided = lives.decide(rule)?;
        lives.write(&decided, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: decided.shown })
    }
}
