//! Customers and subscriptions.

use std::collections::HashSet;

use super::reader::{Node, suggestion};
use super::{DesiredOrganization, ReferenceKind, derived_id, organization, refer, refer_to_taxes};
use crate::core::catalog::{BillingTime, Customer, Status, Subscription};
use crate::core::instant::Instant;

pub(super) fn read(node: Node<'_>, organization: &str, scope: &mut DesiredOrganization) {
    let known = ["external_id", "name", "timezone", "currency", "tax_codes"];
    let Some(object) = node.object(&known) else { return };
    let external_id = object.text("external_id");
    let taxes = refer_to_taxes(&object, organization, scope);
    scope.customers.push(Customer {
        id: derived_id(&[organization, "customer", &external_id]),
        external_id,
        name: object.optional_text("name"),
        timezone: organization::read_zone(&object),
        currency: organization::read_currency(&object, "currency"),
        taxes,
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    });
}

const SUBSCRIPTION_KEYS: [&str; 7] = [
    "external_id",
    "external_customer_id",
    "plan_code",
    "name",
    "billing_time",
    "subscription_at",
    "ending_at",
];

pub(super) fn read_subscription(
    node: Node<'_>,
    organization: &str,
    customers: &HashSet<String>,
    scope: &mut DesiredOrganization,
) {
    let Some(object) = node.object(&SUBSCRIPTION_KEYS) else { return };
    let external_id = object.text("external_id");
    let (customer, plan) = (object.text("external_customer_id"), object.text("plan_code"));
    let DesiredOrganization { plans, references, .. } = scope;
    let known = || plans.iter().map(|plan| plan.code.as_str());
    let defined = known().any(|code| code == plan);
    let hint = if defined { None } else { suggestion(&plan, known()) };
    let at = (object.path_of("plan_code"), plan.as_str());
    let plan = refer(references, organization, ReferenceKind::Plan, at, defined, hint);
    let defined = customers.contains(&customer);
    let at = (object.path_of("external_customer_id"), customer.as_str());
    refer(references, organization, ReferenceKind::Customer, at, defined, None);
    let billing_time =
        object.named("billing_time", BillingTime::from_name, &["calendar", "anniversary"]);
    if !object.has("subscription_at") {
        // The API takes the present moment; a file that did so would mean something else each time.
        object.problems().hint(
            object.path_of("subscription_at"),
            "is missing",
            "write the date the subscription starts, e.g. 2024-01-31",
        );
    }
    let subscription_at = object.optional_instant("subscription_at").unwrap_or_default();
    let ending_at = object.optional_instant("ending_at");
    if ending_at.is_some_and(|end| end <= subscription_at) {
        object.problems().add(object.path_of("ending_at"), "must be after `subscription_at`");
    }
    scope.subscriptions.push(Subscription {
        id: derived_id(&[organization, "subscription", &external_id]),
        external_id,
        customer,
        plan,
        name: object.optional_text("name"),
        billing_time: billing_time.unwrap_or(BillingTime::Calendar),
        subscription_at,
        started_at: None,
        ending_at,
        terminated_at: None,
        status: Status::Active,
        previous: None,
        created_at: Instant(0),
    });
}
