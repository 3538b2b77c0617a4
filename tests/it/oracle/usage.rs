//! One question, one answer (specification chapters 1 and 2).

use std::collections::BTreeMap;

use jiff::Timestamp;
use odometer::core::catalog::{
    BillableMetric, Charge, Customer, Flag, Plan, PricingUnit, Status, Subscription,
};
use odometer::core::decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use super::bucket::Stint;
use super::calendar::{Billing, Calendar, SECOND, Window, Zones, taken_over, window};
use super::event::{Event, first_copies};
use super::fee::{Fee, Scene, fees};
use super::{Expected, Question, Tenant, tax};

type Named = [(String, Option<String>)];

/// The answer to a question at a moment. `events` are all records of the organisation, copies of
/// transactions included; `zones` are those that each customer had, by external id.
pub fn answer(
    tenant: &Tenant,
    zones: &BTreeMap<String, Vec<(i64, String)>>,
    events: &[Event],
    question: &Question,
    now: i64,
) -> Expected {
    let zones = zones.get(&question.customer).map_or(&[][..], Vec::as_slice);
    match usage(tenant, zones, events, question, now) {
        Ok(body) => Expected { status: 200, body: body.to_string() },
        Err((status, body)) => Expected { status, body: body.to_string() },
    }
}

fn usage(
    tenant: &Tenant,
    zones: &Zones,
    events: &[Event],
    question: &Question,
    now: i64,
) -> Result<Json, (u16, Json)> {
    let customer = tenant.customers.iter().find(|c| c.external_id == question.customer);
    let customer = customer.ok_or_else(|| refusal(404, "Not Found", "customer_not_found"))?;
    let row = subscription(tenant, question, now)?;
    let plan = tenant.plans.iter().find(|plan| plan.id == row.plan).unwrap();
    let calendar = Calendar::new(zone(tenant, customer));
    let billing = billing(plan, row);
    let mut window = window(&calendar, &billing, taken_over(zones, &billing), now);
    let selected = selected(tenant, plan, question);
    if question.full_usage {
        let flags = &tenant.organization.flags;
        let narrows = selects(question) || !question.group.is_empty();
        let prorated = selected.iter().any(|(charge, _)| charge.prorated);
        if !flags.contains(&Flag::GranularLifetimeUsage) || !narrows || prorated {
            return Err(refusal(405, "Method Not Allowed", "full_usage_not_allowed"));
        }
        window.from = billing.started_at;
    }
    if selects(question) && selected.is_empty() {
        return Err(refusal(404, "Not Found", "charge_not_found"));
    }
    let mut own: Vec<&Event> = first_copies(events);
    own.retain(|event| event.subscription.as_deref() == Some(&row.external_id));
    own.sort_by_key(|event| event.order());
    let scene = Scene { plan, calendar: &calendar, window, events: &own, question };
    let mut rows = Vec::new();
    let mut amounts = Vec::new();
    for (charge, metric) in selected {
        let fees = fees(&scene, charge, metric, &stints(tenant, row, charge));
        amounts.push((charge, fees.iter().map(|fee| fee.amount_cents).sum::<i64>()));
        rows.push(charge_row(charge, metric, &plan.currency, &fees));
    }
    let amount: i64 = amounts.iter().map(|(_, cents)| cents).sum();
    let taxes = if question.apply_taxes { tax::total(tenant, plan, customer, &amounts) } else { 0 };
    Ok(body(&window, &plan.currency, amount, taxes, &rows))
}

fn billing(plan: &Plan, row: &Subscription) -> Billing {
    Billing {
        interval: plan.interval,
        charges_monthly: plan.bill_charges_monthly,
        time: row.billing_time,
        subscription_at: row.subscription_at.0,
        started_at: row.started_at.unwrap().0,
    }
}

/// First and last microsecond of the charges window of a row at a moment.
pub fn window_of(tenant: &Tenant, row: &Subscription, now: i64) -> Option<(i64, i64)> {
    let customer = tenant.customers.iter().find(|c| c.external_id == row.customer)?;
    let plan = tenant.plans.iter().find(|plan| plan.id == row.plan)?;
    let window = window(&Calendar::new(zone(tenant, customer)), &billing(plan, row), None, now);
    Some((window.from, window.to))
}

fn refusal(status: u16, error: &str, code: &str) -> (u16, Json) {
    (status, json!({"status": status, "error": error, "code": code}))
}

/// 1.5.
fn subscription<'t>(
    tenant: &'t Tenant,
    question: &Question,
    now: i64,
) -> Result<&'t Subscription, (u16, Json)> {
    let active = |row: &&Subscription| {
        let ended = row.ending_at.is_some_and(|end| end.0 <= now);
        let begun = match row.status {
            Status::Active => true,
            Status::Pending => row.started_at.is_some_and(|start| start.0 <= now),
            Status::Terminated | Status::Canceled => false,
        };
        row.customer == question.customer && begun && !ended
    };
    let mut rows: Vec<&Subscription> = tenant.rows.iter().filter(active).collect();
    match question.subscription.as_deref() {
        Some(id) if !id.is_empty() => rows.retain(|row| row.external_id == id),
        _ if rows.len() > 1 => {
            let mut body = refusal(422, "Unprocessable Entity", "validation_errors").1;
            body["error_details"] = json!({"external_subscription_id": ["value_is_mandatory"]});
            return Err((422, body));
        }
        _ => {}
    }
    let none = || refusal(405, "Method Not Allowed", "no_active_subscription");
    rows.first().copied().ok_or_else(none)
}

/// 3.1.
pub fn zone<'t>(tenant: &'t Tenant, customer: &'t Customer) -> &'t str {
    let zones = [customer.timezone.as_deref(), tenant.organization.timezone.as_deref()];
    zones.into_iter().flatten().find(|zone| !zone.trim().is_empty()).unwrap_or("UTC")
}

/// The first filter that is not blank decides (1.3).
fn selection(question: &Question) -> [Option<&String>; 3] {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let own = [&question.charge_id, &question.charge_code, &question.metric_code];
    let first = own.iter().position(|text| given(text));
    std::array::from_fn(|at| if Some(at) == first { own[at].as_ref() } else { None })
}

fn selects(question: &Question) -> bool {
    selection(question).iter().any(Option::is_some)
}

/// The charges of the answer in order (2.3).
fn selected<'t>(
    tenant: &'t Tenant,
    plan: &'t Plan,
    question: &Question,
) -> Vec<(&'t Charge, &'t BillableMetric)> {
    let [id, code, metric_code] = selection(question);
    let with_metric = |charge: &'t Charge| {
        let metric = tenant.metrics.iter().find(|metric| metric.id == charge.metric)?;
        Some((charge, metric))
    };
    let taken = |(charge, metric): &(&Charge, &BillableMetric)| {
        id.is_none_or(|id| *id == charge.id.to_string())
            && code.is_none_or(|code| *code == charge.code)
            && metric_code.is_none_or(|code| *code == metric.code)
    };
    let mut charges: Vec<_> = plan.charges.iter().filter_map(with_metric).filter(taken).collect();
    charges.sort_by_key(|(charge, _)| charge.id);
    if !selects(question) {
        charges.sort_by_key(|(_, metric)| metric.name.to_lowercase());
    }
    charges
}

fn stints(tenant: &Tenant, read: &Subscription, charge: &Charge) -> Vec<Stint> {
    let holds = |row: &&Subscription| {
        let plan = tenant.plans.iter().find(|plan| plan.id == row.plan);
        row.external_id == read.external_id
            && plan.is_some_and(|plan| plan.charges.iter().any(|own| own.id == charge.id))
            && row.started_at.is_some_and(|start| start <= read.started_at.unwrap())
    };
    // It is cut where it ended, by itself or by somebody, whichever came first.
    let end = |row: &Subscription| row.terminated_at.into_iter().chain(row.ending_at).min();
    let stint = |row: &Subscription| Stint {
        started_at: row.started_at.unwrap().0,
        ended_at: end(row).filter(|_| row.id != read.id).map(|end| end.0),
        has_previous: row.previous.is_some(),
    };
    let mut stints: Vec<Stint> = tenant.rows.iter().filter(holds).map(stint).collect();
    stints.sort_by_key(|stint| stint.started_at);
    stints
}

/// 2.1.
fn body(window: &Window, currency: &str, amount: i64, taxes: i64, rows: &[Json]) -> Json {
    let seconds =
        |micros: i64| Timestamp::from_second(micros.div_euclid(SECOND)).unwrap().to_string();
    json!({"customer_usage": {
        "from_datetime": seconds(window.from),
        "to_datetime": seconds(window.to),
        "issuing_date": window.issuing.to_string(),
        "currency": currency,
        "amount_cents": amount,
        "total_amount_cents": amount + taxes,
        "taxes_amount_cents": taxes,
        "lago_invoice_id": null,
        "charges_usage": rows,
    }})
}

/// 2.2.
fn charge_row(charge: &Charge, metric: &BillableMetric, currency: &str, fees: &[Fee]) -> Json {
    let all: Vec<&Fee> = fees.iter().collect();
    let mut row = figures(&all);
    row.insert("amount_currency".to_owned(), json!(currency));
    row.insert("pricing_unit_details".to_owned(), pricing_unit(charge, &all));
    row.insert(
        "charge".to_owned(),
        json!({
            "lago_id": charge.id.to_string(),
            "code": charge.code,
            "charge_model": charge.model.kind().name(),
            "invoice_display_name": charge.invoice_display_name,
        }),
    );
    row.insert(
        "billable_metric".to_owned(),
        json!({
            "lago_id": metric.id.to_string(),
            "name": metric.name,
            "code": metric.code,
            "aggregation_type": metric.aggregation.name(),
        }),
    );
    row.insert("filters".to_owned(), filters(charge, &all));
    row.insert("grouped_usage".to_owned(), groups(charge, &all));
    let plain = |fee: &&Fee| fee.filter.is_none() && fee.grouped_by.is_empty();
    row.insert("presentation_breakdowns".to_owned(), breakdowns(&all, plain));
    Json::Object(row)
}

fn figures(fees: &[&Fee]) -> Map<String, Json> {
    let units: Decimal = fees.iter().map(|fee| &fee.units).sum();
    let total: Decimal = fees.iter().map(|fee| &fee.total_aggregated_units).sum();
    let mut row = Map::new();
    row.insert("units".to_owned(), json!(units.decstr()));
    row.insert("total_aggregated_units".to_owned(), json!(total.decstr()));
    let events: i64 = fees.iter().map(|fee| fee.events_count).sum();
    row.insert("events_count".to_owned(), json!(events));
    let cents: i64 = fees.iter().map(|fee| fee.amount_cents).sum();
    row.insert("amount_cents".to_owned(), json!(cents));
    row
}

/// 2.6.
fn pricing_unit(charge: &Charge, fees: &[&Fee]) -> Json {
    let Some(PricingUnit { short_name, conversion_rate, .. }) = &charge.pricing_unit else {
        return Json::Null;
    };
    let cents: i64 = fees.iter().map(|fee| fee.pricing_unit_cents).sum();
    json!({
        "amount_cents": cents,
        "short_name": short_name,
        "conversion_rate": conversion_rate.decstr(),
    })
}

/// 2.4.
fn filters(charge: &Charge, fees: &[&Fee]) -> Json {
    if charge.filters.is_empty() {
        return json!([]);
    }
    let mut rows = Vec::new();
    for at in (0..charge.filters.len()).map(Some).chain([None]) {
        let own: Vec<&Fee> = fees.iter().filter(|fee| fee.filter == at).copied().collect();
        if own.is_empty() {
            // A group has fees of some buckets only.
            continue;
        }
        let filter = at.map(|at| &charge.filters[at]);
        let values = filter.map(|filter| {
            filter.values.iter().map(|(key, own)| (key.clone(), json!(own))).collect::<Map<_, _>>()
        });
        let mut row = figures(&own);
        row.insert("pricing_unit_details".to_owned(), pricing_unit(charge, &own));
        let name = filter.and_then(|filter| filter.invoice_display_name.clone());
        row.insert("invoice_display_name".to_owned(), json!(name));
        row.insert("values".to_owned(), json!(values));
        row.insert("presentation_breakdowns".to_owned(), breakdowns(&own, |_| true));
        rows.push(Json::Object(row));
    }
    json!(rows)
}

/// 2.5.
fn groups(charge: &Charge, fees: &[&Fee]) -> Json {
    if fees.iter().all(|fee| fee.grouped_by.is_empty()) {
        return json!([]);
    }
    let same = |one: &Named, other: &Named| {
        one.len() == other.len() && one.iter().all(|member| other.contains(member))
    };
    let mut groups: Vec<Vec<&Fee>> = Vec::new();
    for fee in fees {
        match groups.iter_mut().find(|group| same(&group[0].grouped_by, &fee.grouped_by)) {
            Some(group) => group.push(fee),
            None => groups.push(vec![fee]),
        }
    }
    let row = |own: Vec<&Fee>| {
        let mut row = figures(&own);
        row.insert("pricing_unit_details".to_owned(), pricing_unit(charge, &own));
        row.insert("grouped_by".to_owned(), object(&own[0].grouped_by));
        row.insert("filters".to_owned(), filters(charge, &own));
        let of_group = |fee: &&Fee| fee.filter.is_none() && !fee.grouped_by.is_empty();
        row.insert("presentation_breakdowns".to_owned(), breakdowns(&own, of_group));
        Json::Object(row)
    };
    groups.into_iter().map(row).collect()
}

/// 2.7.
fn breakdowns(fees: &[&Fee], shown: impl Fn(&&Fee) -> bool) -> Json {
    let own = fees.iter().copied().filter(shown).flat_map(|fee| &fee.breakdowns);
    own.map(|(by, units)| json!({"presentation_by": object(by), "units": units.decstr()})).collect()
}

fn object(members: &Named) -> Json {
    let member = |(key, value): &(String, Option<String>)| (key.clone(), json!(value));
    Json::Object(members.iter().map(member).collect())
}
