//! The JSON shapes of the catalogue. Every member is always written; instants are microseconds.
//!
//! Enums are tagged from outside on purpose: an inner tag would make serde buffer the content,
//! which loses exact numbers.

#![allow(clippy::struct_field_names)] // the members have the names of the API

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::text::{Digest, Id};

/// What stands for itself in a log or in the store.
pub(super) trait Document: Serialize + DeserializeOwned {
    /// Format and revision.
    fn head(&self) -> (u32, u32);
}

/// The part of a document that every format has.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
}

impl Document for Record {
    fn head(&self) -> (u32, u32) {
        (self.format, self.revision)
    }
}

impl Document for Stored {
    fn head(&self) -> (u32, u32) {
        (self.format, self.revision)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) revision: u32,
    pub(super) expects: Vec<Expect>,
    pub(super) changes: Vec<Change>,
}

/// An entity as it is kept on disk.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) format: u32,
    pub(super) revision: u32,
    pub(super) version: u64,
    pub(super) log_time: i64,
    pub(super) entity: Entity,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Expect {
    pub(super) key: Key,
    pub(super) version: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Put(Entity),
    Delete(Key),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) organization: String,
    pub(super) id: KeyId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyId {
    Organization,
    Tax(Id),
    BillableMetric(Id),
    Plan(Id),
    Customer(String),
    Subscription { external_id: String, id: Id },
    LifetimeUsage(Id),
    Code { kind: String, code: String },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entity {
    pub(super) organization: String,
    pub(super) body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    Organization(Organization),
    Tax(Tax),
    BillableMetric(BillableMetric),
    Plan(Plan),
    Customer(Customer),
    Subscription(Subscription),
    LifetimeUsage(LifetimeUsage),
}

/// Members by name.
pub(super) type Echo = BTreeMap<String, serde_json::Value>;

/// Without the external id, which is that of the entity.
#[derive(Serialize, Deserialize)]
pub(super) struct Organization {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) timezone: Option<String>,
    pub(super) default_currency: Option<String>,
    pub(super) taxes: Vec<Id>,
    pub(super) flags: Vec<String>,
    pub(super) api_keys: Vec<ApiKey>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ApiKey {
    pub(super) sha256: Digest,
    pub(super) expires_at: Option<i64>,
    pub(super) permissions: Option<Vec<(String, String)>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tax {
    pub(super) id: Id,
    pub(super) code: String,
    pub(super) name: String,
    /// The shortest text that reads back as the same double.
    pub(super) rate: String,
    pub(super) description: Option<String>,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BillableMetric {
    pub(super) id: Id,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) aggregation_type: String,
    pub(super) field_name: Option<String>,
    pub(super) recurring: bool,
    pub(super) rounding: Option<Rounding>,
    pub(super) expression: Option<String>,
    pub(super) filters: Vec<MetricFilter>,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Rounding {
    pub(super) function: String,
    pub(super) precision: i32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MetricFilter {
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) id: Id,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) interval: String,
    pub(super) amount_cents: i64,
    pub(super) amount_currency: String,
    pub(super) pay_in_advance: bool,
    pub(super) bill_charges_monthly: bool,
    pub(super) charges: Vec<Charge>,
    pub(super) taxes: Vec<Id>,
    pub(super) parent: Option<Id>,
    #[serde(default)]
    pub(super) echo: Echo,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // independent flags, as the API has them
pub(super) struct Charge {
    pub(super) id: Id,
    pub(super) code: String,
    pub(super) billable_metric: Id,
    pub(super) invoice_display_name: Option<String>,
    pub(super) charge_model: String,
    pub(super) properties: serde_json::Value,
    pub(super) pricing_group_keys: Vec<String>,
    pub(super) presentation_group_keys: Vec<PresentationKey>,
    pub(super) pay_in_advance: bool,
    pub(super) prorated: bool,
    pub(super) invoiceable: bool,
    pub(super) min_amount_cents: i64,
    pub(super) accepts_target_wallet: bool,
    pub(super) pricing_unit: Option<PricingUnit>,
    pub(super) taxes: Vec<Id>,
    pub(super) filters: Vec<ChargeFilter>,
    #[serde(default)]
    pub(super) echo: Echo,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ChargeFilter {
    pub(super) id: Id,
    pub(super) invoice_display_name: Option<String>,
    pub(super) values: Vec<(String, Vec<String>)>,
    pub(super) properties: serde_json::Value,
    pub(super) pricing_group_keys: Vec<String>,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PresentationKey {
    pub(super) value: String,
    pub(super) display_in_invoice: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PricingUnit {
    pub(super) code: String,
    pub(super) short_name: String,
    /// A decimal with the digits it was given with.
    pub(super) conversion_rate: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Customer {
    pub(super) id: Id,
    pub(super) external_id: String,
    pub(super) name: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) taxes: Vec<Id>,
    #[serde(default)]
    pub(super) echo: Echo,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) id: Id,
    pub(super) external_id: String,
    pub(super) customer: String,
    pub(super) plan: Id,
    pub(super) name: Option<String>,
    pub(super) billing_time: String,
    pub(super) subscription_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) ending_at: Option<i64>,
    pub(super) terminated_at: Option<i64>,
    pub(super) status: String,
    pub(super) previous: Option<Id>,
    pub(super) created_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LifetimeUsage {
    pub(super) id: Id,
    pub(super) external_id: String,
    pub(super) historical_cents: i64,
    pub(super) created_at: i64,
}
