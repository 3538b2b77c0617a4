//! Stories of events as JSON. Names are stable: members may be added, none changes its meaning.

use crate::core::catalog::Subscription;
use crate::core::catalog::ingestion::Voided;
use crate::core::instant::Instant;
use crate::core::usage::explain::{Fate, Outcome, Story, Taken, Waiting, Worth};
use crate::http::backend::{Told, ToldCopy};
use crate::http::json::{self, Object};
use crate::http::openapi::{CONDITION, MAYBE_INSTANT, MAYBE_TEXT, Named, Schema};
use crate::http::v1::current_usage_body::{filter_values, values};
use crate::http::v1::events_body::write_properties;

/// What [`print`] prints under its root key.
pub static STORY: Named = Named(
    "EventStory",
    Schema::Object(&[
        ("transaction_id", Schema::Text),
        ("external_subscription_id", MAYBE_TEXT),
        ("told_at", Schema::Instant),
        ("copies", Schema::List(&Schema::Either(&[COPY, DUPLICATE, REJECTED]))),
        ("more_copies", Schema::Flag),
        (
            "rejected_records",
            Schema::Object(&[("looked_at", Schema::Integer), ("kept", Schema::Integer)]),
        ),
    ]),
);
const COPY: Schema = Schema::Object(&[
    ("outcome", Schema::Text),
    ("reason", MAYBE_TEXT),
    ("position", Schema::Text),
    ("index", Schema::Integer),
    ("received_at", Schema::Instant),
    ("external_subscription_id", MAYBE_TEXT),
    ("code", Schema::Text),
    ("timestamp", Schema::Instant),
    ("properties", Schema::Map(&Schema::Any)),
    ("waiting_for", Schema::List(&Schema::Text)),
    (
        "subscription",
        Schema::Maybe(&Schema::Object(&[
            ("lago_id", Schema::Id),
            ("external_customer_id", Schema::Text),
            ("status", Schema::Text),
            ("plan_code", MAYBE_TEXT),
            ("started_at", MAYBE_INSTANT),
            ("ends_at", MAYBE_INSTANT),
        ])),
    ),
    (
        "window",
        Schema::Maybe(&Schema::Object(&[
            ("from_datetime", Schema::Instant),
            ("to_datetime", Schema::Instant),
            ("relation", Schema::Text),
        ])),
    ),
    ("fates", Schema::List(&Schema::Ref(&FATE))),
]);
const DUPLICATE: Schema = Schema::Object(&[
    ("outcome", Schema::Word(&["duplicate"])),
    ("reason", Schema::Text),
    ("position", Schema::Text),
    ("index", Schema::Integer),
    ("received_at", Schema::Instant),
    ("duplicate_of", Schema::Object(&[("position", Schema::Text), ("index", Schema::Integer)])),
]);
const REJECTED: Schema = Schema::Object(&[
    ("outcome", Schema::Word(&["rejected"])),
    ("reason", Schema::Text),
    ("detail", Schema::Text),
    ("position", Schema::Text),
    ("index", Schema::Integer),
    ("received_at", Schema::Instant),
    ("record", Schema::Text),
]);
static FATE: Named = Named(
    "EventFate",
    Schema::Object(&[
        ("fate", Schema::Text),
        (
            "charge",
            Schema::Object(&[
                ("lago_id", Schema::Id),
                ("code", Schema::Text),
                ("charge_model", Schema::Text),
            ]),
        ),
        (
            "billable_metric",
            Schema::Object(&[
                ("lago_id", Schema::Id),
                ("code", Schema::Text),
                ("aggregation_type", Schema::Text),
                ("field_name", MAYBE_TEXT),
            ]),
        ),
        ("value", MAYBE_TEXT),
        ("operation", MAYBE_TEXT),
        (
            "buckets",
            Schema::List(&Schema::Object(&[
                (
                    "filter",
                    Schema::Maybe(&Schema::Object(&[
                        ("lago_id", Schema::Id),
                        ("invoice_display_name", MAYBE_TEXT),
                        ("values", CONDITION),
                    ])),
                ),
                ("grouped_by", Schema::Map(&MAYBE_TEXT)),
            ])),
        ),
    ]),
);

/// Bytes of a refused record that are shown.
const RECORD_BYTES_SHOWN: usize = 4096;

/// Prints all stories of a transaction id.
pub fn print(told: &Told<'_>) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.member("story", |out| Object::print(out, |object| whole(object, told)));
    });
    out
}

fn whole(object: &mut Object<'_>, told: &Told<'_>) {
    object.text("transaction_id", told.transaction);
    object.maybe_text("external_subscription_id", told.subscription);
    object.seconds("told_at", told.now);
    object.member("copies", |out| {
        let mut first = true;
        out.push('[');
        for copy in &told.copies {
            separate(out, &mut first);
            stored(out, copy, told.now);
            for (place, position) in &copy.duplicates {
                separate(out, &mut first);
                let stands = (place.as_str(), position.offset, position.index);
                duplicate(out, stands, position.log_time, copy);
            }
        }
        for refused in &told.refused.records {
            separate(out, &mut first);
            Object::print(out, |object| {
                object.text("outcome", "rejected").text("reason", &refused.reason);
                object.text("detail", &refused.detail);
                place(object, (&refused.source, refused.offset, refused.index));
                object.member("received_at", |out| json::millis(out, refused.log_time));
                object.text("record", &shown(&refused.bytes));
            });
        }
        out.push(']');
    });
    object.flag("more_copies", told.more);
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    object.member("rejected_records", |out| {
        Object::print(out, |object| {
            object.integer("looked_at", number(told.refused.looked_at));
            object.integer("kept", number(told.refused.kept));
        });
    });
}

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}

fn place(object: &mut Object<'_>, (source, offset, index): (&str, i64, u32)) {
    object.text("position", &format!("{source}:{offset}")).integer("index", i64::from(index));
}

/// The start of a record as text, whatever its bytes are.
fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(RECORD_BYTES_SHOWN)];
    String::from_utf8_lossy(start).into_owned()
}

fn stands<'a>(copy: &'a ToldCopy<'_>) -> (&'a str, i64, u32) {
    (&copy.place, copy.event.position.offset, copy.event.position.index)
}

/// A copy that was kept.
fn stored(out: &mut String, copy: &ToldCopy<'_>, now: Instant) {
    let event = copy.event;
    Object::print(out, |object| {
        let outcome = copy.story.as_ref().map(|story| &story.outcome);
        object.text("outcome", outcome.map_or("no_subscription_id", Outcome::name));
        object.maybe_text("reason", reason(copy).as_deref());
        place(object, stands(copy));
        object.member("received_at", |out| json::millis(out, event.position.log_time));
        object.maybe_text("external_subscription_id", copy.subscription);
        object.text("code", &event.code);
        object.member("timestamp", |out| json::millis(out, event.timestamp));
        object.member("properties", |out| write_properties(out, event.properties.as_ref()));
        let waiting = match outcome {
            Some(Outcome::Waiting(waiting)) => *waiting,
            _ => Waiting::default(),
        };
        let needs = needs(waiting);
        object.array("waiting_for", needs, json::string);
        let story = copy.story.as_ref();
        object.member("subscription", |out| match story {
            Some(Story { subscription: Some(row), plan, .. }) => {
                subscription(out, row, plan.map(|plan| plan.code.as_str()), now);
            }
            _ => out.push_str("null"),
        });
        object.maybe("window", story.and_then(|story| story.window), |out, told| {
            let (window, relation) = told;
            Object::print(out, |object| {
                object.seconds("from_datetime", window.from).seconds("to_datetime", window.to);
                object.text("relation", relation.name());
            });
        });
        let fates = story.map_or(&[][..], |story| story.fates.as_slice());
        object.array("fates", fates, fate);
    });
}

fn needs(waiting: Waiting) -> impl Iterator<Item = &'static str> {
    let Waiting { subscription, metric, charge } = waiting;
    let all = [(subscription, "subscription"), (metric, "billable_metric"), (charge, "charge")];
    all.into_iter().filter_map(|(waits, name)| waits.then_some(name))
}

/// A copy that lost against one with a smaller position.
fn duplicate(out: &mut String, at: (&str, i64, u32), received_at: Instant, winner: &ToldCopy<'_>) {
    Object::print(out, |object| {
        object.text("outcome", "duplicate");
        object.text("reason", "a copy with a smaller position counts");
        place(object, at);
        object.member("received_at", |out| json::millis(out, received_at));
        object.member("duplicate_of", |out| {
            Object::print(out, |object| place(object, stands(winner)));
        });
    });
}

/// Says in words what the outcome says in one; none where there is nothing to explain.
fn reason(copy: &ToldCopy<'_>) -> Option<String> {
    let Some(story) = &copy.story else {
        return Some("an event without external_subscription_id never counts".to_owned());
    };
    let words = match &story.outcome {
        Outcome::Applied => return None,
        Outcome::OtherWindow => "it counts in a window that current usage does not show",
        Outcome::Waiting(waiting) if waiting.subscription => {
            "no subscription has its external_subscription_id"
        }
        Outcome::Waiting(waiting) if waiting.metric => "no billable metric has its code",
        Outcome::Waiting(_) => "no charge of the plan is on its billable metric",
        Outcome::BeforeSubscription => "it happened before the subscription started",
        Outcome::AfterSubscription => "it happened after the subscription ended",
        Outcome::NoWindow => "it happened at an instant that no billing period has",
        Outcome::NotNumeric => "the property that is aggregated holds no number",
        Outcome::Unmatched => "no bucket of the charges takes it",
        Outcome::Void(Voided::Deleted(_)) => {
            "its billable metric was deleted after it was received"
        }
        Outcome::Void(Voided::Expression(message)) => {
            return Some(format!("the expression of its billable metric failed: {message}"));
        }
    };
    Some(words.to_owned())
}

fn subscription(out: &mut String, row: &Subscription, plan: Option<&str>, now: Instant) {
    Object::print(out, |object| {
        object.id("lago_id", row.id).text("external_customer_id", &row.customer);
        object.text("status", row.status_at(now).name()).maybe_text("plan_code", plan);
        object.maybe_seconds("started_at", row.started_at);
        object.maybe_seconds("ends_at", row.ends_at());
    });
}

/// What one charge makes of the event.
fn fate(out: &mut String, fate: &Fate<'_>) {
    Object::print(out, |object| {
        object.text("fate", fate.kind.name());
        object.member("charge", |out| {
            Object::print(out, |object| {
                object.id("lago_id", fate.charge.id).text("code", &fate.charge.code);
                object.text("charge_model", fate.charge.model.kind().name());
            });
        });
        object.member("billable_metric", |out| {
            Object::print(out, |object| {
                object.id("lago_id", fate.metric.id).text("code", &fate.metric.code);
                object.text("aggregation_type", fate.metric.aggregation.name());
                object.maybe_text("field_name", fate.metric.field_name.as_deref());
            });
        });
        match &fate.worth {
            None => {
                object.null("value").null("operation");
            }
            Some(Worth::Number(value)) => {
                object.member("value", |out| json::decimal(out, value)).null("operation");
            }
            Some(Worth::Distinct { value, adds }) => {
                object.maybe_text("value", value.as_deref());
                object.text("operation", if *adds { "add" } else { "remove" });
            }
        }
        object.array("buckets", &fate.buckets, bucket);
    });
}

fn bucket(out: &mut String, bucket: &Taken<'_>) {
    Object::print(out, |object| {
        object.maybe("filter", bucket.filter, |out, filter| {
            Object::print(out, |object| {
                object.id("lago_id", filter.id);
                object.maybe_text("invoice_display_name", filter.invoice_display_name.as_deref());
                object.member("values", |out| filter_values(out, &filter.values));
            });
        });
        object.member("grouped_by", |out| values(out, &bucket.group));
    });
}
