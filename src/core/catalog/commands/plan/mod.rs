//! Plans with their charges and filters (specification 9.3, charge properties 8 to 10).

mod charge;
mod charge_update;
mod charges;
mod filter;
mod filters;
mod members;
mod overrides;
mod pricing_unit;
mod private;
mod thresholds;
mod write;

use crate::core::catalog::book::Tenant;
use crate::core::catalog::check::MetricTraits;
use crate::core::catalog::{BillableMetric, Charge, Plan};

pub use charges::{CreateCharge, DeleteCharge, UpdateCharge};
pub use filters::{CreateFilter, DeleteFilter, FilterReply, UpdateFilter};
pub use overrides::{
    AddFilter, CHARGE_PARENT, OverrideCharge, OverrideFilter, private_plan, subscribed_charge,
};
pub use private::{change_private_plan, overridden_plan};
pub use write::{CreatePlan, DeletePlan, UpdatePlan};

/// The charges of a plan that are in force: those whose metric is there. A metric that is deleted
/// takes the charges on it along.
pub fn charges_in_force<'a>(
    plan: &'a Plan,
    tenant: &'a Tenant,
) -> impl Iterator<Item = &'a Charge> {
    plan.charges.iter().filter(|charge| tenant.metrics.get(charge.metric).is_some())
}

/// The charge of a plan with this code.
pub fn charge_by_code<'a>(plan: &'a Plan, tenant: &'a Tenant, code: &str) -> Option<&'a Charge> {
    charges_in_force(plan, tenant).find(|charge| charge.code == code)
}

const fn traits(metric: &BillableMetric) -> MetricTraits {
    MetricTraits { aggregation: Some(metric.aggregation), recurring: metric.recurring }
}
