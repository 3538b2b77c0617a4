//! How many cases covered which combination.

use std::collections::BTreeSet;
use std::fmt;

use odometer::core::catalog::Plan;
use serde_json::Value as Json;

use super::cell::{Cell, INTERVALS};
use crate::oracle::Tenant;

/// Numbers of the cases that were answered with a charge of each cell.
pub struct Coverage(Vec<(Cell, BTreeSet<u64>)>);

impl Default for Coverage {
    fn default() -> Self {
        Self(Cell::allowed().into_iter().map(|cell| (cell, BTreeSet::new())).collect())
    }
}

impl Coverage {
    /// Counts the charges of an answer.
    pub fn note(&mut self, case: u64, tenant: &Tenant, body: &str) {
        let body: Json = serde_json::from_str(body).unwrap();
        for row in body["customer_usage"]["charges_usage"].as_array().unwrap() {
            let id = row["charge"]["lago_id"].as_str().unwrap();
            let cell = tenant.plans.iter().find_map(|plan| cell(tenant, plan, id)).unwrap();
            let known = self.0.iter_mut().find(|(known, _)| *known == cell);
            known.unwrap_or_else(|| panic!("no charge may be {cell:?}")).1.insert(case);
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for ((_, cases), (_, more)) in self.0.iter_mut().zip(&other.0) {
            cases.extend(more);
        }
    }

    /// Cells that no case covered.
    pub fn empty(&self) -> Vec<Cell> {
        self.0.iter().filter(|(_, cases)| cases.is_empty()).map(|(cell, _)| *cell).collect()
    }
}

fn cell(tenant: &Tenant, plan: &Plan, id: &str) -> Option<Cell> {
    let charge = plan.charges.iter().find(|charge| charge.id.to_string() == id)?;
    let metric = tenant.metrics.iter().find(|metric| metric.id == charge.metric)?;
    Some(Cell::of(charge, metric.aggregation, plan.interval))
}

/// One line for all intervals of a combination.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16} {:20} {:8} {:7} {:7}", "", "", "prorated", "advance", "grouped")?;
        for interval in INTERVALS {
            write!(f, " {:>10}", interval.name())?;
        }
        for row in self.0.chunks(INTERVALS.len()) {
            let cell = row[0].0;
            let flag = |set: bool| if set { "yes" } else { "-" };
            write!(
                f,
                "\n{:16} {:20} {:8} {:7} {:7}",
                cell.aggregation.name(),
                cell.model.name(),
                flag(cell.prorated),
                flag(cell.in_advance),
                flag(cell.grouped)
            )?;
            for (_, cases) in row {
                write!(f, " {:>10}", cases.len())?;
            }
        }
        Ok(())
    }
}
