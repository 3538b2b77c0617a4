//! The catalogue of a bench: one tenant, one plan with three charges, many subscriptions.

use std::path::Path;

use uuid::Uuid;

use super::workload::{ORGANIZATION, Workload, begins_customer, customer_id, subscription_id};
use crate::catalog_file::Options;
use crate::cli::Failure;
use crate::config::Settings;
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::MemoryDirectory;
use crate::core::catalog::record::{Body, Change, Entity, Record};
use crate::core::catalog::{BillingTime, Customer, Status, Subscription};
use crate::core::instant::Instant;
use crate::log::catalog::batches;
use crate::runtime::catalog_apply::{CatalogWriter, plan};

/// The key that benches ask with.
pub const API_KEY: &str = "odometer-bench-key";
/// Its digest.
pub const API_KEY_SHA256: &str = "8b0cef0dba704f534da42fc3734e4a24521e0d51be29a0a4ae61409d39d92180";
/// The only plan.
const PLAN: &str = "bench";
/// Subscriptions whose records are made at once.
const PER_APPEND: u64 = 16_000;
/// When all subscriptions began: 2025-01-01.
const BEGAN: Instant = Instant(1_735_689_600_000_000);

/// Tenant, metrics and plan.
fn file() -> String {
    format!(
        r#"
organizations:
  - external_id: {ORGANIZATION}
    name: Bench
    timezone: UTC
    default_currency: EUR
    api_keys:
      - sha256: {API_KEY_SHA256}
    billable_metrics:
      - code: api_calls
        name: Calls
        aggregation_type: count_agg
        filters:
          - key: region
            values: [eu-west-1, us-east-1]
      - code: tokens
        name: Tokens
        aggregation_type: sum_agg
        field_name: tokens
      - code: storage_gb
        name: Storage
        aggregation_type: sum_agg
        field_name: gb
    plans:
      - code: {PLAN}
        name: Bench
        interval: monthly
        amount_cents: 0
        charges:
          - billable_metric_code: api_calls
            charge_model: standard
            properties: {{ amount: "0.0015" }}
            filters:
              - invoice_display_name: Europe
                values: {{ region: [eu-west-1] }}
                properties: {{ amount: "0.0012" }}
              - invoice_display_name: United States
                values: {{ region: [us-east-1] }}
                properties: {{ amount: "0.0010" }}
          - billable_metric_code: tokens
            charge_model: standard
            properties: {{ amount: "0.000004" }}
          - billable_metric_code: storage_gb
            charge_model: standard
            properties: {{ amount: "0.08" }}
"#
    )
}

/// Appends the catalogue to its topic.
pub fn write(settings: &Settings, workload: &Workload) -> Result<(), Failure> {
    let writer = CatalogWriter::kafka(settings)?;
    let now = Instant::from_millis(workload.base_ms);
    let options = Options { now, prune: false };
    let none = MemoryDirectory::default();
    let records = plan(&file(), Path::new(""), &Book::default(), &none, options)?.into_records();
    let plan = plan_id(&records).ok_or("the bench's plan is not in its own file")?;
    writer.append(&records, now)?;
    let mut from = 0;
    while from < workload.subscriptions {
        let to = (from + PER_APPEND).min(workload.subscriptions);
        let changes = (from..to).flat_map(|number| changes(number, plan));
        writer.append(&batches(changes.map(|change| (change, None))), now)?;
        from = to;
    }
    Ok(())
}

fn plan_id(records: &[Record]) -> Option<Uuid> {
    records.iter().flat_map(|record| &record.changes).find_map(|change| match change {
        Change::Put(Entity { body: Body::Plan(plan), .. }) if plan.code == PLAN => Some(plan.id),
        _ => None,
    })
}

/// A subscription, and before the first of a customer the customer.
fn changes(number: u64, plan: Uuid) -> impl Iterator<Item = Change> {
    let put = |body| Change::Put(Entity { organization: ORGANIZATION.to_owned(), body });
    let id = |kind: u64| Uuid::from_u64_pair(kind << 32 | 0x8000_4000, number);
    let customer = begins_customer(number).then(|| {
        put(Body::Customer(Customer {
            id: id(1),
            external_id: customer_id(number),
            name: None,
            timezone: None,
            currency: None,
            taxes: Vec::new(),
            created_at: BEGAN,
        }))
    });
    let subscription = put(Body::Subscription(Subscription {
        id: id(2),
        external_id: subscription_id(number),
        customer: customer_id(number),
        plan,
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: BEGAN,
        started_at: Some(BEGAN),
        ending_at: None,
        terminated_at: None,
        status: Status::Active,
        previous: None,
        created_at: BEGAN,
    }));
    customer.into_iter().chain([subscription])
}
