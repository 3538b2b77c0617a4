//! Entities that tests begin with: nothing is set but what is named. A test overrides the rest
//! with `..`, so that it says only what it is about.

use uuid::Uuid;

use super::{Aggregation, BillableMetric, Charge, ChargeFilter, Interval, Plan};
use crate::core::instant::Instant;
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

/// A metric that reads `value`, unless it counts.
pub fn metric(number: u128, code: &str, aggregation: Aggregation) -> BillableMetric {
    BillableMetric {
        id: Uuid::from_u128(number),
        code: code.to_owned(),
        name: code.to_owned(),
        description: None,
        aggregation,
        field_name: (aggregation != Aggregation::Count).then(|| "value".to_owned()),
        recurring: false,
        rounding: None,
        expression: None,
        filters: Vec::new(),
        created_at: Instant(0),
    }
}

/// A charge for a metric, due at the end of the period.
pub fn charge(number: u128, metric: u128, model: Model) -> Charge {
    Charge {
        id: Uuid::from_u128(number),
        code: format!("charge_{number}"),
        metric: Uuid::from_u128(metric),
        invoice_display_name: None,
        model,
        properties: Value::Null,
        pricing_group_keys: Vec::new(),
        presentation_group_keys: Vec::new(),
        pay_in_advance: false,
        prorated: false,
        invoiceable: true,
        min_amount_cents: 0,
        accepts_target_wallet: false,
        pricing_unit: None,
        taxes: Vec::new(),
        filters: Vec::new(),
        echo: super::Echo::default(),
        created_at: Instant(0),
    }
}

/// A filter that asks for one value.
pub fn filter(number: u128, (key, value): (&str, &str), model: Model) -> ChargeFilter {
    ChargeFilter {
        id: Uuid::from_u128(number),
        invoice_display_name: None,
        values: vec![(key.to_owned(), vec![value.to_owned()])],
        model,
        properties: Value::Null,
        pricing_group_keys: Vec::new(),
        created_at: Instant(0),
    }
}

/// The standard model at no price.
pub fn free() -> Model {
    Model::from_properties(ModelKind::Standard, &Value::Null)
}

/// A weekly plan at no price but that of its charges.
pub fn plan(number: u128, charges: Vec<Charge>) -> Plan {
    Plan {
        id: Uuid::from_u128(number),
        code: format!("plan_{number}"),
        name: format!("plan_{number}"),
        interval: Interval::Weekly,
        amount_cents: 0,
        currency: "EUR".to_owned(),
        pay_in_advance: false,
        bill_charges_monthly: false,
        charges,
        taxes: Vec::new(),
        parent: None,
        echo: super::Echo::default(),
        created_at: Instant(0),
    }
}
