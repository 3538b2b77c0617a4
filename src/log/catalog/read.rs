//! JSON shapes to core types. What a newer revision may add is skipped by serde; a name that is not
//! known here is an error, because guessing would change figures.

use super::CodecError;
use super::text::Id;
use super::value::value_from_json;
use super::wire;
use crate::core::catalog as core;
use crate::core::catalog::record::{Body, Change, Coded, Entity, EntityId, EntityKey, Record};
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::instant::Instant;
use uuid::Uuid;

type Result<T> = std::result::Result<T, CodecError>;

fn ids(ids: &[Id]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

/// The value that a text names, or an error that says where and what.
fn named<T>(member: &'static str, text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    read(text).ok_or_else(|| CodecError::Unreadable { member, text: text.to_owned() })
}

pub(super) fn record(record: wire::Record) -> Result<Record> {
    let expect = |expect: wire::Expect| Ok((key(expect.key)?, expect.version));
    let expects = record.expects.into_iter().map(expect).collect::<Result<_>>()?;
    let changes = record.changes.into_iter().map(change).collect::<Result<_>>()?;
    Ok(Record { changes, expects })
}

fn change(change: wire::Change) -> Result<Change> {
    Ok(match change {
        wire::Change::Put(body) => Change::Put(entity(body)?),
        wire::Change::Delete(deleted) => Change::Delete(key(deleted)?),
    })
}

fn key(key: wire::Key) -> Result<EntityKey> {
    let id = match key.id {
        wire::KeyId::Organization => EntityId::Organization,
        wire::KeyId::Tax(id) => EntityId::Tax(id.0),
        wire::KeyId::BillableMetric(id) => EntityId::BillableMetric(id.0),
        wire::KeyId::Plan(id) => EntityId::Plan(id.0),
        wire::KeyId::Customer(external_id) => EntityId::Customer(external_id),
        wire::KeyId::Subscription { external_id, id } => {
            EntityId::Subscription { external_id, id: id.0 }
        }
        wire::KeyId::LifetimeUsage(id) => EntityId::LifetimeUsage(id.0),
        wire::KeyId::Code { kind, code } => {
            EntityId::Code(named("kind", &kind, Coded::from_name)?, code)
        }
    };
    Ok(EntityKey { organization: key.organization, id })
}

pub(super) fn entity(entity: wire::Entity) -> Result<Entity> {
    let wire::Entity { organization: name, body } = entity;
    let body = match body {
        wire::Body::Organization(body) => Body::Organization(organization(&name, body)?),
        wire::Body::Tax(body) => Body::Tax(tax(body)?),
        wire::Body::BillableMetric(body) => Body::BillableMetric(metric(body)?),
        wire::Body::Plan(body) => Body::Plan(plan(body)?),
        wire::Body::Customer(body) => Body::Customer(customer(body)),
        wire::Body::Subscription(body) => Body::Subscription(subscription(body)?),
        wire::Body::LifetimeUsage(body) => Body::LifetimeUsage(lifetime(body)),
    };
    Ok(Entity { organization: name, body })
}

fn organization(external_id: &str, organization: wire::Organization) -> Result<core::Organization> {
    let flag = |name: &String| named("flags", name, core::Flag::from_name);
    let api_key = |key: wire::ApiKey| core::ApiKey {
        digest: key.sha256.0,
        expires_at: key.expires_at.map(Instant),
        permissions: key.permissions,
    };
    Ok(core::Organization {
        external_id: external_id.to_owned(),
        id: organization.id.0,
        name: organization.name,
        timezone: organization.timezone,
        default_currency: organization.default_currency,
        taxes: ids(&organization.taxes),
        flags: organization.flags.iter().map(flag).collect::<Result<_>>()?,
        api_keys: organization.api_keys.into_iter().map(api_key).collect(),
    })
}

fn tax(tax: wire::Tax) -> Result<core::Tax> {
    Ok(core::Tax {
        id: tax.id.0,
        code: tax.code,
        name: tax.name,
        rate: named("rate", &tax.rate, Double::parse_literal)?,
        description: tax.description,
        created_at: Instant(tax.created_at),
    })
}

fn metric(metric: wire::BillableMetric) -> Result<core::BillableMetric> {
    let rounding = |rounding: wire::Rounding| -> Result<core::Rounding> {
        let mode = named("rounding", &rounding.function, core::RoundingMode::from_name)?;
        Ok(core::Rounding { mode, precision: rounding.precision })
    };
    let filter =
        |filter: wire::MetricFilter| core::MetricFilter { key: filter.key, values: filter.values };
    let aggregation = core::Aggregation::from_name;
    Ok(core::BillableMetric {
        id: metric.id.0,
        code: metric.code,
        name: metric.name,
        description: metric.description,
        aggregation: named("aggregation_type", &metric.aggregation_type, aggregation)?,
        field_name: metric.field_name,
        recurring: metric.recurring,
        rounding: metric.rounding.map(rounding).transpose()?,
        expression: metric.expression,
        filters: metric.filters.into_iter().map(filter).collect(),
        created_at: Instant(metric.created_at),
    })
}

fn plan(plan: wire::Plan) -> Result<core::Plan> {
    Ok(core::Plan {
        id: plan.id.0,
        code: plan.code,
        name: plan.name,
        interval: named("interval", &plan.interval, core::Interval::from_name)?,
        amount_cents: plan.amount_cents,
        currency: plan.amount_currency,
        pay_in_advance: plan.pay_in_advance,
        bill_charges_monthly: plan.bill_charges_monthly,
        charges: plan.charges.into_iter().map(charge).collect::<Result<_>>()?,
        taxes: ids(&plan.taxes),
        parent: plan.parent.map(|id| id.0),
        echo: echo(plan.echo),
        created_at: Instant(plan.created_at),
    })
}

fn charge(charge: wire::Charge) -> Result<core::Charge> {
    let presentation = |key: wire::PresentationKey| core::PresentationKey {
        value: key.value,
        display_in_invoice: key.display_in_invoice,
    };
    let unit = |unit: wire::PricingUnit| -> Result<core::PricingUnit> {
        let rate = named("conversion_rate", &unit.conversion_rate, Decimal::parse_literal)?;
        let wire::PricingUnit { code, short_name, .. } = unit;
        Ok(core::PricingUnit { code, short_name, conversion_rate: rate })
    };
    let model = charge.charge_model;
    let properties = value_from_json(&charge.properties);
    let filters = charge.filters.into_iter().map(|one| filter(&model, one));
    Ok(core::Charge {
        id: charge.id.0,
        code: charge.code,
        metric: charge.billable_metric.0,
        invoice_display_name: charge.invoice_display_name,
        filters: filters.collect::<Result<_>>()?,
        echo: echo(charge.echo),
        model: super::model::read(&model, &properties)?,
        properties,
        pricing_group_keys: charge.pricing_group_keys,
        presentation_group_keys: charge
            .presentation_group_keys
            .into_iter()
            .map(presentation)
            .collect(),
        pay_in_advance: charge.pay_in_advance,
        prorated: charge.prorated,
        invoiceable: charge.invoiceable,
        min_amount_cents: charge.min_amount_cents,
        accepts_target_wallet: charge.accepts_target_wallet,
        pricing_unit: charge.pricing_unit.map(unit).transpose()?,
        taxes: ids(&charge.taxes),
        created_at: Instant(charge.created_at),
    })
}

fn echo(echo: wire::Echo) -> core::Echo {
    echo.into_iter().map(|(name, value)| (name, value_from_json(&value))).collect()
}

fn filter(model: &str, filter: wire::ChargeFilter) -> Result<core::ChargeFilter> {
    let properties = value_from_json(&filter.properties);
    Ok(core::ChargeFilter {
        id: filter.id.0,
        invoice_display_name: filter.invoice_display_name,
        values: filter.values,
        model: super::model::read(model, &properties)?,
        properties,
        pricing_group_keys: filter.pricing_group_keys,
        created_at: Instant(filter.created_at),
    })
}

fn customer(customer: wire::Customer) -> core::Customer {
    core::Customer {
        id: customer.id.0,
        external_id: customer.external_id,
        name: customer.name,
        timezone: customer.timezone,
        currency: customer.currency,
        taxes: ids(&customer.taxes),
        echo: echo(customer.echo),
        created_at: Instant(customer.created_at),
    }
}

fn subscription(row: wire::Subscription) -> Result<core::Subscription> {
    Ok(core::Subscription {
        id: row.id.0,
        external_id: row.external_id,
        customer: row.customer,
        plan: row.plan.0,
        name: row.name,
        billing_time: named("billing_time", &row.billing_time, core::BillingTime::from_name)?,
        subscription_at: Instant(row.subscription_at),
        started_at: row.started_at.map(Instant),
        ending_at: row.ending_at.map(Instant),
        terminated_at: row.terminated_at.map(Instant),
        status: named("status", &row.status, core::Status::from_name)?,
        previous: row.previous.map(|id| id.0),
        created_at: Instant(row.created_at),
    })
}

fn lifetime(usage: wire::LifetimeUsage) -> core::LifetimeUsage {
    core::LifetimeUsage {
        id: usage.id.0,
        external_id: usage.external_id,
        historical_cents: usage.historical_cents,
        created_at: Instant(usage.created_at),
    }
}
