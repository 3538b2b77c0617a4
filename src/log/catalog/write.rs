//! Core types to their JSON shapes.

use super::text::{Digest, Id};
use super::value::value_to_json;
use super::wire;
use crate::core::catalog as core;
use crate::core::catalog::record::{Body, Change, Entity, EntityId, EntityKey, Record};
use crate::core::instant::Instant;
use uuid::Uuid;

fn ids(ids: &[Uuid]) -> Vec<Id> {
    ids.iter().copied().map(Id).collect()
}

fn micros(instant: Option<Instant>) -> Option<i64> {
    instant.map(Instant::micros)
}

pub(super) fn record(record: &Record) -> wire::Record {
    let expect = |(entity, version): &(EntityKey, Option<u64>)| wire::Expect {
        key: key(entity),
        version: *version,
    };
    wire::Record {
        format: super::FORMAT,
        revision: super::REVISION,
        expects: record.expects.iter().map(expect).collect(),
        changes: record.changes.iter().map(change).collect(),
    }
}

pub(super) fn change(change: &Change) -> wire::Change {
    match change {
        Change::Put(body) => wire::Change::Put(entity(body)),
        Change::Delete(entity) => wire::Change::Delete(key(entity)),
    }
}

fn key(key: &EntityKey) -> wire::Key {
    let id = match &key.id {
        EntityId::Organization => wire::KeyId::Organization,
        EntityId::Tax(id) => wire::KeyId::Tax(Id(*id)),
        EntityId::BillableMetric(id) => wire::KeyId::BillableMetric(Id(*id)),
        EntityId::Plan(id) => wire::KeyId::Plan(Id(*id)),
        EntityId::Customer(external_id) => wire::KeyId::Customer(external_id.clone()),
        EntityId::Subscription { external_id, id } => {
            wire::KeyId::Subscription { external_id: external_id.clone(), id: Id(*id) }
        }
        EntityId::LifetimeUsage(id) => wire::KeyId::LifetimeUsage(Id(*id)),
        EntityId::Code(kind, code) => {
            wire::KeyId::Code { kind: kind.name().to_owned(), code: code.clone() }
        }
    };
    wire::Key { organization: key.organization.clone(), id }
}

pub(super) fn entity(entity: &Entity) -> wire::Entity {
    let body = match &entity.body {
        Body::Organization(body) => wire::Body::Organization(organization(body)),
        Body::Tax(body) => wire::Body::Tax(tax(body)),
        Body::BillableMetric(body) => wire::Body::BillableMetric(metric(body)),
        Body::Plan(body) => wire::Body::Plan(plan(body)),
        Body::Customer(body) => wire::Body::Customer(customer(body)),
        Body::Subscription(body) => wire::Body::Subscription(subscription(body)),
        Body::LifetimeUsage(body) => wire::Body::LifetimeUsage(lifetime(body)),
    };
    wire::Entity { organization: entity.organization.clone(), body }
}

fn organization(organization: &core::Organization) -> wire::Organization {
    let api_key = |key: &core::ApiKey| wire::ApiKey {
        sha256: Digest(key.digest),
        expires_at: micros(key.expires_at),
        permissions: key.permissions.clone(),
    };
    wire::Organization {
        id: Id(organization.id),
        name: organization.name.clone(),
        timezone: organization.timezone.clone(),
        default_currency: organization.default_currency.clone(),
        taxes: ids(&organization.taxes),
        flags: organization.flags.iter().map(|flag| flag.name().to_owned()).collect(),
        api_keys: organization.api_keys.iter().map(api_key).collect(),
    }
}

fn tax(tax: &core::Tax) -> wire::Tax {
    wire::Tax {
        id: Id(tax.id),
        code: tax.code.clone(),
        name: tax.name.clone(),
        rate: tax.rate.to_string(),
        description: tax.description.clone(),
        created_at: tax.created_at.micros(),
    }
}

fn metric(metric: &core::BillableMetric) -> wire::BillableMetric {
    let rounding = |rounding: core::Rounding| wire::Rounding {
        function: rounding.mode.name().to_owned(),
        precision: rounding.precision,
    };
    let filter = |filter: &core::MetricFilter| wire::MetricFilter {
        key: filter.key.clone(),
        values: filter.values.clone(),
    };
    wire::BillableMetric {
        id: Id(metric.id),
        code: metric.code.clone(),
        name: metric.name.clone(),
        description: metric.description.clone(),
        aggregation_type: metric.aggregation.name().to_owned(),
        field_name: metric.field_name.clone(),
        recurring: metric.recurring,
        rounding: metric.rounding.map(rounding),
        expression: metric.expression.clone(),
        filters: metric.filters.iter().map(filter).collect(),
        created_at: metric.created_at.micros(),
    }
}

fn plan(plan: &core::Plan) -> wire::Plan {
    wire::Plan {
        id: Id(plan.id),
        code: plan.code.clone(),
        name: plan.name.clone(),
        interval: plan.interval.name().to_owned(),
        amount_cents: plan.amount_cents,
        amount_currency: plan.currency.clone(),
        pay_in_advance: plan.pay_in_advance,
        bill_charges_monthly: plan.bill_charges_monthly,
        charges: plan.charges.iter().map(charge).collect(),
        taxes: ids(&plan.taxes),
        parent: plan.parent.map(Id),
        echo: echo(&plan.echo),
        created_at: plan.created_at.micros(),
    }
}

fn charge(charge: &core::Charge) -> wire::Charge {
    let presentation = |key: &core::PresentationKey| wire::PresentationKey {
        value: key.value.clone(),
        display_in_invoice: key.display_in_invoice,
    };
    let unit = |unit: &core::PricingUnit| wire::PricingUnit {
        code: unit.code.clone(),
        short_name: unit.short_name.clone(),
        conversion_rate: unit.conversion_rate.to_string(),
    };
    wire::Charge {
        id: Id(charge.id),
        code: charge.code.clone(),
        billable_metric: Id(charge.metric),
        invoice_display_name: charge.invoice_display_name.clone(),
        charge_model: super::model::name(&charge.model).to_owned(),
        properties: value_to_json(&charge.properties),
        pricing_group_keys: charge.pricing_group_keys.clone(),
        presentation_group_keys: charge.presentation_group_keys.iter().map(presentation).collect(),
        pay_in_advance: charge.pay_in_advance,
        prorated: charge.prorated,
        invoiceable: charge.invoiceable,
        min_amount_cents: charge.min_amount_cents,
        accepts_target_wallet: charge.accepts_target_wallet,
        pricing_unit: charge.pricing_unit.as_ref().map(unit),
        taxes: ids(&charge.taxes),
        filters: charge.filters.iter().map(filter).collect(),
        echo: echo(&charge.echo),
        created_at: charge.created_at.micros(),
    }
}

fn echo(echo: &core::Echo) -> wire::Echo {
    let member = |(name, value): &(String, _)| (name.clone(), value_to_json(value));
    echo.members().iter().map(member).collect()
}

fn filter(filter: &core::ChargeFilter) -> wire::ChargeFilter {
    wire::ChargeFilter {
        id: Id(filter.id),
        invoice_display_name: filter.invoice_display_name.clone(),
        values: filter.values.clone(),
        properties: value_to_json(&filter.properties),
        pricing_group_keys: filter.pricing_group_keys.clone(),
        created_at: filter.created_at.micros(),
    }
}

fn customer(customer: &core::Customer) -> wire::Customer {
    wire::Customer {
        id: Id(customer.id),
        external_id: customer.external_id.clone(),
        name: customer.name.clone(),
        timezone: customer.timezone.clone(),
        currency: customer.currency.clone(),
        taxes: ids(&customer.taxes),
        echo: echo(&customer.echo),
        created_at: customer.created_at.micros(),
    }
}

fn subscription(row: &core::Subscription) -> wire::Subscription {
    wire::Subscription {
        id: Id(row.id),
        external_id: row.external_id.clone(),
        customer: row.customer.clone(),
        plan: Id(row.plan),
        name: row.name.clone(),
        billing_time: row.billing_time.name().to_owned(),
        subscription_at: row.subscription_at.micros(),
        started_at: micros(row.started_at),
        ending_at: micros(row.ending_at),
        terminated_at: micros(row.terminated_at),
        status: row.status.name().to_owned(),
        previous: row.previous.map(Id),
        created_at: row.created_at.micros(),
    }
}

fn lifetime(usage: &core::LifetimeUsage) -> wire::LifetimeUsage {
    wire::LifetimeUsage {
        id: Id(usage.id),
        external_id: usage.external_id.clone(),
        historical_cents: usage.historical_cents,
        created_at: usage.created_at.micros(),
    }
}
