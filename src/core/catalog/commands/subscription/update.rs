//! A request to change a subscription that runs or begins later.

use super::{Dates, Lives, OVERRIDES, is_live, row_in, stripped};
use crate::core::catalog::Subscription;
use crate::core::catalog::commands::input::Input;
use crate::core::catalog::commands::{
    Command, Decision, Refusal, State, change_private_plan, overridden_plan,
};
use crate::core::catalog::lifecycle::{Update, update};
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::value::Value;

/// Changes the members that are sent: `name`, `ending_at`, `subscription_at` of one that has not
/// begun, and `plan_overrides`, which are kept in a private plan.
#[derive(Clone, Debug)]
pub struct UpdateSubscription {
    /// External id of the subscription.
    pub external_id: String,
    /// The status of the row that is meant; `active` if none is named, or whatever the only row is.
    pub status: Option<String>,
    /// The members of `subscription`.
    pub input: Value,
}

impl UpdateSubscription {
    fn find<'a>(
        &self,
        rows: &'a [Versioned<Subscription>],
        state: &State<'_>,
    ) -> Option<&'a Versioned<Subscription>> {
        let found = match (rows, &self.status) {
            ([only], None) => Some(only),
            (rows, status) => row_in(rows, status.as_deref(), state.now),
        };
        found.filter(|row| is_live(row, state.now))
    }
}

impl Command for UpdateSubscription {
    /// The row as it is now.
    type Reply = Subscription;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Subscription>, Refusal> {
        let rows = state.directory.subscriptions(state.organization(), &self.external_id);
        let row = self.find(&rows, state).ok_or(Refusal::NotFound("subscription"))?;
        let input = Input(&self.input);
        let Dates { subscription_at, ending_at } =
            Dates::read(input, row.subscription_at, state.now)?;
        let mut changes = state.changes();
        let name = stripped(input, "name");
        let mut sent = Update {
            name: input.has("name").then_some(name.as_deref()),
            ending_at,
            subscription_at,
            plan: None,
        };
        let overrides = input.value(OVERRIDES);
        if overrides.as_object().is_some() {
            let plan = state.tenant.plan(row.plan).ok_or(Refusal::NotFound("plan"))?;
            if plan.parent.is_some() {
                change_private_plan(state, plan, Input(overrides), &mut changes)?;
            } else {
                let own = overridden_plan(state, plan, Input(overrides), &mut changes)?;
                sent.plan = Some(own.id);
                changes.read(EntityId::Plan(plan.id), Some(plan.version));
                changes.put(Body::Plan(own), None);
            }
        }
        let lives = Lives::new(state, &rows, &row.customer);
        let decided = lives.decide(|situation| update(row, &sent, situation))?;
        lives.write(&decided, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: decided.shown })
    }
}
