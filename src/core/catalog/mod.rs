//! What is sold to whom: organisations, taxes, billable metrics, plans with their charges,
//! customers and subscriptions (specification chapters 5, 6, 7 and 9).
//!
//! These are resolved facts. Validation of what users send lives beside each entity; entities that
//! reach the catalogue have passed it.

pub mod apply;
pub mod book;
mod charge;
pub mod check;
pub mod closed;
pub mod commands;
mod customer;
pub mod directory;
mod echo;
#[cfg(test)]
pub mod fixtures;
pub mod ingestion;
pub mod lifecycle;
mod lifetime;
mod metric;
mod organization;
pub mod past;
mod plan;
pub mod record;
mod subscription;
pub mod table;
mod tax;
pub mod version;
pub mod zones;

pub use charge::{Charge, ChargeFilter, PresentationKey, PricingUnit};
pub use customer::Customer;
pub use echo::Echo;
pub use lifetime::LifetimeUsage;
pub use metric::{Aggregation, BillableMetric, MetricFilter, Rounding, RoundingMode};
pub use organization::{ApiKey, Flag, Organization};
pub use plan::{Interval, Plan};
pub use subscription::{BillingTime, Status, Subscription, serving};
pub use tax::Tax;

#[cfg(test)]
mod tests;
