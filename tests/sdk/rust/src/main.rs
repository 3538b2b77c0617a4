//! A tenant's whole story with Lago's official Rust client, which is not changed in any way. Of all
//! clients it reads answers most strictly: identifiers, instants and integers have types.
//!
//! ```text
//! odometer-sdk-story story http://127.0.0.1:8080 sdk-key sdk-reader-key
//! odometer-sdk-story retry http://127.0.0.1:8080 sdk-key
//! ```
//!
//! `story` creates what is sold, sends events, reads usage, pages through lists and meets errors,
//! as far as the client has calls for it. `retry` is for a service that has no place left for
//! requests, and finds one after a while. The first failure ends the program.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use lago_client::{Config, Credentials, LagoClient, Region, RetryConfig};
use lago_types::error::LagoError;
use lago_types::filters::subscription::SubscriptionFilters;
use lago_types::models::{
    BillableMetricAggregationType as Aggregation, BillableMetricFilter, ChargeModel, CustomerUsage,
    PaginationParams, PlanInterval, SubscriptionBillingTime, SubscriptionStatus,
};
use lago_types::requests::billable_metric::{
    CreateBillableMetricInput, CreateBillableMetricRequest, GetBillableMetricRequest,
    ListBillableMetricsRequest, UpdateBillableMetricInput, UpdateBillableMetricRequest,
};
use lago_types::requests::customer::{
    CreateCustomerInput, CreateCustomerRequest, GetCustomerRequest,
};
use lago_types::requests::customer_usage::GetCustomerCurrentUsageRequest;
use lago_types::requests::event::{
    CreateEventInput, CreateEventRequest, GetEventRequest, ListEventsRequest,
};
use lago_types::requests::plan::{
    CreateChargeFilterInput, CreatePlanChargeInput, CreatePlanInput, CreatePlanRequest,
    DeletePlanRequest, GetPlanRequest, UpdatePlanInput, UpdatePlanRequest,
};
use lago_types::requests::plan_charge::{
    ChargeFilterInput, CreateChargeInput, CreatePlanChargeFilterRequest, CreatePlanChargeRequest,
    DeletePlanChargeFilterRequest, DeletePlanChargeRequest, GetPlanChargeRequest,
    ListPlanChargeFiltersRequest, ListPlanChargesRequest,
};
use lago_types::requests::subscription::{
    CreateSubscriptionInput, CreateSubscriptionRequest, DeleteSubscriptionRequest,
    GetSubscriptionRequest, ListCustomerSubscriptionsRequest, ListSubscriptionsRequest,
    UpdateSubscriptionInput, UpdateSubscriptionRequest,
};
use lago_types::requests::subscription_charge::{
    ListSubscriptionChargeFiltersRequest, ListSubscriptionChargesRequest,
};
use serde_json::{Value, json};
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const CUSTOMER: &str = "acme.inc:eu|1";
const SUBSCRIPTION: &str = "sub.1@acme";
/// How long before now the subscription begins.
const AGE: Duration = Duration::from_hours(40 * 24);

fn config(url: &str, key: &str) -> lago_client::ConfigBuilder {
    let region = Region::Custom(format!("{url}/api/v1"));
    Config::builder().credentials(Credentials::new(key.to_owned())).region(region)
}

fn connect(url: &str, key: &str) -> LagoClient {
    LagoClient::new(config(url, key).build())
}

/// The call failed with this status and code, and the body says so in Lago's form.
#[track_caller]
fn refused<T: Debug>(status: u16, code: &str, details: Value, outcome: Result<T, LagoError>) {
    let error = outcome.expect_err("a refusal");
    let LagoError::Api { status: told, message } = &error else { panic!("{error:?}") };
    let body: Value = serde_json::from_str(message).expect("a body of JSON");
    assert_eq!((*told, &body["status"], &body["code"]), (status, &json!(status), &json!(code)));
    assert!(body["error"].is_string(), "{body}");
    assert_eq!(body["error_details"], details, "{body}");
}

fn metric(name: &str, code: &str, field: Option<&str>) -> CreateBillableMetricInput {
    let kind = if field.is_some() { Aggregation::SumAgg } else { Aggregation::CountAgg };
    let mut input = CreateBillableMetricInput::new(name.to_owned(), code.to_owned(), kind);
    input.field_name = field.map(str::to_owned);
    input
}

/// Creates the metrics and returns the identifiers of calls, storage, tokens and jobs.
async fn create_metrics(client: &LagoClient) -> Outcome<[Uuid; 4]> {
    let regions = vec!["us".to_owned(), "eu".to_owned()];
    let calls = metric("Calls", "calls", None)
        .with_filters(vec![BillableMetricFilter::new("region".to_owned(), regions)]);
    let mut ids = Vec::new();
    for input in [
        calls,
        metric("Storage", "gb", Some("gb")),
        metric("Tokens", "tokens", Some("n")),
        metric("Jobs", "jobs", None),
    ] {
        let code = input.code.clone();
        let made = client.create_billable_metric(CreateBillableMetricRequest::new(input)).await?;
        assert_eq!(made.billable_metric.code, code);
        ids.push(made.billable_metric.lago_id);
    }
    let shown = client.get_billable_metric(GetBillableMetricRequest::new("calls".into())).await?;
    assert_eq!(shown.billable_metric.filters[0].values, ["eu", "us"]);
    let name = UpdateBillableMetricInput::new().with_name("Storage, GB".into());
    let renamed = UpdateBillableMetricRequest::new("gb".into(), name);
    let renamed = client.update_billable_metric(renamed).await?.billable_metric;
    assert_eq!((renamed.name.as_str(), renamed.lago_id), ("Storage, GB", ids[1]));
    Ok(ids.try_into().expect("four metrics"))
}

/// The plan with its charges and filters.
async fn create_plan(client: &LagoClient, [calls, gb, tokens, jobs]: [Uuid; 4]) -> Outcome {
    let charge = |metric: Uuid, model, properties| {
        CreatePlanChargeInput::new(metric.to_string(), model).with_properties(properties)
    };
    let europe = CreateChargeFilterInput {
        invoice_display_name: Some("Europe".into()),
        properties: Some(json!({"amount": "0.30"})),
        values: Some(json!({"region": ["eu"]})),
    };
    let ranges = json!({"graduated_ranges": [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "0.5", "flat_amount": "0"},
        {"from_value": 11, "to_value": null, "per_unit_amount": "0.25", "flat_amount": "1"}]});
    let grouped = json!({"amount": "0.001", "pricing_group_keys": ["model"]});
    let input =
        CreatePlanInput::new("Pro".into(), "pro".into(), PlanInterval::Monthly, 1000, "EUR".into());
    let input = input.with_pay_in_advance(false).with_charges(vec![
        charge(calls, ChargeModel::Standard, json!({"amount": "0.50"})).with_filters(vec![europe]),
        charge(gb, ChargeModel::Graduated, ranges),
        charge(tokens, ChargeModel::Standard, grouped),
    ]);
    let made = client.create_plan(CreatePlanRequest::new(input)).await?.plan;
    assert_eq!((made.amount_cents, made.charges.as_ref().map(Vec::len)), (1000, Some(3)));
    let mut input = CreateChargeInput::new(jobs.to_string(), ChargeModel::Standard)
        .with_code("per_job".into())
        .with_properties(json!({"amount": "0.25"}));
    input.pay_in_advance = Some(true);
    let request = CreatePlanChargeRequest::new("pro".into(), input);
    assert_eq!(client.create_plan_charge(request).await?.charge.code.as_deref(), Some("per_job"));
    let request = GetPlanChargeRequest::new("pro".into(), "per_job".into());
    let shown = client.get_plan_charge(request).await?.charge;
    assert_eq!((shown.lago_billable_metric_id, shown.pay_in_advance), (Some(jobs), Some(true)));
    let all = client.list_plan_charges(ListPlanChargesRequest::new("pro".into())).await?;
    assert_eq!(all.meta.total_count, 4);

    let mut input = ChargeFilterInput::new();
    input.values = Some(json!({"region": ["us"]}));
    input.properties = Some(json!({"amount": "9"}));
    let request = CreatePlanChargeFilterRequest::new("pro".into(), "calls".into(), input);
    let id = client.create_plan_charge_filter(request).await?.filter.lago_id.to_string();
    let list = || ListPlanChargeFiltersRequest::new("pro".into(), "calls".into());
    assert_eq!(client.list_plan_charge_filters(list()).await?.filters.len(), 2);
    let request = DeletePlanChargeFilterRequest::new("pro".into(), "calls".into(), id);
    client.delete_plan_charge_filter(request).await?;
    assert_eq!(client.list_plan_charge_filters(list()).await?.filters.len(), 1);
    let name = UpdatePlanInput::new().with_name("Professional".into()).with_code("pro".into());
    let named = client.update_plan(UpdatePlanRequest::new("pro".into(), name)).await?.plan;
    assert_eq!((named.name.as_str(), named.lago_id), ("Professional", made.lago_id));
    Ok(())
}

/// The customer and its subscription.
async fn subscribe(client: &LagoClient) -> Outcome {
    let input = CreateCustomerInput::new(CUSTOMER.into()).with_name("Acme".into());
    let made = client.create_customer(CreateCustomerRequest::new(input)).await?.customer;
    let shown = client.get_customer(GetCustomerRequest::new(CUSTOMER.into())).await?.customer;
    assert_eq!((shown.lago_id, shown.external_id.as_deref()), (made.lago_id, Some(CUSTOMER)));

    let start = (made.created_at - AGE).format("%Y-%m-%dT00:00:00Z").to_string();
    let input = CreateSubscriptionInput::new(CUSTOMER.into(), "pro".into())
        .with_external_id(SUBSCRIPTION.into())
        .with_billing_time(SubscriptionBillingTime::Anniversary)
        .with_subscription_at(start.clone());
    let request = CreateSubscriptionRequest::new(input);
    let row = client.create_subscription(request).await?.subscription;
    assert_eq!(
        (row.status, Some(row.lago_customer_id)),
        (SubscriptionStatus::Active, made.lago_id)
    );
    assert_eq!(row.subscription_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(), start);
    let name = UpdateSubscriptionInput::new().with_name("Main".into());
    client.update_subscription(UpdateSubscriptionRequest::new(SUBSCRIPTION.into(), name)).await?;
    let request = GetSubscriptionRequest::new(SUBSCRIPTION.into());
    let shown = client.get_subscription(request).await?.subscription;
    assert_eq!((shown.lago_id, shown.name.as_deref()), (row.lago_id, Some("Main")));
    let request = ListSubscriptionChargesRequest::new(SUBSCRIPTION.into());
    assert_eq!(client.list_subscription_charges(request).await?.charges.len(), 4);
    let request = ListSubscriptionChargeFiltersRequest::new(SUBSCRIPTION.into(), "calls".into());
    assert_eq!(client.list_subscription_charge_filters(request).await?.filters.len(), 1);
    Ok(())
}

fn event(transaction: &str, code: &str, properties: Value) -> CreateEventInput {
    let subscription = SUBSCRIPTION.to_owned();
    CreateEventInput::for_subscription(transaction.to_owned(), subscription, code.to_owned())
        .with_properties(properties)
}

async fn send(client: &LagoClient, input: CreateEventInput) -> Result<(), LagoError> {
    let sent = (input.transaction_id.clone(), input.external_subscription_id.clone());
    let stored = client.create_event(CreateEventRequest::new(input)).await?.event;
    assert_eq!((stored.transaction_id, stored.external_subscription_id), sent);
    Ok(())
}

/// The client sends events one by one only.
async fn send_events(client: &LagoClient) -> Outcome {
    send(client, event("t1", "calls", json!({"region": "eu"}))).await?;
    let precise = event("t2", "gb", json!({"gb": 12.5})).with_precise_total_amount_cents(7);
    send(client, precise).await?;
    let stored = client.get_event(GetEventRequest::new("t2".into())).await?.event;
    assert_eq!(stored.precise_total_amount_cents.as_deref(), Some("7.0"));
    let now = stored.created_at.timestamp();
    send(client, event("t3", "calls", json!({})).with_timestamp(now)).await?;
    for (id, code, properties) in [
        ("t4", "calls", json!({"region": "eu"})),
        ("t5", "calls", json!({"region": "us"})),
        ("t6", "tokens", json!({"n": "1000", "model": "a"})),
        ("t7", "tokens", json!({"n": 500, "model": "a"})),
        ("t8", "tokens", json!({"n": "250.5", "model": "b"})),
        ("t9", "jobs", json!({})),
    ] {
        send(client, event(id, code, properties)).await?;
    }
    // The old form: no subscription, which upstream stores too.
    let old = CreateEventInput::for_customer("old".into(), CUSTOMER.into(), "calls".into());
    let stored = client.create_event(CreateEventRequest::new(old)).await?.event;
    assert_eq!(stored.external_subscription_id, None);
    let stored = client.get_event(GetEventRequest::new("t3".into())).await?.event;
    assert_eq!((stored.timestamp.timestamp(), stored.code.as_str()), (now, "calls"));
    Ok(())
}

async fn usage(client: &LagoClient, taxes: bool) -> Result<CustomerUsage, LagoError> {
    let request = GetCustomerCurrentUsageRequest::new(CUSTOMER.into(), SUBSCRIPTION.into());
    let answer = client.get_customer_current_usage(request.with_apply_taxes(taxes)).await?;
    Ok(answer.customer_usage)
}

async fn read_usage(client: &LagoClient, [calls, ..]: [Uuid; 4]) -> Outcome {
    let read = usage(client, true).await?;
    // The client has no call for taxes, so there is none.
    let totals = (read.amount_cents, read.taxes_amount_cents, read.total_amount_cents);
    assert_eq!((totals, read.currency.as_str()), ((1023, 0, 1023), "EUR"));
    assert!(read.from_datetime < read.to_datetime && read.lago_invoice_id.is_none());
    let rows: Vec<_> = read
        .charges_usage
        .iter()
        .map(|row| (&*row.billable_metric.code, &*row.units, row.events_count, row.amount_cents))
        .collect();
    let expected = [
        ("calls", "4.0", 4, 160),
        ("jobs", "1.0", 1, 25),
        ("gb", "12.5", 1, 663),
        ("tokens", "1750.5", 3, 175),
    ];
    assert_eq!(rows, expected);
    let row = &read.charges_usage[0];
    assert_eq!((row.billable_metric.lago_id, &*row.charge.charge_model), (calls, "standard"));
    let filters: Vec<_> =
        row.filters.iter().map(|filter| (&filter.values, filter.amount_cents)).collect();
    assert_eq!(filters, [(&json!({"region": ["eu"]}), 60), (&Value::Null, 100)]);
    let groups = &read.charges_usage[3].grouped_usage;
    let mut groups: Vec<_> =
        groups.iter().map(|group| (group.grouped_by.to_string(), group.amount_cents)).collect();
    groups.sort();
    let expected = [("{\"model\":\"a\"}".to_owned(), 150), ("{\"model\":\"b\"}".to_owned(), 25)];
    assert_eq!(groups, expected);
    assert_eq!(usage(client, false).await?.total_amount_cents, 1023);
    Ok(())
}

async fn page_through(client: &LagoClient) -> Outcome {
    let (mut seen, mut next) = (Vec::new(), Some(1));
    while let Some(page) = next {
        let pages = PaginationParams::new().with_page(page).with_per_page(3);
        let request = ListBillableMetricsRequest::new().with_pagination(pages);
        let answer = client.list_billable_metrics(Some(request)).await?;
        assert_eq!((answer.meta.current_page, answer.meta.total_count), (page, 4));
        seen.extend(answer.billable_metrics.into_iter().map(|metric| metric.code));
        next = answer.meta.next_page;
    }
    seen.sort();
    assert_eq!(seen, ["calls", "gb", "jobs", "tokens"]);
    let request = ListEventsRequest::new()
        .with_external_subscription_id(SUBSCRIPTION.into())
        .with_timestamp_from_started_at(true)
        .with_pagination(PaginationParams::new().with_page(2).with_per_page(5));
    let events = client.list_events(Some(request)).await?;
    assert_eq!(
        (events.events.len(), events.meta.prev_page, events.meta.total_count),
        (4, Some(1), 9)
    );
    assert_eq!(client.list_plans(None).await?.meta.total_count, 1);
    assert_eq!(
        client.list_customers(None).await?.customers[0].external_id.as_deref(),
        Some(CUSTOMER)
    );
    let ended = SubscriptionFilters::new().with_status(SubscriptionStatus::Terminated);
    let request = ListSubscriptionsRequest::new().with_filters(ended);
    assert_eq!(client.list_subscriptions(Some(request)).await?.meta.total_count, 0);
    let own = ListCustomerSubscriptionsRequest::new(CUSTOMER.into());
    let own = client.list_customer_subscriptions(own).await?;
    assert_eq!(own.subscriptions[0].external_id, SUBSCRIPTION);
    Ok(())
}

async fn meet_errors(client: &LagoClient, url: &str, reader_key: &str) {
    let stranger = usage(&connect(url, "no-such-key"), true).await;
    assert!(matches!(stranger, Err(LagoError::Unauthorized)), "{stranger:?}");
    let reader = connect(url, reader_key);
    assert_eq!(usage(&reader, true).await.map(|usage| usage.amount_cents).ok(), Some(1023));
    let none = Value::Null;
    let sent = send(&reader, event("t0", "jobs", json!({}))).await;
    refused(403, "write_action_not_allowed_for_event", none.clone(), sent);
    let of = |customer: &str, subscription: &str| {
        GetCustomerCurrentUsageRequest::new(customer.to_owned(), subscription.to_owned())
    };
    let answer = client.get_customer_current_usage(of("nobody", SUBSCRIPTION)).await;
    refused(404, "customer_not_found", none.clone(), answer);
    let answer = client.get_plan(GetPlanRequest::new("none".into())).await;
    refused(404, "plan_not_found", none.clone(), answer);
    let answer = client.get_billable_metric(GetBillableMetricRequest::new("none".into())).await;
    refused(404, "billable_metric_not_found", none.clone(), answer);
    let answer = client.get_subscription(GetSubscriptionRequest::new("none".into())).await;
    refused(404, "subscription_not_found", none.clone(), answer);
    let answer = client.get_event(GetEventRequest::new("none/such".into())).await;
    refused(404, "event_not_found", none.clone(), answer);
    let request = GetPlanChargeRequest::new("pro".into(), "none".into());
    refused(404, "charge_not_found", none.clone(), client.get_plan_charge(request).await);
    let answer = client.get_customer_current_usage(of(CUSTOMER, "none")).await;
    refused(405, "no_active_subscription", none.clone(), answer);
    let large = event("large", "jobs", json!({"text": "x".repeat(1 << 20)}));
    refused(413, "request_too_large", none, send(client, large).await);
    let taken = json!({"transaction_id": ["value_already_exist"]});
    let sent = send(client, event("t1", "jobs", json!({}))).await;
    refused(422, "validation_errors", taken, sent);
    let taken = json!({"code": ["value_already_exist"]});
    let again = CreateBillableMetricRequest::new(metric("Jobs", "jobs", None));
    refused(422, "validation_errors", taken, client.create_billable_metric(again).await);
}

async fn end(client: &LagoClient) -> Outcome {
    let request = DeleteSubscriptionRequest::new(SUBSCRIPTION.into());
    let ended = client.delete_subscription(request).await?.subscription;
    assert_eq!(ended.status, SubscriptionStatus::Terminated);
    assert!(ended.terminated_at.is_some());
    refused(405, "no_active_subscription", Value::Null, usage(client, true).await);
    let request = DeletePlanChargeRequest::new("pro".into(), "per_job".into());
    assert_eq!(client.delete_plan_charge(request).await?.charge.code.as_deref(), Some("per_job"));
    assert_eq!(client.delete_plan(DeletePlanRequest::new("pro".into())).await?.plan.code, "pro");
    Ok(())
}

async fn story(url: &str, key: &str, reader_key: &str) -> Outcome {
    let client = connect(url, key);
    let metrics = create_metrics(&client).await?;
    create_plan(&client, metrics).await?;
    subscribe(&client).await?;
    send_events(&client).await?;
    read_usage(&client, metrics).await?;
    page_through(&client).await?;
    meet_errors(&client, url, reader_key).await;
    end(&client).await
}

/// All places are taken: without retries an error, with them an answer.
async fn retry(url: &str, key: &str) -> Outcome {
    let impatient = connect(url, key).list_plans(None).await;
    assert!(matches!(impatient, Err(LagoError::RateLimit)), "{impatient:?}");
    let patient = config(url, key).retry_config(RetryConfig::builder().build()).build();
    let patient = LagoClient::new(patient);
    send(&patient, event("patient", "jobs", json!({}))).await?;
    let taken = json!({"transaction_id": ["value_already_exist"]});
    let again = send(&patient, event("patient", "jobs", json!({}))).await;
    refused(422, "validation_errors", taken, again);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["story", url, key, reader_key] => story(url, key, reader_key).await,
        ["retry", url, key] => retry(url, key).await,
        _ => Err("usage: odometer-sdk-story story URL KEY READER_KEY | retry URL KEY".into()),
    }
}
