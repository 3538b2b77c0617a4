//! Customers that were read from the store lately. A customer's subscriptions come one after the
//! other when their accounts are first seen, and each needs the customer's time zone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::catalog::past::ZoneChange;
use crate::core::catalog::version::CustomerRow;

/// Customers that are kept: 50 MB or so. When there are more, all are forgotten.
const CUSTOMERS_MAX: usize = 1 << 17;

/// Names the state of the catalogue in which a customer was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u64);

/// A customer with the zones that it had.
#[derive(Clone, Debug)]
pub struct CustomerPast {
    /// The customer as it stands.
    pub row: CustomerRow,
    /// Its zones by log time, see [`ZoneChange`]; none if it always had the one it has.
    pub zones: Option<Arc<[ZoneChange]>>,
}

#[derive(Default)]
struct State {
    changes: u64,
    rows: HashMap<(String, String), CustomerPast>,
}

/// Recent customers, by organisation and external id.
#[derive(Default)]
pub struct Customers(Mutex<State>);

impl Customers {
    /// The customer, or the moment at which it was not here: what is read after it may be
    /// [kept](Self::keep).
    pub fn get(&self, organization: &str, external_id: &str) -> Result<CustomerPast, Moment> {
        let key = (organization.to_owned(), external_id.to_owned());
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows.get(&key).cloned().ok_or(Moment(state.changes))
    }

    /// Keeps a customer, unless one has changed since that moment: it might be this one.
    pub fn keep(&self, since: Moment, organization: &str, customer: &CustomerPast) {
        let key = (organization.to_owned(), customer.row.external_id.clone());
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if Moment(state.changes) != since {
            return;
        }
        if state.rows.len() >= CUSTOMERS_MAX {
            state.rows.clear();
        }
        state.rows.insert(key, customer.clone());
    }

    /// Customers have changed in the store.
    pub fn forget(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.changes += 1;
        state.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Customer;
    use crate::core::catalog::version::Versioned;
    use crate::core::instant::Instant;

    fn row(version: u64) -> CustomerPast {
        let customer = Customer {
            id: uuid::Uuid::nil(),
            external_id: "acme".to_owned(),
            name: None,
            timezone: None,
            currency: None,
            taxes: Vec::new(),
            echo: crate::core::catalog::Echo::default(),
            created_at: Instant(0),
        };
        CustomerPast { row: Versioned::new(customer, version, Instant(0)), zones: None }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let customers = Customers::default();
        let moment = customers.get("org", "acme").expect_err("nothing is kept yet");
        customers.keep(moment, "org", &row(1));
        assert_eq!(customers.get("org", "acme").map(|known| known.row.version), Ok(1));
        let stale = customers.get("org", "other").expect_err("never kept");
        customers.forget();
        customers.keep(stale, "org", &row(1));
        let moment = customers.get("org", "acme").expect_err("forgotten, and not kept again");
        customers.keep(moment, "org", &row(2));
        assert_eq!(customers.get("org", "acme").map(|known| known.row.version), Ok(2));
        assert!(customers.get("another", "acme").is_err());
    }
}
