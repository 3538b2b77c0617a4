//! The aggregations that the bench compares: what is metered, what an event carries, and how many
//! units the events come to.

use std::fmt::Write as _;

/// Distinct values of the unique counts.
pub const DISTINCT: u64 = 1_000_000;
/// The tenant of all events.
pub const ORGANIZATION: &str = "bench-aggregations";
/// The only customer.
pub const CUSTOMER: &str = "bench-customer";

/// One aggregation with the charge that prices it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, and the code of its metric and its plan.
    pub name: &'static str,
    metric: &'static str,
    charge: &'static str,
    carries: Carries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// A value from 0 to 99.
    Value,
    /// One of many users.
    User,
    /// A value, and a price of its own.
    Priced,
}

const STANDARD: &str = "charge_model: standard, properties: { amount: \"0.01\" }";

/// All of them.
pub const CASES: [Case; 14] = [
    case("count", "count_agg", STANDARD, Carries::Value),
    case("sum", "sum_agg", STANDARD, Carries::Value),
    case("max", "max_agg", STANDARD, Carries::Value),
    case("latest", "latest_agg", STANDARD, Carries::Value),
    case("unique_count", "unique_count_agg", STANDARD, Carries::User),
    case("dynamic", "sum_agg", "charge_model: dynamic, properties: {}", Carries::Priced),
    case("recurring_sum", "sum_agg, recurring: true", STANDARD, Carries::Value),
    case(
        "prorated_sum",
        "sum_agg, recurring: true",
        "prorated: true, charge_model: standard, properties: { amount: \"0.01\" }",
        Carries::Value,
    ),
    case("weighted_sum", "weighted_sum_agg, weighted_interval: seconds", STANDARD, Carries::Value),
    case(
        "allowance",
        "sum_agg",
        "charge_model: percentage, properties: { rate: \"1\", fixed_amount: \"0\", \
         free_units_per_events: 100 }",
        Carries::Value,
    ),
    case(
        "bounded",
        "sum_agg",
        "charge_model: percentage, properties: { rate: \"1\", fixed_amount: \"0\", \
         per_transaction_max_amount: \"0.5\" }",
        Carries::Value,
    ),
    case(
        "in_advance",
        "sum_agg",
        "pay_in_advance: true, charge_model: standard, properties: { amount: \"0.01\" }",
        Carries::Value,
    ),
    case(
        "prorated_unique",
        "unique_count_agg, recurring: true",
        "prorated: true, charge_model: standard, properties: { amount: \"0.01\" }",
        Carries::User,
    ),
    case(
        "graduated_unique",
        "unique_count_agg, recurring: true",
        "prorated: true, charge_model: graduated, properties: { graduated_ranges: [\
         { from_value: 0, to_value: 5, per_unit_amount: \"0.02\", flat_amount: \"0\" }, \
         { from_value: 6, to_value: 1000, per_unit_amount: \"0.01\", flat_amount: \"1\" }, \
         { from_value: 1001, to_value: null, per_unit_amount: \"0.001\", flat_amount: \"0\" }] }",
        Carries::User,
    ),
];

const fn case(
    name: &'static str,
    metric: &'static str,
    charge: &'static str,
    carries: Carries,
) -> Case {
    Case { name, metric, charge, carries }
}

impl Case {
    /// The subscription with so many events.
    pub fn subscription(&self, events: u64) -> String {
        format!("{}-{events}", self.name)
    }

    /// One event of a subscription as producers write it, its time in microseconds.
    pub fn write(&self, events: u64, number: u64, micros: i64, out: &mut String) {
        let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let name = self.name;
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            r#"{{"organization_id":"{ORGANIZATION}","external_subscription_id":"{name}-{events}","#
        );
        let _ = write!(out, r#""transaction_id":"{name}-{events}-{number}","code":"{name}","#);
        let _ = write!(out, r#""timestamp":"{seconds}.{rest:06}","#);
        let _ = match self.carries {
            Carries::Value => write!(out, r#""properties":{{"value":"{}"}}}}"#, value(number)),
            Carries::User => {
                write!(out, r#""properties":{{"value":"user-{}"}}}}"#, number % DISTINCT)
            }
            Carries::Priced => write!(
                out,
                r#""precise_total_amount_cents":"1.5","properties":{{"value":"{}"}}}}"#,
                value(number)
            ),
        };
    }

    /// Whether a late event has the bucket repaired from the ledger.
    pub fn is_repaired(&self) -> bool {
        self.name == "weighted_sum"
    }

    /// The units that the answer shows for so many events; none where they depend on the time.
    pub fn units(&self, events: u64) -> Option<u64> {
        let sum = || (0..events.min(100)).map(value).sum::<u64>() + sum_beyond(events);
        match self.name {
            "count" => Some(events),
            "max" => (0..events.min(100)).map(value).max(),
            "latest" => events.checked_sub(1).map(value),
            "unique_count" | "prorated_unique" | "graduated_unique" => Some(events.min(DISTINCT)),
            "weighted_sum" => None,
            _ => Some(sum()),
        }
    }
}

fn value(number: u64) -> u64 {
    number % 100
}

/// Σ of the values after the first hundred.
fn sum_beyond(events: u64) -> u64 {
    let rest = events.saturating_sub(100);
    rest / 100 * 4950 + (0..rest % 100).sum::<u64>()
}

/// The catalogue of the bench, in which every subscription has one charge.
pub fn file(sizes: &[u64], key_digest: &str) -> String {
    let mut metrics = String::new();
    let mut plans = String::new();
    let mut subscriptions = String::new();
    for case in CASES {
        let Case { name, metric, charge, .. } = case;
        let field = if name == "count" { "" } else { ", field_name: value" };
        let _ = writeln!(
            metrics,
            "      - {{ code: {name}, name: {name}, aggregation_type: {metric}{field} }}"
        );
        let _ = writeln!(
            plans,
            "      - code: {name}\n        name: {name}\n        interval: yearly\n        \
             charges:\n          - {{ billable_metric_code: {name}, {charge} }}"
        );
        for size in sizes {
            let _ = writeln!(
                subscriptions,
                "      - {{ external_id: {}, external_customer_id: {CUSTOMER}, plan_code: {name}, \
                 subscription_at: 2020-01-01 }}",
                case.subscription(*size)
            );
        }
    }
    format!(
        "organizations:\n  - external_id: {ORGANIZATION}\n    name: Bench\n    timezone: UTC\n    \
         default_currency: EUR\n    api_keys:\n      - sha256: {key_digest}\n    \
         billable_metrics:\n{metrics}    plans:\n{plans}    customers:\n      \
         - external_id: {CUSTOMER}\n        name: Bench\n    subscriptions:\n{subscriptions}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_values() {
        let sum = CASES.iter().find(|case| case.name == "sum").unwrap();
        for events in [0_u64, 1, 99, 100, 101, 250, 1234] {
            let right: u64 = (0..events).map(value).sum();
            assert_eq!(sum.units(events), Some(right), "{events}");
        }
    }
}
