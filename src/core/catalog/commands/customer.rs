//! Customers (specification 9.4).

use uuid::Uuid;

use super::input::{Input, text_of};
use super::organization::{currency, time_zone};
use super::{Changes, Command, Decision, Refusal, State};
use crate::core::catalog::check::Errors;
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::CustomerRow;
use crate::core::catalog::{Customer, Echo, Status, Subscription};
use crate::core::value::Value;

/// Members of the profile: kept and shown again.
pub const PROFILE: [&str; 19] = [
    "firstname",
    "lastname",
    "customer_type",
    "country",
    "address_line1",
    "address_line2",
    "state",
    "zipcode",
    "email",
    "city",
    "url",
    "phone",
    "logo_url",
    "legal_name",
    "legal_number",
    "tax_identification_number",
    "net_payment_term",
    "external_salesforce_id",
    "finalize_zero_amount_invoice",
];
/// Members of `shipping_address`.
pub const SHIPPING: [&str; 6] =
    ["address_line1", "address_line2", "city", "zipcode", "state", "country"];
/// Members of `billing_configuration`.
pub const BILLING: [&str; 5] = [
    "invoice_grace_period",
    "payment_provider",
    "payment_provider_code",
    "document_locale",
    "provider_customer_id",
];
/// The objects in a profile, with their members.
const NESTED: [(&str, &[&str]); 2] =
    [("shipping_address", &SHIPPING), ("billing_configuration", &BILLING)];

/// Adds a customer, or changes the members that are sent of the one with this external id. An
/// explicit null clears a member.
#[derive(Clone, Debug)]
pub struct UpsertCustomer {
    /// The members of `customer`.
    pub input: Value,
}

/// Takes a customer out and ends its subscriptions.
#[derive(Clone, Debug)]
pub struct DeleteCustomer {
    /// External id of the customer.
    pub external_id: String,
}

impl Command for UpsertCustomer {
    type Reply = Customer;

    fn decide(&self, state: &State<'_>) -> Result<Decision<Customer>, Refusal> {
        let (input, mut errors) = (Input(&self.input), Errors::default());
        let external_id = input.mandatory("external_id", &mut errors);
        let old = state.directory.customer(state.organization(), &external_id);
        let mut customer = match &old {
            Some(row) => Customer::clone(&row.entity),
            None => new_customer(state, &external_id),
        };
        customer.name = input.text_or_kept("name", customer.name.as_deref());
        if input.has("timezone") {
            customer.timezone = time_zone(input, &mut errors);
        }
        if input.has("currency") {
            customer.currency = currency(input, "currency", &mut errors);
        }
        take_profile(input, &mut customer.echo);
        Refusal::unless_empty(errors)?;
        let mut changes = state.changes();
        if let Some(codes) = input.texts("tax_codes") {
            customer.taxes = taxes(state, &codes, &mut changes)?;
        }
        if old.as_ref().is_none_or(|old| *old.entity != customer) {
            let version = old.map(|old| old.version);
            changes.put(Body::Customer(customer.clone()), version);
            return Ok(Decision { record: changes.into_record(), reply: customer });
        }
        Ok(Decision { record: state.changes().into_record(), reply: customer })
    }
}

impl Command for DeleteCustomer {
    type Reply = CustomerRow;

    fn decide(&self, state: &State<'_>) -> Result<Decision<CustomerRow>, Refusal> {
        let (organization, directory) = (state.organization(), state.directory);
        let old = directory.customer(organization, &self.external_id);
        let old = old.ok_or(Refusal::NotFound("customer"))?;
        let mut changes = state.changes();
        for external_id in directory.subscriptions_of(organization, &self.external_id) {
            let rows = directory.subscriptions(organization, &external_id);
            for row in rows.iter().filter(|row| row.customer == self.external_id) {
                let ended = match row.status_at(state.now) {
                    Status::Active => Subscription {
                        status: Status::Terminated,
                        terminated_at: Some(state.now),
                        ..Subscription::clone(&row.entity)
                    },
                    Status::Pending => Subscription {
                        status: Status::Canceled,
                        ..Subscription::clone(&row.entity)
                    },
                    Status::Terminated | Status::Canceled => continue,
                };
                changes.put(Body::Subscription(ended), Some(row.version));
            }
        }
        changes.delete(EntityId::Customer(self.external_id.clone()), old.version);
        Ok(Decision { record: changes.into_record(), reply: old })
    }
}

/// A customer of whom nothing is known but the external id.
pub fn new_customer(state: &State<'_>, external_id: &str) -> Customer {
    Customer {
        id: state.new_id(),
        external_id: external_id.to_owned(),
        name: None,
        timezone: None,
        currency: None,
        taxes: Vec::new(),
        echo: Echo::default(),
        created_at: state.now,
    }
}

/// The taxes with these codes; the decision rests on them.
///
/// # Errors
///
/// `tax_not_found` for the first that is not there.
pub fn taxes(
    state: &State<'_>,
    codes: &[String],
    changes: &mut Changes,
) -> Result<Vec<Uuid>, Refusal> {
    let mut taxes = Vec::new();
    for code in codes {
        let tax = state.tax(code)?;
        changes.read(EntityId::Tax(tax.id), Some(tax.version));
        if !taxes.contains(&tax.id) {
            taxes.push(tax.id);
        }
    }
    Ok(taxes)
}

fn take_profile(input: Input<'_>, echo: &mut Echo) {
    for name in PROFILE {
        take(input, name, name, echo);
    }
    for (object, members) in NESTED {
        let inner = Input(input.value(object));
        for name in members {
            take(inner, name, &format!("{object}.{name}"), echo);
        }
    }
}

/// Sets a member that was sent, under another name perhaps.
fn take(input: Input<'_>, name: &str, kept: &str, echo: &mut Echo) {
    if input.has(name) {
        let scalar = input.value(name);
        echo.set(kept, text_of(scalar).map_or(Value::Null, |_| scalar.clone()));
    }
}
