//! The records that accepted events become: Lago's raw form (specification 4.8).

use std::fmt::Write;

use serde_json::Value;

use super::draft::{Draft, NewEvent};
use crate::core::decimal::Decimal;
use crate::core::event::Event;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::text::write_millis;
use crate::core::properties::{Kind, Origin, Properties};

/// Tells the fold that the expression was applied before the append (4.5).
const SOURCE: &str = "http_ruby";

/// The record of one request: an object for one event, an array for a batch. One record, so that a
/// crash leaves all of a batch or nothing of it.
pub fn of_events(organization: &str, events: &[NewEvent], batch: bool, now: Instant) -> String {
    let mut out = String::new();
    if batch {
        out.push('[');
    }
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_event(&mut out, organization, event, now);
    }
    if batch {
        out.push(']');
    }
    out
}

/// A draft as it will be read back: the event is checked by the rules that the fold applies.
pub(super) fn of_draft(
    organization: &str,
    transaction: &str,
    code: &str,
    timestamp: Instant,
    draft: &Draft,
) -> String {
    let mut out = String::new();
    write_names(&mut out, organization, transaction, code, draft.subscription.as_deref());
    write_timestamp(&mut out, timestamp);
    if let Some(cents) = &draft.precise_cents {
        out.push_str(",\"precise_total_amount_cents\":");
        write_text(&mut out, cents);
    }
    out.push_str(",\"properties\":");
    out.push_str(draft.properties.as_deref().unwrap_or("{}"));
    out.push('}');
    out
}

/// An event as it was read, for one that is refused only then.
pub fn of_event(event: &Event<'_>) -> String {
    let mut out = String::new();
    let Event { organization, transaction, code, subscription, .. } = *event;
    write_names(&mut out, organization, transaction, code, subscription);
    write_timestamp(&mut out, event.timestamp);
    if let Some(cents) = &event.precise_cents {
        write_cents(&mut out, cents);
    }
    out.push_str(",\"properties\":");
    write_properties(&mut out, event.properties.as_sent().as_ref());
    if event.evaluated || event.properties.origin() == Origin::Producer {
        let _ = write!(out, ",\"source\":\"{SOURCE}\"");
    }
    out.push('}');
    out
}

fn write_event(out: &mut String, organization: &str, event: &NewEvent, now: Instant) {
    let NewEvent { transaction, code, subscription, .. } = event;
    write_names(out, organization, transaction, code, subscription.as_deref());
    write_timestamp(out, event.timestamp);
    if let Some(cents) = &event.precise_cents {
        write_cents(out, cents);
    }
    out.push_str(",\"properties\":");
    write_properties(out, event.properties.as_ref());
    out.push_str(",\"ingested_at\":\"");
    // Lago writes this one without a zone.
    let mut ingested = String::new();
    let _ = write_millis(&mut ingested, now);
    out.push_str(ingested.trim_end_matches('Z'));
    let _ = write!(out, "\",\"source\":\"{SOURCE}\",");
    out.push_str("\"source_metadata\":{\"api_post_processed\":true}}");
}

fn write_names(
    out: &mut String,
    organization: &str,
    transaction: &str,
    code: &str,
    subscription: Option<&str>,
) {
    out.push_str("{\"organization_id\":");
    write_text(out, organization);
    if let Some(subscription) = subscription {
        out.push_str(",\"external_subscription_id\":");
        write_text(out, subscription);
    }
    out.push_str(",\"transaction_id\":");
    write_text(out, transaction);
    out.push_str(",\"code\":");
    write_text(out, code);
}

fn write_cents(out: &mut String, cents: &Decimal) {
    let _ = write!(out, ",\"precise_total_amount_cents\":\"{}\"", cents.decstr());
}

/// Seconds with six decimals: exact for every instant.
fn write_timestamp(out: &mut String, at: Instant) {
    let sign = if at.micros() < 0 { "-" } else { "" };
    let (micros, second) = (at.micros().unsigned_abs(), SECOND.unsigned_abs());
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"timestamp\":\"{sign}{}.{:06}\"", micros / second, micros % second);
}

fn write_text(out: &mut String, text: &str) {
    let _ = write!(out, "{}", Value::from(text));
}

/// Canonical properties are read back as the very same ones.
fn write_properties(out: &mut String, properties: Properties<'_>) {
    out.push('{');
    for (at, (key, value)) in properties.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        match value.kind {
            Kind::Null => out.push_str("null"),
            Kind::Text => write_text(out, value.text),
            // These texts are JSON themselves.
            Kind::Bool | Kind::Number | Kind::Tree => out.push_str(value.text),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::properties::PropertiesBuf;
    use crate::log::decode::{Decoder, Limits};

    fn properties() -> impl Strategy<Value = PropertiesBuf> {
        let number = (any::<i64>(), 0_u32..30).prop_map(|(digits, scale)| {
            (Kind::Number, Decimal::from_i64(digits).div_pow10(scale).to_string())
        });
        let tree = prop_oneof![Just("[]"), Just("{\"a\": [1.50, \"<\"], \"bb\": null}")];
        let value = prop_oneof![
            Just((Kind::Null, String::new())),
            any::<bool>().prop_map(|value| (Kind::Bool, value.to_string())),
            number,
            "[^\\x00]{0,12}".prop_map(|text| (Kind::Text, text)),
            tree.prop_map(|tree| (Kind::Tree, tree.to_owned())),
        ];
        proptest::collection::btree_map("[^\\x00]{0,6}", value, 0..6).prop_map(|members| {
            let mut properties = PropertiesBuf::new();
            for (key, (kind, text)) in members {
                properties.push(&key, kind, &text);
            }
            properties
        })
    }

    fn event() -> impl Strategy<Value = NewEvent> {
        let name = "[^\\x00 \\s][^\\x00]{0,8}";
        (name, proptest::option::of("[^\\x00]{0,8}"), name, any::<i64>(), properties()).prop_map(
            |(transaction, subscription, code, micros, properties)| NewEvent {
                transaction,
                subscription,
                code,
                timestamp: Instant(micros),
                precise_cents: (micros % 3 != 0).then(|| Decimal::from_i64(micros).div_pow10(9)),
                properties,
            },
        )
    }

    proptest! {
        /// What is written is what the fold reads: nothing is lost, refused or evaluated again.
        #[test]
        fn records_are_read_back_as_they_were_accepted(
            events in proptest::collection::vec(event(), 1..4),
        ) {
            let batch = events.len() > 1;
            let record = of_events("o\"rg", &events, batch, Instant(7));
            let mut read = Vec::new();
            Decoder::new().decode(Some(record.as_bytes()), &Limits::default(), &mut |_, event| {
                let event = event.unwrap();
                assert_eq!((event.organization, event.evaluated), ("o\"rg", true));
                read.push(NewEvent {
                    transaction: event.transaction.to_owned(),
                    subscription: event.subscription.map(str::to_owned),
                    code: event.code.to_owned(),
                    timestamp: event.timestamp,
                    precise_cents: event.precise_cents,
                    properties: event.properties.to_owned(),
                });
            });
            prop_assert_eq!(read, events);
        }

        /// So is one that was read and is written down for being refused.
        #[test]
        fn an_event_is_read_back_as_it_was_read(drawn in event(), evaluated in any::<bool>()) {
            let event = Event {
                organization: "o",
                subscription: drawn.subscription.as_deref(),
                transaction: &drawn.transaction,
                code: &drawn.code,
                timestamp: drawn.timestamp,
                properties: drawn.properties.as_ref(),
                precise_cents: drawn.precise_cents.clone(),
                evaluated,
            };
            let record = of_event(&event);
            let mut count = 0;
            Decoder::new().decode(Some(record.as_bytes()), &Limits::default(), &mut |_, read| {
                assert_eq!(read.as_ref(), Ok(&event));
                count += 1;
            });
            prop_assert_eq!(count, 1);
        }
    }
}
