//! Names what differs between two states of an entity, for people to read.

use crate::core::catalog::{
    BillableMetric, Charge, Customer, Organization, Plan, Subscription, Tax,
};

/// The names of those members that differ.
fn differing(members: &[(&str, bool)]) -> Vec<String> {
    members.iter().filter(|(_, equal)| !equal).map(|(name, _)| (*name).to_owned()).collect()
}

pub(super) fn organization(old: &Organization, new: &Organization) -> Vec<String> {
    differing(&[
        ("name", old.name == new.name),
        ("timezone", old.timezone == new.timezone),
        ("default_currency", old.default_currency == new.default_currency),
        ("taxes", old.taxes == new.taxes),
        ("integrations", old.flags == new.flags),
        ("api_keys", old.api_keys == new.api_keys),
    ])
}

pub(super) fn tax(old: &Tax, new: &Tax) -> Vec<String> {
    differing(&[
        ("name", old.name == new.name),
        ("rate", old.rate == new.rate),
        ("description", old.description == new.description),
    ])
}

pub(super) fn metric(old: &BillableMetric, new: &BillableMetric) -> Vec<String> {
    differing(&[
        ("name", old.name == new.name),
        ("description", old.description == new.description),
        ("aggregation_type", old.aggregation == new.aggregation),
        ("field_name", old.field_name == new.field_name),
        ("recurring", old.recurring == new.recurring),
        ("rounding", old.rounding == new.rounding),
        ("expression", old.expression == new.expression),
        ("filters", old.filters == new.filters),
    ])
}

pub(super) fn plan(old: &Plan, new: &Plan) -> Vec<String> {
    let mut names = differing(&[
        ("name", old.name == new.name),
        ("interval", old.interval == new.interval),
        ("amount_cents", old.amount_cents == new.amount_cents),
        ("amount_currency", old.currency == new.currency),
        ("pay_in_advance", old.pay_in_advance == new.pay_in_advance),
        ("bill_charges_monthly", old.bill_charges_monthly == new.bill_charges_monthly),
        ("tax_codes", old.taxes == new.taxes),
    ]);
    let find = |plan: &Plan, charge: &Charge| -> Option<Charge> {
        plan.charges.iter().find(|other| other.id == charge.id).cloned()
    };
    for charge in &old.charges {
        match find(new, charge) {
            None => names.push(format!("charge {} removed", charge.code)),
            Some(new) if new != *charge => {
                names.push(format!("charge {}: {}", charge.code, charge_members(charge, &new)));
            }
            Some(_) => {}
        }
    }
    for charge in new.charges.iter().filter(|charge| find(old, charge).is_none()) {
        names.push(format!("charge {} added", charge.code));
    }
    names
}

fn charge_members(old: &Charge, new: &Charge) -> String {
    let names = differing(&[
        ("billable_metric_code", old.metric == new.metric),
        ("invoice_display_name", old.invoice_display_name == new.invoice_display_name),
        ("charge_model", old.model.kind() == new.model.kind()),
        ("properties", old.properties == new.properties),
        ("pay_in_advance", old.pay_in_advance == new.pay_in_advance),
        ("prorated", old.prorated == new.prorated),
        ("invoiceable", old.invoiceable == new.invoiceable),
        ("min_amount_cents", old.min_amount_cents == new.min_amount_cents),
        ("accepts_target_wallet", old.accepts_target_wallet == new.accepts_target_wallet),
        ("applied_pricing_unit", old.pricing_unit == new.pricing_unit),
        ("tax_codes", old.taxes == new.taxes),
        ("filters", old.filters == new.filters),
    ]);
    names.join(" ")
}

pub(super) fn customer(old: &Customer, new: &Customer) -> Vec<String> {
    differing(&[
        ("name", old.name == new.name),
        ("timezone", old.timezone == new.timezone),
        ("currency", old.currency == new.currency),
        ("tax_codes", old.taxes == new.taxes),
    ])
}

pub(super) fn subscription(old: &Subscription, new: &Subscription) -> Vec<String> {
    differing(&[
        ("external_customer_id", old.customer == new.customer),
        ("plan_code", old.plan == new.plan),
        ("name", old.name == new.name),
        ("billing_time", old.billing_time == new.billing_time),
        ("subscription_at", old.subscription_at == new.subscription_at),
        ("ending_at", old.ending_at == new.ending_at),
    ])
}
