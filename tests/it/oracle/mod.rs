//! What the service must answer, computed the plain way: from the records as they were sent, one
//! question at a time, after the text of the specification. Of the product it takes numbers and
//! the entities of the catalogue as data, and none of its rules.

mod advance;
mod bucket;
mod calendar;
mod changes;
mod event;
mod fee;
mod filter;
mod percentage;
mod price;
mod prorated;
mod tax;
mod tiers;
mod usage;
mod weighted;

pub use changes::difference;
pub use event::{Event, Place};
pub use usage::{answer, window_of, zone};

use odometer::core::catalog::{BillableMetric, Customer, Organization, Plan, Subscription, Tax};

/// One organisation as the catalogue has it now.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub organization: Organization,
    pub taxes: Vec<Tax>,
    pub metrics: Vec<BillableMetric>,
    pub plans: Vec<Plan>,
    pub customers: Vec<Customer>,
    /// In order of creation.
    pub rows: Vec<Subscription>,
}

/// A request for current usage (specification 1.3).
#[derive(Clone, Debug)]
pub struct Question {
    pub customer: String,
    pub subscription: Option<String>,
    pub charge_id: Option<String>,
    pub charge_code: Option<String>,
    pub metric_code: Option<String>,
    pub group: Vec<(String, Vec<String>)>,
    pub presentation: Option<Vec<String>>,
    pub skip_grouping: bool,
    pub apply_taxes: bool,
    pub full_usage: bool,
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub status: u16,
    pub body: String,
}
