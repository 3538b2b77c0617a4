//! What the service must answer, computed from nothing but the records that a test has written:
//! every event is kept in a list, and every figure is a scan of it under today's catalogue.

use std::collections::HashSet;

use odometer::core::aggregate::{Frame, Records, Stint};
use odometer::core::catalog::past::ZoneChange;
use odometer::core::catalog::zones::{last_window, timeline};
use odometer::core::catalog::{
    BillableMetric, Charge, Customer, Organization, Plan, Status, Subscription,
};
use odometer::core::decimal::Decimal;
use odometer::core::event::Usage;
use odometer::core::instant::Instant;
use odometer::core::period::text::{write_date, write_seconds};
use odometer::core::period::{self, Terms as PeriodTerms, Zone};
use odometer::core::position::Position;
use odometer::core::properties::PropertiesBuf;
use odometer::core::usage::{
    ChargeUsage, Context, CurrentUsage, FilterUsage, GroupUsage, Presented, Request, Scan,
    ScanLimits, Sum, Terms, compute,
};
use odometer::engine::counters::Counters;
use serde_json::{Map, Value as Json, json};

/// One organisation and all that is known of it.
#[derive(Clone)]
pub struct Tenant {
    /// The organisation, whether or not the catalogue has it yet.
    pub organization: Organization,
    /// Whether the catalogue has it.
    pub known: bool,
    pub metrics: Vec<BillableMetric>,
    pub plans: Vec<Plan>,
    pub customers: Vec<Customer>,
    /// In order of creation.
    pub rows: Vec<Subscription>,
    /// Zones that customers had, by external id and log time.
    pub moves: Vec<(String, ZoneChange)>,
}

/// An event that counts.
pub struct Kept {
    pub organization: String,
    pub subscription: Option<String>,
    pub transaction: String,
    pub code: String,
    pub timestamp: Instant,
    pub offset: i64,
    pub properties: PropertiesBuf,
    pub precise_cents: Option<Decimal>,
}

/// All records of both logs so far.
#[derive(Default)]
pub struct Oracle {
    pub tenants: Vec<Tenant>,
    pub events: Vec<Kept>,
    ids: HashSet<(String, String, String)>,
    pub duplicates: u64,
    pub rejected: u64,
}

impl Oracle {
    /// Takes an event: the first of its transaction counts (4.6).
    pub fn take(&mut self, event: Kept) {
        if let Some(subscription) = event.subscription.clone() {
            let id = (event.organization.clone(), subscription, event.transaction.clone());
            if !self.ids.insert(id) {
                self.duplicates += 1;
                return;
            }
        }
        self.events.push(event);
    }

    /// What must have become of the records.
    pub fn counters(&self) -> Counters {
        let known = |event: &&Kept| {
            let own = |t: &Tenant| t.known && t.organization.external_id == event.organization;
            self.tenants.iter().any(own)
        };
        let accepted = self.events.iter().filter(known).count() as u64;
        Counters {
            accepted,
            duplicate: self.duplicates,
            replaced: 0,
            rejected: self.rejected,
            set_aside: self.events.len() as u64 - accepted,
        }
    }

    /// The body of a current usage; none if no subscription of that id is active.
    pub fn current_usage(
        &self,
        tenant: &Tenant,
        subscription: &str,
        request: &Request,
        full_usage: bool,
        now: Instant,
    ) -> Option<Json> {
        let of_id = |row: &&Subscription| row.external_id == subscription;
        let rows: Vec<&Subscription> = tenant.rows.iter().filter(of_id).collect();
        let row = rows.iter().find(|row| row.status_at(now) == Status::Active)?;
        let customer = tenant.customers.iter().find(|c| c.external_id == row.customer).unwrap();
        let plan = tenant.plans.iter().find(|plan| plan.id == row.plan).unwrap();
        let zone = customer.timezone.as_deref().or(tenant.organization.timezone.as_deref());
        let zone = zone.map_or(Zone::UTC, |name| Zone::parse(name).unwrap());
        let mut terms = PeriodTerms {
            interval: plan.interval,
            bill_charges_monthly: plan.bill_charges_monthly,
            billing_time: row.billing_time,
            subscription_at: row.subscription_at,
            started_at: row.started_at,
            zone: zone.clone(),
            previous: None,
        };
        let names = (customer.timezone.as_deref(), tenant.organization.timezone.as_deref());
        let own = tenant.moves.iter().filter(|(id, _)| *id == customer.external_id);
        let moves: Vec<ZoneChange> = own.map(|(_, change)| change.clone()).collect();
        terms.previous = last_window(&terms, &timeline(&moves, &[], names));
        let period = period::current(&terms, now)?;
        let mut window = period.charges;
        if full_usage {
            window.from = row.started_at?;
        }
        let selected = |metric: &BillableMetric| {
            let mine = |event: &&Kept| {
                event.organization == tenant.organization.external_id
                    && event.subscription.as_deref() == Some(subscription)
                    && event.code == metric.code
            };
            let mut events: Vec<Usage<'_>> = self.events.iter().filter(mine).map(usage).collect();
            events.sort_by_key(|event| (event.timestamp, event.position));
            events
        };
        let by_metric: Vec<(&BillableMetric, Vec<Usage<'_>>)> =
            tenant.metrics.iter().map(|metric| (metric, selected(metric))).collect();
        let scan = Scan {
            events: |metric: &BillableMetric| {
                Ok(&by_metric.iter().find(|(own, _)| own.id == metric.id).unwrap().1[..])
            },
            stints: |charge: &Charge| stints(tenant, &rows, row, charge),
            frame: Frame {
                from: window.from,
                to: window.to,
                days: i64::from(period.charges_duration),
                zone: &zone,
            },
            current_usage: true,
            fewer_days: 0,
            records: Records::Replay,
            limits: ScanLimits::NONE,
        };
        let terms = Terms {
            plan,
            metrics: |id| tenant.metrics.iter().find(|metric| metric.id == id),
            taxes: |_: &Charge| Vec::new(),
            window,
            issuing_date: period.issuing_date,
            context: Context::CurrentUsage,
        };
        Some(shown(&compute(&terms, request, &scan).unwrap()))
    }
}

fn usage(event: &Kept) -> Usage<'_> {
    Usage {
        timestamp: event.timestamp,
        position: Position { offset: event.offset, ..Position::default() },
        transaction: &event.transaction,
        properties: event.properties.as_ref(),
        precise_cents: event.precise_cents.clone(),
    }
}

/// The rows whose plan has the charge, up to the one that is read.
fn stints(
    tenant: &Tenant,
    rows: &[&Subscription],
    read: &Subscription,
    charge: &Charge,
) -> Vec<Stint> {
    let mut stints = Vec::new();
    for row in rows {
        let plan = tenant.plans.iter().find(|plan| plan.id == row.plan).unwrap();
        if plan.charges.iter().any(|own| own.id == charge.id) && row.started_at <= read.started_at {
            stints.push(Stint {
                started_at: row.started_at.unwrap(),
                ended_at: if row.id == read.id { None } else { row.terminated_at },
                has_previous: row.previous.is_some(),
            });
        }
    }
    stints.sort_by_key(|stint| stint.started_at);
    stints
}

/// The body that says the same.
fn shown(usage: &CurrentUsage<'_>) -> Json {
    let (mut from, mut to, mut issuing) = (String::new(), String::new(), String::new());
    write_seconds(&mut from, usage.window.from).unwrap();
    write_seconds(&mut to, usage.window.to).unwrap();
    write_date(&mut issuing, usage.issuing_date).unwrap();
    let currency = usage.currency;
    json!({"customer_usage": {
        "from_datetime": from,
        "to_datetime": to,
        "issuing_date": issuing,
        "currency": currency,
        "amount_cents": usage.amount_cents,
        "total_amount_cents": usage.total_amount_cents,
        "taxes_amount_cents": usage.taxes_amount_cents,
        "lago_invoice_id": null,
        "charges_usage": list(&usage.charges, |row| charge(row, currency)),
    }})
}

fn charge(row: &ChargeUsage<'_>, currency: &str) -> Json {
    let rest = json!({
        "amount_currency": currency,
        "charge": {
            "lago_id": row.charge.id.to_string(),
            "code": row.charge.code,
            "charge_model": row.charge.model.kind().name(),
            "invoice_display_name": row.charge.invoice_display_name,
        },
        "billable_metric": {
            "lago_id": row.metric.id.to_string(),
            "name": row.metric.name,
            "code": row.metric.code,
            "aggregation_type": row.metric.aggregation.name(),
        },
        "filters": list(&row.filters, filter),
        "grouped_usage": list(&row.grouped, group),
    });
    figures(&row.sum, &row.breakdowns, &rest)
}

fn filter(row: &FilterUsage<'_>) -> Json {
    let values = |values: &[(String, Vec<String>)]| -> Map<String, Json> {
        values.iter().map(|(key, values)| (key.clone(), json!(values))).collect()
    };
    let rest = json!({
        "invoice_display_name": row.filter.and_then(|f| f.invoice_display_name.clone()),
        "values": row.filter.map(|filter| values(&filter.values)),
    });
    figures(&row.sum, &row.breakdowns, &rest)
}

fn group(row: &GroupUsage<'_>) -> Json {
    let rest =
        json!({"grouped_by": object(&row.grouped_by), "filters": list(&row.filters, filter)});
    figures(&row.sum, &row.breakdowns, &rest)
}

fn figures(sum: &Sum<'_>, breakdowns: &[Presented], rest: &Json) -> Json {
    let breakdown = |row: &Presented| {
        let by = object(&row.presentation_by);
        json!({"presentation_by": by, "units": row.units.decstr()})
    };
    let mut row = json!({
        "units": sum.units.decstr(),
        "total_aggregated_units": sum.total_aggregated_units.decstr(),
        "events_count": sum.events_count,
        "amount_cents": sum.amount_cents,
        "pricing_unit_details": null,
        "presentation_breakdowns": list(breakdowns, breakdown),
    });
    row.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    row
}

fn list<T>(rows: &[T], shown: impl Fn(&T) -> Json) -> Json {
    rows.iter().map(shown).collect()
}

fn object(members: &[(String, Option<Box<str>>)]) -> Json {
    let member = |(key, value): &(String, Option<Box<str>>)| (key.clone(), json!(value.as_deref()));
    Json::Object(members.iter().map(member).collect())
}
