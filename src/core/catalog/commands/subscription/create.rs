//! A request to create a subscription: a first one, a repetition, or a change of plan.

use uuid::Uuid;

use super::{Dates, Lives, OVERRIDES, stripped};
use crate::core::catalog::commands::input::{Input, text_of};
use crate::core::catalog::commands::{
    Changes, Command, Decision, Refusal, State, new_customer, overridden_plan,
};
use crate::core::catalog::lifecycle::{Creation, create, current, repeats};
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{BillingTime, Plan, Subscription};
use crate::core::value::Value;

/// Creates a subscription and, if it is new, its customer; or changes the plan of what runs or
/// begins later under the external id (3.11).
#[derive(Clone, Debug)]
pub struct CreateSubscription {
    /// The members of `subscription`.
    pub input: Value,
}

impl Command for CreateSubscription {
    /// The row that the answer shows.
    type Reply = Subscription;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Subscription>, Refusal> {
        let input = Input(&self.input);
        let plan = state.plan(&input.text("plan_code").unwrap_or_default())?;
        let Dates { subscription_at, ending_at } = Dates::read(input, state.now, state.now)?;
        let customer = stripped(input, "external_customer_id");
        let customer = customer
            .ok_or_else(|| Refusal::invalid("external_customer_id", "value_is_mandatory"))?;
        let billing_time = billing_time(input);
        let Some(external_id) = stripped(input, "external_id") else {
            billing_time?;
            return Err(Refusal::invalid("external_id", "value_is_mandatory"));
        };
        let rows = state.directory.subscriptions(state.organization(), &external_id);
        let mut changes = state.changes();
        changes.read(EntityId::Plan(plan.id), Some(plan.version));
        take_customer(state, &customer, &mut changes);
        let current = current(&rows, &customer, state.now);
        let private = own_plan(state, plan, current, input, &customer, &mut changes)?;
        let name = stripped(input, "name");
        let creation = Creation {
            id: next_id(state, &rows, &external_id),
            external_id: &external_id,
            customer: &customer,
            plan: private.as_ref().unwrap_or(&plan.entity),
            name: name.as_deref(),
            billing_time: billing_time.as_ref().ok().copied().flatten(),
            subscription_at,
            ending_at,
        };
        let lives = Lives::new(state, &rows, &customer);
        let decided = lives.decide(|situation| create(&creation, situation))?;
        // A row that follows another keeps its alignment, so what is sent does not matter.
        if decided.shown.id == creation.id && decided.shown.previous.is_none() {
            billing_time?;
        }
        if decided.writes.is_empty() {
            return Ok(Decision { record: state.changes().into_record(), reply: decided.shown });
        }
        if let Some(private) = private {
            changes.put(Body::Plan(private), None);
        }
        lives.write(&decided, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: decided.shown })
    }
}

/// The alignment that is sent, if any.
fn billing_time(input: Input<'_>) -> Result<Option<BillingTime>, Refusal> {
    let Some(name) = text_of(input.value("billing_time")) else { return Ok(None) };
    let known = BillingTime::from_name(&name);
    known.map(Some).ok_or_else(|| Refusal::invalid("billing_time", "value_is_invalid"))
}

/// The decision rests on the customer; one that is not known is created.
fn take_customer(state: &State<'_>, external_id: &str, changes: &mut Changes) {
    match state.directory.customer(state.organization(), external_id) {
        Some(row) => changes.read(EntityId::Customer(external_id.to_owned()), Some(row.version)),
        None => changes.put(Body::Customer(new_customer(state, external_id)), None),
    }
}

/// The private plan that the request asks for. A request for the plan that there is already is a
/// repetition, which changes nothing, and one for another customer's subscription is refused.
fn own_plan(
    state: &State<'_>,
    plan: &Plan,
    current: Option<&Subscription>,
    input: Input<'_>,
    customer: &str,
    changes: &mut Changes,
) -> Result<Option<Plan>, Refusal> {
    let settled = current.is_some_and(|row| {
        let before = state.tenant.plan(row.plan).map(|own| &*own.entity);
        row.customer != customer || repeats(plan, row.plan, before)
    });
    let overrides = input.value(OVERRIDES);
    if settled || overrides.as_object().is_none() {
        return Ok(None);
    }
    overridden_plan(state, plan, Input(overrides), changes).map(Some)
}

/// The id of the external id's next row. It follows from the rows there are, so that of two
/// requests that would each add a row only one comes into force.
fn next_id(state: &State<'_>, rows: &[Versioned<Subscription>], external_id: &str) -> Uuid {
    let nth = |number: usize| {
        let name = format!("subscription {number} {external_id}");
        Uuid::new_v5(&state.tenant.organization.id, name.as_bytes())
    };
    let free = |id: &Uuid| rows.iter().all(|row| row.id != *id);
    // One more than there are rows.
    let mut candidates = (rows.len()..=2 * rows.len()).map(nth);
    candidates.find(free).unwrap_or_else(|| state.new_id())
}
