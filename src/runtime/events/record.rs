//! The records that accepted events become: Lago's raw form (specification 4.8).

use std::fmt::Write;

use serde_json::Value;

use super::draft::{Draft, NewEvent};
use crate::core::instant::{Instant, SECOND};
use crate::core::period::text::write_millis;
use crate::core::properties::{Kind, Properties};

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

fn write_event(out: &mut String, organization: &str, event: &NewEvent, now: Instant) {
    let NewEvent { transaction, code, subscription, .. } = event;
    write_names(out, organization, transaction, code, subscription.as_deref());
    write_timestamp(out, event.timestamp);
    if let Some(cents) = &event.precise_cents {
        out.push_str(",\"precise_total_amount_cents\":\"");
        out.push_str(&cents.decstr());
        out.push('"');
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
