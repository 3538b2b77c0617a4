//! Events, and what is wrong with them, as Lago prints them (specification 9.7).

use serde_json::Value;

use super::events_query::Paging;
use crate::core::period::text::{write_millis, write_seconds};
use crate::core::properties::{Kind, Properties};
use crate::http::backend::{Fault, Recorded};
use crate::http::json;
use crate::http::openapi::{Named, Schema};

/// What an event is printed as.
pub static EVENT: Named = Named(
    "Event",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("transaction_id", Schema::Text),
        ("lago_customer_id", Schema::Null),
        ("code", Schema::Text),
        ("timestamp", Schema::Instant),
        ("precise_total_amount_cents", Schema::Maybe(&Schema::Decimal)),
        ("properties", Schema::Map(&Schema::Any)),
        ("lago_subscription_id", Schema::Null),
        ("external_subscription_id", Schema::Maybe(&Schema::Text)),
        ("created_at", Schema::Instant),
    ]),
);

/// `{"event":{…}}`.
pub fn one(event: &Recorded) -> String {
    let mut out = String::from("{\"event\":");
    write_event(&mut out, event);
    out.push('}');
    out
}

/// `{"events":[…]}`, with `meta` for a page of so many events in all.
pub fn many(events: &[Recorded], page: Option<(Paging, usize)>) -> String {
    let mut out = String::from("{\"events\":");
    json::list(&mut out, json::ARRAY, events, write_event);
    if let Some((paging, total)) = page {
        out.push_str(",\"meta\":");
        paging.write_meta(&mut out, total);
    }
    out.push('}');
    out
}

fn write_event(out: &mut String, recorded: &Recorded) {
    let event = &recorded.event;
    out.push_str("{\"lago_id\":");
    json::uuid(out, recorded.id);
    out.push_str(",\"transaction_id\":");
    json::string(out, &event.transaction);
    out.push_str(",\"lago_customer_id\":null,\"code\":");
    json::string(out, &event.code);
    out.push_str(",\"timestamp\":");
    // Writing to a string cannot fail.
    out.push('"');
    let _ = write_millis(out, event.timestamp);
    out.push('"');
    out.push_str(",\"precise_total_amount_cents\":");
    match &event.precise_cents {
        Some(cents) => json::decimal(out, cents),
        None => out.push_str("null"),
    }
    out.push_str(",\"properties\":");
    write_properties(out, event.properties.as_ref());
    out.push_str(",\"lago_subscription_id\":null,\"external_subscription_id\":");
    json::string_or_null(out, event.subscription.as_deref());
    out.push_str(",\"created_at\":\"");
    let _ = write_seconds(out, recorded.created_at);
    out.push_str("\"}");
}

/// Properties in the order they are kept. Numbers are printed as they are kept, all digits.
pub(in crate::http) fn write_properties(out: &mut String, properties: Properties<'_>) {
    json::list(out, json::OBJECT, properties.iter(), |out, (key, value)| {
        json::key(out, key);
        match value.kind {
            Kind::Null => out.push_str("null"),
            Kind::Text => json::string(out, value.text),
            Kind::Bool | Kind::Number => out.push_str(value.text),
            Kind::Tree => write_tree(out, value.text),
        }
    });
}

/// The text of a tree is JSON with blanks after its separators; answers have none.
fn write_tree(out: &mut String, text: &str) {
    match serde_json::from_str(text) {
        Ok(tree) => write_value(out, &tree),
        // Deeper than the parser goes, which events are not; the text is JSON all the same.
        Err(_) => out.push_str(text),
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) => json::string(out, text),
        Value::Array(items) => json::list(out, json::ARRAY, items, write_value),
        Value::Object(members) => {
            json::list(out, json::OBJECT, members, |out, (key, member)| {
                json::key(out, key);
                write_value(out, member);
            });
        }
    }
}

/// The details of refused events: those of the one event, or by index for a batch.
pub fn faults(faults: &[(usize, Fault)], batch: bool) -> String {
    let mut out = String::new();
    if batch {
        json::list(&mut out, json::OBJECT, faults, |out, (at, fault)| {
            json::key(out, &at.to_string());
            write_fault(out, fault);
        });
    } else if let Some((_, fault)) = faults.first() {
        write_fault(&mut out, fault);
    } else {
        out.push_str("{}");
    }
    out
}

fn write_fault(out: &mut String, fault: &Fault) {
    match fault {
        Fault::Expression(message) => {
            json::string(out, &format!("expression_evaluation_failed: {message}"));
        }
        Fault::Fields(fields) => {
            json::list(out, json::OBJECT, fields, |out, (name, reason)| {
                json::key(out, name);
                json::list(out, json::ARRAY, [*reason], json::string);
            });
        }
    }
}
