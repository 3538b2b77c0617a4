//! What events would cost (specification 9.9).

use std::sync::Arc;

use uuid::Uuid;

use super::draft::{Checker, Draft, Fault, NewEvent, Order};
use super::{Events, Refusal};
use crate::core::aggregate::Frame;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::{Aggregation, BillableMetric, Charge, Subscription};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::event::{Usage, UsageBuf};
use crate::core::event_check::{self, Problem, Sent};
use crate::core::instant::Instant;
use crate::core::period::{self, Window};
use crate::core::properties::{Kind, Properties};
use crate::core::tax::{self, FeeTaxes};
use crate::core::usage::estimate::{
    Basis, EstimatedFee, InstantFee, UNSTORED, alone, is_instant, on_top,
};
use crate::core::value::Value;
use crate::log::decode::Decoder;
use crate::runtime::catalogue::Resolved;
use crate::runtime::rows::Rows;
use crate::runtime::target::Target;

/// Fees of one event on top of what is stored.
pub struct Estimated<'a> {
    /// Subscription, customer and plan.
    pub resolved: &'a Resolved,
    /// The charges window.
    pub window: Window,
    /// The transaction id that the event was given.
    pub transaction: &'a str,
    /// In order of charge id, each with its taxes.
    pub fees: Vec<(EstimatedFee<'a>, FeeTaxes<'a>)>,
}

/// Fees of one event alone.
pub struct Instants<'a> {
    /// Subscription, customer and plan.
    pub resolved: &'a Resolved,
    /// The transaction id, given or fresh.
    pub transaction: &'a str,
    /// In order of charge id.
    pub fees: Vec<InstantFee<'a>>,
}

/// The events of one subscription id, each with its transaction id.
struct OfSubscription<'a> {
    id: &'a str,
    resolved: Resolved,
    events: Vec<(String, NewEvent)>,
}

/// Prints [`Estimated`]; handed in because fees borrow from the catalogue they were priced with.
pub type PrintEstimated = fn(&Estimated<'_>) -> String;
/// Prints the fees of several events.
pub type PrintInstants = fn(&[Instants<'_>]) -> String;

/// An event without a charge that prices it.
fn no_charge() -> Refusal {
    invalid("code", "does_not_match_an_instant_charge")
}

fn invalid(field: &'static str, reason: &'static str) -> Refusal {
    Refusal::Invalid(vec![(0, Fault::field(field, reason))])
}

fn faulty(fault: Fault) -> Refusal {
    Refusal::Invalid(vec![(0, fault)])
}

impl Events {
    /// What an event would cost on top of what is stored.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub async fn estimate_fees(
        &self,
        organization: &str,
        draft: &Draft,
        print: PrintEstimated,
    ) -> Result<String, Refusal> {
        let now = self.shared.clock.now();
        let book = self.shared.catalogue.book();
        let tenant = book.tenant(organization).ok_or(Refusal::NotReady)?;
        let checker = self.checker(organization, tenant, now);
        let (row, event) = self.checked(&checker, draft)?;
        let target = self.target(tenant, &row, now)?;
        let metric = tenant.metric(&event.code).ok_or(Refusal::NotFound("billable_metric"))?;
        let charges: Vec<&Charge> = target
            .resolved
            .plan
            .charges
            .iter()
            .filter(|charge| charge.pay_in_advance && charge.metric == metric.id)
            .collect();
        if charges.is_empty() {
            return Err(no_charge());
        }
        let permit = self.reads.acquire().await.map_err(|_| Refusal::NotReady)?;
        let stored = self.read(self.cut(target.slot, target.key).await?, target.key).await?;
        drop(permit);
        let usages: Vec<Usage<'_>> = stored
            .iter()
            .filter(|event| *event.code == *metric.code)
            .map(UsageBuf::usage)
            .collect();
        let transaction = Uuid::new_v4().to_string();
        let added = Usage {
            timestamp: now,
            position: UNSTORED,
            transaction: &transaction,
            properties: event.properties.as_ref(),
            precise_cents: Some(event.precise_cents.unwrap_or(Decimal::ZERO)),
        };
        let basis = Basis {
            currency: Currency::of(&target.resolved.plan.currency),
            frame: Frame {
                from: target.window.from,
                to: target.window.to,
                days: i64::from(target.period.charges_duration),
                zone: &target.resolved.frame.terms.zone,
            },
            now,
        };
        let mut fees = Vec::with_capacity(charges.len());
        for charge in charges {
            let fee = on_top(&basis, charge, metric, &usages, &added);
            let fee = fee.map_err(|error| Refusal::Internal(error.to_string()))?;
            let precise = fee.amount.mul_pow10(basis.currency.exponent());
            let cents = Decimal::from_i64(fee.amount_cents);
            let taxes = tax::fee(&cents, &precise, &target.taxes(charge));
            fees.push((fee, taxes));
        }
        let (resolved, window) = (&target.resolved, target.window);
        Ok(print(&Estimated { resolved, window, transaction: &transaction, fees }))
    }

    /// What events would cost by themselves, nothing stored being looked at. `batch` says that an
    /// event which no charge prices is left out, rather than refused.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn estimate_instant_fees(
        &self,
        organization: &str,
        drafts: &[Draft],
        batch: bool,
        print: PrintInstants,
    ) -> Result<String, Refusal> {
        let now = self.shared.clock.now();
        let book = self.shared.catalogue.book();
        let tenant = book.tenant(organization).ok_or(Refusal::NotReady)?;
        let checker = self.checker(organization, tenant, now);
        let mut decoder = Decoder::new();
        let mut groups: Vec<OfSubscription<'_>> = Vec::new();
        for draft in drafts {
            let id = draft.subscription.as_deref().unwrap_or_default();
            let known = groups.iter().position(|group| group.id == id);
            if known.is_none() {
                let resolved = self.instant_plan(tenant, draft, now)?;
                groups.push(OfSubscription { id, resolved, events: Vec::new() });
            }
            let mut event = checker.read_now(&mut decoder, draft).map_err(faulty)?;
            // The event is priced as it was sent if its expression fails.
            let _ = checker.evaluate(&mut event);
            let transaction = draft.transaction.clone().filter(|id| !id.trim().is_empty());
            let transaction = transaction.unwrap_or_else(|| Uuid::new_v4().to_string());
            let group = known.unwrap_or(groups.len() - 1);
            groups[group].events.push((transaction, event));
        }
        let mut shown = Vec::with_capacity(drafts.len());
        for OfSubscription { resolved, events, .. } in &groups {
            for (transaction, event) in events {
                let fees = instant_fees(resolved, event)?;
                if fees.is_empty() && !batch {
                    return Err(no_charge());
                }
                shown.push(Instants { resolved, transaction, fees });
            }
        }
        Ok(print(&shown))
    }

    fn checker<'a>(&self, organization: &'a str, tenant: &'a Tenant, now: Instant) -> Checker<'a> {
        let limits = self.publisher.limits;
        Checker { organization, tenant, now, limits, order: Order::ExpressionFirst }
    }

    /// Strict validation, and the event with the result of its expression.
    fn checked(
        &self,
        checker: &Checker<'_>,
        draft: &Draft,
    ) -> Result<(Subscription, NewEvent), Refusal> {
        let event = checker.read_now(&mut Decoder::new(), draft);
        let properties =
            event.as_ref().map_or(Value::Null, |event| tree(event.properties.as_ref()));
        let timestamp = draft.timestamp.clone().map_or(Value::Null, Value::Text);
        let rows = &self.shared.catalogue.rows;
        let world = World { checker, rows };
        let failures = rows.failures();
        let sent = Sent {
            // The one that was sent is not looked at: a fresh one takes its place.
            transaction: Some("fresh"),
            subscription: draft.subscription.as_deref(),
            code: draft.code.as_deref(),
            timestamp: &timestamp,
            properties: &properties,
        };
        let about = event_check::check(sent, &world, checker.now);
        if rows.failures() != failures {
            // An absence in between may be a failure to read.
            return Err(Refusal::Internal("the catalogue cannot be read".to_owned()));
        }
        let about = about.map_err(|problem| match problem {
            Problem::SubscriptionNotFound => Refusal::NotFound("subscription"),
            Problem::MetricNotFound => Refusal::NotFound("billable_metric"),
            Problem::Invalid { field, code } => invalid(field, code),
        })?;
        let mut event = event.map_err(faulty)?;
        checker.evaluate(&mut event).map_err(faulty)?;
        plain_number(about.metric, &mut event);
        Ok((about.subscription, event))
    }

    fn target(
        &self,
        tenant: &Arc<Tenant>,
        row: &Subscription,
        now: Instant,
    ) -> Result<Target, Refusal> {
        let resolved = self.resolve(tenant, row)?;
        let period = period::current(&resolved.frame.terms, now);
        let period = period.ok_or(Refusal::NotFound("subscription"))?;
        let organization = &tenant.organization.external_id;
        let (slot, key) = self.shared.account(organization, Some(&row.external_id));
        let catalog_version = self.shared.catalogue.version();
        Ok(Target { window: period.charges, resolved, slot, key, period, catalog_version, now })
    }

    fn resolve(&self, tenant: &Arc<Tenant>, row: &Subscription) -> Result<Resolved, Refusal> {
        let catalogue = &self.shared.catalogue;
        let rows = catalogue.rows.subscriptions(&tenant.organization.external_id, &row.external_id);
        let found = rows.iter().find(|known| known.id == row.id);
        let resolved = found.and_then(|row| catalogue.resolve_row(tenant, row));
        resolved.ok_or(Refusal::NotFound("subscription"))
    }

    /// The subscription of an instant estimate, whose plan has to price events by themselves.
    fn instant_plan(
        &self,
        tenant: &Arc<Tenant>,
        draft: &Draft,
        now: Instant,
    ) -> Result<Resolved, Refusal> {
        let missing = || Refusal::NotFound("subscription");
        let id = draft.subscription.as_deref().ok_or_else(missing)?;
        let organization = &tenant.organization.external_id;
        let rows = self.shared.catalogue.rows.subscriptions(organization, id);
        let begun = |row: &Subscription| row.started_at.is_some_and(|at| at.floor_ms() <= now);
        let runs = |row: &Subscription| row.terminated_at.is_none_or(|at| at.floor_ms() >= now);
        let row = rows
            .iter()
            .map(|row| &*row.entity)
            .filter(|row| begun(row) && runs(row))
            .max_by_key(|row| (row.terminated_at.is_none(), row.terminated_at, row.started_at));
        let resolved = self.resolve(tenant, row.ok_or_else(missing)?)?;
        if !resolved.plan.charges.iter().any(is_instant) {
            return Err(no_charge());
        }
        Ok(resolved)
    }
}

fn instant_fees<'a>(
    resolved: &'a Resolved,
    event: &NewEvent,
) -> Result<Vec<InstantFee<'a>>, Refusal> {
    let metric = |charge: &Charge| resolved.tenant.metrics.get(charge.metric);
    let charges = resolved.plan.charges.iter().filter(|charge| is_instant(charge));
    let priced = charges.filter_map(|charge| {
        let metric = metric(charge).filter(|metric| metric.code == event.code)?;
        Some(alone(charge, &metric.entity, event.properties.as_ref()))
    });
    priced.collect::<Result<_, _>>().map_err(|_| invalid("properties", "value_is_not_valid_number"))
}

/// What strict validation asks about the tenant.
struct World<'a> {
    checker: &'a Checker<'a>,
    rows: &'a Rows,
}

impl event_check::Tenant for World<'_> {
    fn subscriptions(&self, external_id: &str) -> Vec<Subscription> {
        let rows = self.rows.subscriptions(self.checker.organization, external_id);
        rows.iter().map(|row| (*row.entity).clone()).collect()
    }

    fn has_stored(&self, _: &str, _: &str) -> bool {
        // A fresh transaction id never is.
        false
    }

    fn metric(&self, code: &str) -> Option<&BillableMetric> {
        self.checker.tenant.metric(code).map(|metric| &*metric.entity)
    }
}

/// Properties as strict validation reads them; what is inside of lists and objects does not matter.
fn tree(properties: Properties<'_>) -> Value {
    let members = properties.iter().map(|(key, property)| {
        let value = match property.kind {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(property.text == "true"),
            Kind::Number => Value::Number(property.text.to_owned()),
            Kind::Text => Value::Text(property.text.to_owned()),
            Kind::Tree => Value::List(Vec::new()),
        };
        (key.to_owned(), value)
    });
    Value::Object(members.collect())
}

/// Strict validation takes more spellings of a number than aggregations do; the event of an
/// estimate counts under all of them.
fn plain_number(metric: &BillableMetric, event: &mut NewEvent) {
    let field = metric.field_name.as_deref().filter(|_| metric.aggregation == Aggregation::Sum);
    let Some(field) = field else { return };
    let text = event.properties.as_ref().text(field);
    if let Some(number) = text.and_then(Decimal::parse_amount) {
        event.properties.set(field, Kind::Number, &number.to_string());
    }
}
