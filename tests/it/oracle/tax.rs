//! Taxes over all fees, rounded once (specification chapter 7, pricing details 10).

use odometer::core::catalog::{Charge, Customer, Plan, Tax};
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;

use super::Tenant;

/// The taxes of a charge: those of the first level that has any, in order of creation.
fn of_charge<'t>(
    tenant: &'t Tenant,
    charge: &Charge,
    plan: &Plan,
    customer: &Customer,
) -> Vec<&'t Tax> {
    for level in [&charge.taxes, &plan.taxes, &customer.taxes, &tenant.organization.taxes] {
        let mut taxes: Vec<&Tax> =
            tenant.taxes.iter().filter(|tax| level.contains(&tax.id)).collect();
        if !taxes.is_empty() {
            taxes.sort_by_key(|tax| (tax.created_at, tax.id));
            return taxes;
        }
    }
    Vec::new()
}

/// The taxes on charges with these amounts.
pub fn total(tenant: &Tenant, plan: &Plan, customer: &Customer, charges: &[(&Charge, i64)]) -> i64 {
    let mut distinct: Vec<(&Tax, i64)> = Vec::new();
    for (charge, cents) in charges {
        for tax in of_charge(tenant, charge, plan, customer) {
            match distinct.iter_mut().find(|(known, _)| known.id == tax.id) {
                Some((_, sum)) => *sum += cents,
                None => distinct.push((tax, *cents)),
            }
        }
    }
    let mut total = Double::ZERO;
    for (tax, cents) in distinct {
        let product = Decimal::from_i64(cents) * tax.rate.fd();
        total = total + Double::from_decimal(&product) / Double::from_i64(100);
    }
    total.round().to_i64().unwrap()
}
