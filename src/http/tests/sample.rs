//! The complete example of the specification (2.8).

use uuid::Uuid;

use crate::core::catalog::{
    Aggregation, BillableMetric, BillingTime, Charge, ChargeFilter, Status, Subscription, fixtures,
};
use crate::core::decimal::Decimal;
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::period::{Date, Window};
use crate::core::position::{Position, Source};
use crate::core::pricing::Model;
use crate::core::pricing::standard::Standard;
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::usage::explain::{Fate, FateKind, Outcome, Relation, Story, Taken, Worth};
use crate::core::usage::{ChargeUsage, CurrentUsage, FilterUsage, Sum};
use crate::http::backend::{Draft, Found, NewEvent, PrintStory, Recorded, Told, ToldCopy};
use crate::runtime::events::refused::{RefusedCopies, Rejected};

/// Its body, byte for byte.
pub const BODY: &str = concat!(
    r#"{"customer_usage":{"from_datetime":"2024-03-01T00:00:00Z","#,
    r#""to_datetime":"2024-03-31T23:59:59Z","issuing_date":"2024-03-31","currency":"EUR","#,
    r#""amount_cents":70,"total_amount_cents":84,"taxes_amount_cents":14,"#,
    r#""lago_invoice_id":null,"charges_usage":[{"units":"5.0","total_aggregated_units":"5.0","#,
    r#""events_count":5,"amount_cents":70,"amount_currency":"EUR","#,
    r#""pricing_unit_details":null,"charge":{"#,
    r#""lago_id":"1a901a90-1a90-1a90-1a90-1a901a901a90","code":"api_calls","#,
    r#""charge_model":"standard","invoice_display_name":null},"billable_metric":{"#,
    r#""lago_id":"2a901a90-1a90-1a90-1a90-1a901a901a90","name":"API calls","#,
    r#""code":"api_calls","aggregation_type":"count_agg"},"filters":[{"units":"2.0","#,
    r#""total_aggregated_units":"2.0","events_count":2,"amount_cents":40,"#,
    r#""pricing_unit_details":null,"invoice_display_name":null,"values":{"region":["eu"]},"#,
    r#""presentation_breakdowns":[]},{"units":"3.0","total_aggregated_units":"3.0","#,
    r#""events_count":3,"amount_cents":30,"pricing_unit_details":null,"#,
    r#""invoice_display_name":null,"values":null,"presentation_breakdowns":[]}],"#,
    r#""grouped_usage":[],"presentation_breakdowns":[]}]}}"#,
);

pub fn decimal(text: &str) -> Decimal {
    Decimal::parse_literal(text).unwrap()
}

fn standard(amount: &str) -> Model {
    Model::Standard(Standard { amount: decimal(amount) })
}

/// `region: ["eu"]` at 0.20.
pub fn filter() -> ChargeFilter {
    fixtures::filter(3, ("region", "eu"), standard("0.20"))
}

/// The charge at 0.10 with its filter.
pub fn charge() -> Charge {
    Charge {
        id: Uuid::from_u128(0x1a90_1a90_1a90_1a90_1a90_1a90_1a90_1a90),
        code: "api_calls".into(),
        metric: metric().id,
        filters: vec![filter()],
        ..fixtures::charge(0, 0, standard("0.10"))
    }
}

/// The metric.
pub fn metric() -> BillableMetric {
    let number = 0x2a90_1a90_1a90_1a90_1a90_1a90_1a90_1a90;
    let name = "API calls".to_owned();
    BillableMetric { name, ..fixtures::metric(number, "api_calls", Aggregation::Count) }
}

/// Units of counted events and what they cost.
pub fn sum<'a>(units: i64, amount_cents: i64) -> Sum<'a> {
    Sum {
        units: Decimal::from(units),
        total_aggregated_units: Decimal::from(units),
        events_count: units,
        amount_cents,
        pricing_unit: None,
    }
}

/// The row of the charge.
pub fn row<'a>(charge: &'a Charge, metric: &'a BillableMetric) -> ChargeUsage<'a> {
    let filter = |filter, sum| FilterUsage { filter, sum, breakdowns: Vec::new() };
    ChargeUsage {
        charge,
        metric,
        sum: sum(5, 70),
        filters: vec![filter(charge.filters.first(), sum(2, 40)), filter(None, sum(3, 30))],
        grouped: Vec::new(),
        breakdowns: Vec::new(),
    }
}

/// A usage in March 2024 with these rows.
pub fn usage(charges: Vec<ChargeUsage<'_>>) -> CurrentUsage<'_> {
    CurrentUsage {
        window: Window { from: Instant(1_709_251_200_000_000), to: Instant(1_711_929_599_999_999) },
        issuing_date: Date::from_ymd(2024, 3, 31),
        currency: "EUR",
        amount_cents: 70,
        taxes_amount_cents: 14,
        total_amount_cents: 84,
        charges,
    }
}

/// An event as it is recorded: what the draft lacks is `-`, 1.5 s after the epoch.
pub fn recorded(draft: Draft) -> Recorded {
    let mut properties = PropertiesBuf::new();
    properties.push("n", Kind::Number, "1000.0");
    properties.push("t", Kind::Text, "a<b");
    properties.push("o", Kind::Tree, "{\"k\": [1, null]}");
    properties.push("z", Kind::Null, "");
    let text = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    Recorded {
        id: Uuid::from_u128(7),
        created_at: Instant::from_millis(1500),
        event: NewEvent {
            transaction: text(draft.transaction),
            subscription: draft.subscription,
            code: text(draft.code),
            timestamp: Instant::from_millis(1500),
            precise_cents: draft.precise_cents.and_then(|text| Decimal::parse_leading(&text)),
            properties,
        },
    }
}

/// The story of an event that one filter of the charge takes, of a copy that it replaced, and of
/// one that was refused.
pub fn story(transaction: &str, subscription: Option<&str>, print: PrintStory) -> Found {
    const MARCH: i64 = 1_709_251_200_000_000;
    const DAY: i64 = 86_400_000_000;
    let mut properties = PropertiesBuf::new();
    properties.push("region", Kind::Text, "eu");
    let at = |topic, partition, offset, index, day| Position {
        log_time: Instant(MARCH + day * DAY),
        source: Source::new(topic, partition),
        offset,
        index,
    };
    let event = UsageBuf {
        code: "api_calls".into(),
        timestamp: Instant(MARCH + 3 * DAY),
        position: at(0, 1, 7, 2, 4),
        transaction: transaction.into(),
        properties,
        precise_cents: None,
    };
    let row = Subscription {
        id: Uuid::from_u128(5),
        external_id: "s".into(),
        customer: "c".into(),
        plan: Uuid::nil(),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(0),
        started_at: Some(Instant(1_704_067_200_000_000)),
        ending_at: None,
        terminated_at: None,
        status: Status::Active,
        previous: None,
        created_at: Instant(0),
    };
    let (charge, metric) = (charge(), metric());
    let window = Window { from: Instant(MARCH), to: Instant(MARCH + 31 * DAY - 1) };
    let group = vec![("cloud".into(), Some("aws".into())), ("zone".into(), None)];
    let told = Story {
        outcome: Outcome::Applied,
        subscription: Some(&row),
        plan: None,
        window: Some((window, Relation::Current)),
        fates: vec![Fate {
            charge: &charge,
            metric: &metric,
            kind: FateKind::Applied,
            worth: Some(Worth::Number(decimal("1"))),
            buckets: vec![Taken { filter: charge.filters.first(), group }],
        }],
    };
    let record = Rejected {
        source: "events_raw-0".into(),
        offset: 3,
        index: 1,
        reason: "invalid_format".into(),
        detail: "timestamp: invalid_format".into(),
        log_time: Instant(MARCH + 5 * DAY),
        bytes: b"{\"a\":1}".to_vec(),
        replayed: None,
    };
    let refused = RefusedCopies { records: vec![record], looked_at: 1, kept: 2 };
    let copy = ToldCopy {
        subscription: Some("s"),
        event: &event,
        place: "events_raw-1".into(),
        duplicates: vec![("events_raw-0".into(), at(0, 0, 9, 0, 5))],
        story: Some(told),
    };
    Found::Told(print(&Told {
        transaction,
        subscription,
        now: Instant(MARCH + 14 * DAY),
        copies: vec![copy],
        more: false,
        refused: &refused,
    }))
}
