//! Strict validation of an event, as estimates ask for it (specification 9.8).
//!
//! Events that are stored are never checked this way: there, a wrong property only hides the event
//! from its aggregation.

use super::catalog::{Aggregation, BillableMetric, Subscription};
use super::decimal::Decimal;
use super::instant::Instant;
use super::value::Value;

/// The members of an event that are looked at, as sent; null where missing.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// `transaction_id`.
    pub transaction: Option<&'a str>,
    /// `external_subscription_id`.
    pub subscription: Option<&'a str>,
    /// `code`.
    pub code: Option<&'a str>,
    /// `timestamp`.
    pub timestamp: &'a Value,
    /// `properties`.
    pub properties: &'a Value,
}

/// Somebody who knows the tenant's rows, events and metrics.
pub trait Tenant {
    /// The subscription rows of any status with this external id.
    fn subscriptions(&self, external_id: &str) -> Vec<Subscription>;

    /// Whether an event with this transaction id is stored for this external id.
    fn has_stored(&self, external_id: &str, transaction: &str) -> bool;

    /// The metric with this code.
    fn metric(&self, code: &str) -> Option<&BillableMetric>;
}

/// The first check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 404 `subscription_not_found`.
    SubscriptionNotFound,
    /// 404 `billable_metric_not_found`.
    MetricNotFound,
    /// 422 with the member and what is wrong with it.
    Invalid {
        /// The member.
        field: &'static str,
        /// What is wrong.
        code: &'static str,
    },
}

/// What an acceptable event is about.
#[derive(Clone, Debug, PartialEq)]
pub struct About<'t> {
    /// The subscription it would count for.
    pub subscription: Subscription,
    /// Its metric.
    pub metric: &'t BillableMetric,
}

/// Checks an event at `now`.
///
/// # Errors
///
/// The first [`Problem`] in the order of 9.8.
pub fn check<'t>(
    sent: Sent<'_>,
    tenant: &'t impl Tenant,
    now: Instant,
) -> Result<About<'t>, Problem> {
    let invalid = |field, code| Problem::Invalid { field, code };
    let external_id = present(sent.subscription).ok_or(Problem::SubscriptionNotFound)?;
    let subscription = candidate(tenant.subscriptions(external_id), now);
    let subscription = subscription.ok_or(Problem::SubscriptionNotFound)?;
    if !is_time(sent.timestamp) {
        return Err(invalid("timestamp", "invalid_format"));
    }
    let transaction = present(sent.transaction);
    if transaction.is_none_or(|id| tenant.has_stored(external_id, id)) {
        return Err(invalid("transaction_id", "value_is_missing_or_already_exists"));
    }
    let metric = sent.code.and_then(|code| tenant.metric(code)).ok_or(Problem::MetricNotFound)?;
    if !has_number(metric, sent.properties) {
        return Err(invalid("properties", "value_is_not_valid_number"));
    }
    Ok(About { subscription, metric })
}

/// The row that counts among those with one external id: one that runs before one that has ended,
/// then the one that ended last, then the one that started last.
fn candidate(rows: Vec<Subscription>, now: Instant) -> Option<Subscription> {
    let begun = |row: &Subscription| row.started_at.is_some_and(|at| at.floor_second() <= now);
    let runs = |row: &Subscription| row.terminated_at.is_none_or(|at| at.floor_second() >= now);
    let rows = rows.into_iter().filter(|row| begun(row) && runs(row));
    rows.max_by_key(|row| (row.terminated_at.is_none(), row.terminated_at, row.started_at))
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

fn is_time(value: &Value) -> bool {
    match value {
        Value::Null | Value::Number(_) => true,
        Value::Text(text) => text.trim().is_empty() || is_number(text),
        Value::Bool(_) | Value::List(_) | Value::Object(_) => false,
    }
}

/// Whether the metric's field, if it is sent and aggregated as a number, is one.
fn has_number(metric: &BillableMetric, properties: &Value) -> bool {
    let numeric =
        matches!(metric.aggregation, Aggregation::Sum | Aggregation::Max | Aggregation::Latest);
    let field = metric.field_name.as_deref().filter(|_| numeric);
    match field.map_or(&Value::Null, |field| properties.get(field)) {
        Value::Null | Value::Number(_) => true,
        Value::Text(text) => is_number(text),
        Value::Bool(_) | Value::List(_) | Value::Object(_) => false,
    }
}

/// Wider than what aggregations count (4.2): spaces around, `_` between digits, sign, exponent.
fn is_number(text: &str) -> bool {
    !text.trim_end().ends_with('_') && Decimal::parse_amount(text).is_some()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::core::catalog::{BillingTime, Status, fixtures};
    use crate::core::instant::SECOND;

    const NOW: Instant = Instant(100 * SECOND);

    struct World {
        rows: Vec<Subscription>,
        metric: BillableMetric,
    }

    impl Tenant for World {
        fn subscriptions(&self, external_id: &str) -> Vec<Subscription> {
            self.rows.iter().filter(|row| row.external_id == external_id).cloned().collect()
        }

        fn has_stored(&self, external_id: &str, transaction: &str) -> bool {
            (external_id, transaction) == ("s", "stored")
        }

        fn metric(&self, code: &str) -> Option<&BillableMetric> {
            (code == "m").then_some(&self.metric)
        }
    }

    fn row(id: u128, started_at: i64, terminated_at: Option<i64>) -> Subscription {
        Subscription {
            id: Uuid::from_u128(id),
            external_id: "s".into(),
            customer: "c".into(),
            plan: Uuid::nil(),
            name: None,
            billing_time: BillingTime::Calendar,
            subscription_at: Instant(0),
            started_at: Some(Instant(started_at)),
            ending_at: None,
            terminated_at: terminated_at.map(Instant),
            status: Status::Active,
            previous: None,
            created_at: Instant(0),
        }
    }

    fn world(aggregation: Aggregation, rows: Vec<Subscription>) -> World {
        let field_name = Some("value".into());
        let metric = BillableMetric { field_name, ..fixtures::metric(0, "m", aggregation) };
        World { rows, metric }
    }

    const SENT: Sent<'static> = Sent {
        transaction: Some("t"),
        subscription: Some("s"),
        code: Some("m"),
        timestamp: &Value::Null,
        properties: &Value::Null,
    };

    fn problem(sent: Sent<'_>) -> Option<Problem> {
        check(sent, &world(Aggregation::Sum, vec![row(1, 0, None)]), NOW).err()
    }

    #[test]
    fn checks_fail_in_their_order() {
        let word = &Value::Text("soon".into());
        let properties = Value::Object(vec![("value".into(), word.clone())]);
        let all_wrong = Sent {
            transaction: Some(" "),
            subscription: Some(" "),
            code: Some("x"),
            timestamp: word,
            properties: &properties,
        };
        let invalid = |field, code| Some(Problem::Invalid { field, code });
        assert_eq!(problem(all_wrong), Some(Problem::SubscriptionNotFound));
        let unknown = Sent { subscription: Some("x"), ..all_wrong };
        assert_eq!(problem(unknown), Some(Problem::SubscriptionNotFound));
        let named = Sent { subscription: Some("s"), ..all_wrong };
        assert_eq!(problem(named), invalid("timestamp", "invalid_format"));
        let timed = Sent { timestamp: &Value::Null, ..named };
        let missing = invalid("transaction_id", "value_is_missing_or_already_exists");
        assert_eq!(problem(timed), missing);
        assert_eq!(problem(Sent { transaction: Some("stored"), ..timed }), missing);
        let identified = Sent { transaction: Some("t"), ..timed };
        assert_eq!(problem(identified), Some(Problem::MetricNotFound));
        let coded = Sent { code: Some("m"), ..identified };
        assert_eq!(problem(coded), invalid("properties", "value_is_not_valid_number"));
        assert_eq!(problem(SENT), None);
    }

    #[test]
    fn numbers_may_be_spelled_in_many_ways() {
        let text = |text: &str| Value::Text(text.into());
        for (value, is_time, is_amount) in [
            (Value::Null, true, true),
            (Value::Number("1.5".into()), true, true),
            (text(" +1_000.5e3 "), true, true),
            (text("-2"), true, true),
            (text(""), true, false),
            (text("12_"), false, false),
            (text("2024-01-01T00:00:00Z"), false, false),
            (Value::Bool(true), false, false),
            (Value::List(Vec::new()), false, false),
        ] {
            let timed = problem(Sent { timestamp: &value, ..SENT });
            assert_eq!(timed.is_none(), is_time, "{value:?}");
            let properties = Value::Object(vec![("value".into(), value.clone())]);
            let sent = Sent { properties: &properties, ..SENT };
            assert_eq!(problem(sent).is_none(), is_amount, "{value:?}");
            let unique = world(Aggregation::UniqueCount, vec![row(1, 0, None)]);
            assert!(check(sent, &unique, NOW).is_ok(), "only numbers are looked at");
        }
    }

    #[test]
    fn the_row_that_runs_counts() {
        let find = |rows| {
            let world = world(Aggregation::Count, rows);
            let found = check(SENT, &world, NOW);
            found.ok().map(|about| about.subscription.id.as_u128())
        };
        let later = NOW.micros() + 5 * SECOND;
        assert_eq!(find(vec![row(1, 0, None), row(2, 5, Some(later))]), Some(1));
        assert_eq!(find(vec![row(1, 0, None), row(2, 5, None)]), Some(2));
        assert_eq!(find(vec![row(1, 5, Some(later)), row(2, 0, Some(later + 1))]), Some(2));
        // Seconds count, not what is below them.
        assert_eq!(find(vec![row(1, NOW.micros() + 1, None)]), Some(1));
        assert_eq!(find(vec![row(1, 0, Some(NOW.micros()))]), Some(1));
        assert_eq!(find(vec![row(1, 0, Some(NOW.micros() - 1))]), None);
        assert_eq!(find(vec![row(1, NOW.micros() + SECOND, None)]), None);
        let mut pending = row(1, 0, None);
        pending.started_at = None;
        assert_eq!(find(vec![pending]), None);
    }
}
