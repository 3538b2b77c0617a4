//! Whole plans (specification 9.3, charge properties 10.2).

use uuid::Uuid;

use super::charge::{self, Code};
use super::thresholds::take_thresholds;
use super::{charge_update, charges_in_force};
use crate::core::catalog::check::Errors;
use crate::core::catalog::commands::input::{Input, text_of};
use crate::core::catalog::commands::organization::currency;
use crate::core::catalog::commands::{Changes, Command, Decision, Refusal, State, taxes};
use crate::core::catalog::record::{Body, Coded, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Echo, Interval, Plan};
use crate::core::decimal::Decimal;
use crate::core::value::Value;

const MANDATORY: &str = "value_is_mandatory";
const INVALID: &str = "value_is_invalid";
/// Members that are kept to be shown.
const TEXTS: [&str; 2] = ["invoice_display_name", "description"];

/// Adds a plan with its charges.
#[derive(Clone, Debug)]
pub struct CreatePlan {
    /// The members of `plan`.
    pub input: Value,
}

/// Changes the members of a plan that are sent. Charges, if sent, replace those that are there. Of
/// a plan that subscriptions point at, code, interval, timing and currency stay.
#[derive(Clone, Debug)]
pub struct UpdatePlan {
    /// Code of the plan.
    pub code: String,
    /// The members of `plan`.
    pub input: Value,
}

/// Takes a plan out, and the private plans that override it. Nothing is used any more under
/// subscriptions on them.
#[derive(Clone, Debug)]
pub struct DeletePlan {
    /// Code of the plan.
    pub code: String,
}

impl Command for CreatePlan {
    type Reply = Plan;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Plan>, Refusal> {
        let input = Input(&self.input);
        check_metrics(state, input)?;
        let mut changes = state.changes();
        let mut errors = Errors::default();
        let mut plan = Plan {
            id: state.new_id(),
            code: input.mandatory("code", &mut errors),
            name: input.mandatory("name", &mut errors),
            interval: Interval::Monthly,
            amount_cents: 0,
            currency: state.tenant.organization.default_currency.clone().unwrap_or_default(),
            pay_in_advance: false,
            bill_charges_monthly: false,
            charges: Vec::new(),
            taxes: Vec::new(),
            parent: None,
            echo: Echo::default(),
            created_at: state.now,
        };
        take_code(state, &plan.code, &mut changes, &mut errors);
        take_interval(input, &mut plan, &mut errors);
        take_amount(input, &mut plan, &mut errors);
        take_currency(input, &mut plan, &mut errors);
        take_timing(input, &mut plan, &mut errors);
        take_texts(input, &mut plan, &mut errors);
        take_thresholds(input, &mut plan, &mut errors);
        Refusal::unless_empty(errors)?;
        plan.taxes = taxes(state, &input.texts("tax_codes").unwrap_or_default(), &mut changes)?;
        for charge in input.list("charges").into_iter().flatten() {
            let input = Input(charge);
            let charge = charge::create(state, &plan, input, Code::Generated, &mut changes)?;
            plan.charges.push(charge);
        }
        put_plan(plan.clone(), None, &mut changes);
        Ok(Decision { record: changes.into_record(), reply: plan })
    }
}

impl Command for UpdatePlan {
    type Reply = Plan;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Plan>, Refusal> {
        let (old, input) = (state.plan(&self.code)?, Input(&self.input));
        check_metrics(state, input)?;
        let attached = state.is_attached(old.id);
        let (mut changes, mut errors) = (state.changes(), Errors::default());
        let mut plan = Plan::clone(&old.entity);
        plan.name = input.mandatory_or_kept("name", &old.name, &mut errors);
        if input.has("amount_cents") {
            take_amount(input, &mut plan, &mut errors);
        }
        if !attached {
            plan.code = input.mandatory_or_kept("code", &old.code, &mut errors);
            if plan.code != old.code {
                take_code(state, &plan.code, &mut changes, &mut errors);
            }
            if input.has("interval") {
                take_interval(input, &mut plan, &mut errors);
            }
            if input.has("amount_currency") {
                take_currency(input, &mut plan, &mut errors);
            }
            if input.has("pay_in_advance") {
                take_timing(input, &mut plan, &mut errors);
            }
            if let Some(monthly) = input.flag("bill_charges_monthly") {
                plan.bill_charges_monthly = monthly;
            }
            plan.bill_charges_monthly &= bills_seldom(plan.interval);
        }
        take_texts(input, &mut plan, &mut errors);
        take_thresholds(input, &mut plan, &mut errors);
        Refusal::unless_empty(errors)?;
        if let Some(codes) = input.texts("tax_codes") {
            plan.taxes = taxes(state, &codes, &mut changes)?;
        }
        take_charges(state, input, attached, &mut plan, &mut changes)?;
        put_plan(plan.clone(), Some(old), &mut changes);
        Ok(Decision { record: changes.into_record(), reply: plan })
    }
}

impl Command for DeletePlan {
    type Reply = Plan;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Plan>, Refusal> {
        let old = state.plan(&self.code)?;
        let mut changes = state.changes();
        for private in state.tenant.plans.iter().filter(|plan| plan.parent == Some(old.id)) {
            changes.delete(EntityId::Plan(private.id), private.version);
        }
        changes.delete(EntityId::Plan(old.id), old.version);
        Ok(Decision { record: changes.into_record(), reply: Plan::clone(&old.entity) })
    }
}

/// Saves a plan, unless it is as it was.
pub(super) fn put_plan(mut plan: Plan, old: Option<&Versioned<Plan>>, changes: &mut Changes) {
    plan.charges.sort_by_key(|charge| charge.id);
    if old.is_none_or(|old| *old.entity != plan) {
        changes.put(Body::Plan(plan), old.map(|old| old.version));
    }
}

/// A metric that any charge names and nobody knows ends the request before all else.
fn check_metrics(state: &State<'_>, input: Input<'_>) -> Result<(), Refusal> {
    let unknown = |charge: &Value| {
        let id = text_of(charge.get("billable_metric_id"));
        id.is_some() && charge::sent_metric(state, Input(charge)).is_none()
    };
    if input.list("charges").into_iter().flatten().any(unknown) {
        return Err(Refusal::NotFound("billable_metrics"));
    }
    Ok(())
}

/// The charges that are sent, in their order; those that are not named go last of all, so their
/// codes are still taken meanwhile.
fn take_charges(
    state: &State<'_>,
    input: Input<'_>,
    attached: bool,
    plan: &mut Plan,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let Some(sent) = input.list("charges") else { return Ok(()) };
    let mut named = Vec::new();
    for sent in sent {
        let id = text_of(sent.get("id")).and_then(|id| Uuid::try_parse(&id).ok());
        let old = charges_in_force(plan, state.tenant).find(|charge| Some(charge.id) == id);
        let charge = match old.cloned() {
            Some(old) => charge_update::update(state, plan, &old, attached, Input(sent), changes)?,
            None => charge::create(state, plan, Input(sent), Code::Generated, changes)?,
        };
        named.push(charge.id);
        *plan = super::charges::with_charge(plan, &charge);
    }
    plan.charges.retain(|charge| named.contains(&charge.id));
    Ok(())
}

fn take_code(state: &State<'_>, code: &str, changes: &mut Changes, errors: &mut Errors) {
    if state.tenant.plans.by_code(code).is_some() {
        errors.add("code", "value_already_exist");
    }
    changes.free_code(Coded::Plan, code);
}

fn take_interval(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    match input.present("interval").as_deref().map(Interval::from_name) {
        Some(Some(interval)) => plan.interval = interval,
        Some(None) => errors.add("interval", INVALID),
        None => errors.add("interval", MANDATORY),
    }
}

pub(super) fn take_amount(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    match input.integer("amount_cents") {
        Ok(Some(cents)) if cents >= 0 => plan.amount_cents = cents,
        Ok(Some(_)) => errors.add("amount_cents", "value_is_out_of_range"),
        Ok(None) => errors.add("amount_cents", MANDATORY),
        Err(_) => errors.add("amount_cents", "is not a number"),
    }
}

/// The sent currency, or the organisation's.
pub(super) fn take_currency(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    if let Some(code) = currency(input, "amount_currency", errors) {
        plan.currency = code;
    }
    if plan.currency.is_empty() {
        errors.add("amount_currency", MANDATORY);
    }
}

fn take_timing(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    match input.flag("pay_in_advance") {
        Some(flag) => plan.pay_in_advance = flag,
        None => errors.add("pay_in_advance", INVALID),
    }
    if let Some(monthly) = input.flag("bill_charges_monthly") {
        plan.bill_charges_monthly = monthly;
    }
    plan.bill_charges_monthly &= bills_seldom(plan.interval);
}

/// Whether a plan may bill its charges more often than itself.
const fn bills_seldom(interval: Interval) -> bool {
    matches!(interval, Interval::Yearly | Interval::Semiannual)
}

pub(super) fn take_texts(input: Input<'_>, plan: &mut Plan, errors: &mut Errors) {
    for name in TEXTS {
        if input.has(name) {
            plan.echo.set(name, input.text(name).map_or(Value::Null, Value::Text));
        }
    }
    if input.has("trial_period") {
        let text = input.present("trial_period");
        let days = text.as_deref().map(Decimal::parse_amount);
        match days {
            None => plan.echo.set("trial_period", Value::Null),
            Some(Some(days)) if !days.is_negative() => {
                plan.echo.set("trial_period", Value::Number(days.decstr()));
            }
            Some(Some(_)) => errors.add("trial_period", "value_is_out_of_range"),
            Some(None) => errors.add("trial_period", "is not a number"),
        }
    }
}
