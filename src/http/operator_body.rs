//! What the operator is answered, as JSON. The commands of the program print the same.

use super::json::{self, ARRAY, Object};
use crate::core::instant::Instant;
use crate::runtime::backup::Made;
use crate::runtime::operator::{Gap, Gaps, Rejected, RejectedPage, Stopped};
use crate::runtime::replay::Replayed;

/// Partitions that stand still, and gaps that were accepted.
pub fn gaps(gaps: &Gaps) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.member("stopped", |out| json::list(out, ARRAY, &gaps.stopped, stopped));
        object.member("accepted", |out| json::list(out, ARRAY, &gaps.accepted, gap));
    });
    out
}

fn stopped(out: &mut String, stopped: &Stopped) {
    let stop = &stopped.stop;
    Object::print(out, |object| {
        object.text("partition", &stopped.partition).text("reason", stop.reason);
        object.integer("expected_offset", stop.expected);
        object.maybe("available_from", stop.available.map(|(low, _)| low), json::integer);
        object.maybe("available_to", stop.available.map(|(_, high)| high), json::integer);
        object.text("detail", &stop.detail);
    });
}

/// A gap that was accepted.
pub fn accepted(accepted: &Gap) -> String {
    let mut out = String::new();
    gap(&mut out, accepted);
    out
}

fn gap(out: &mut String, gap: &Gap) {
    Object::print(out, |object| {
        object.text("partition", &format!("{}-{}", gap.topic, gap.partition));
        object.text("reason", &gap.reason).integer("expected_offset", gap.expected);
        object.integer("available_from", gap.low).integer("available_to", gap.high);
        object.integer("from_offset", gap.from).integer("records", count(gap.records));
        object.seconds("accepted_at", gap.at).text("by", &gap.by).text("note", &gap.note);
    });
}

/// A page of rejected records, without their bytes.
pub fn rejected(page: &RejectedPage) -> String {
    let (mut out, state) = (String::new(), page.state);
    Object::print(&mut out, |object| {
        object.member("rejected", |out| {
            json::list(out, ARRAY, &page.entries, |out, (number, entry)| {
                Object::print(out, |object| head(object, *number, entry));
            });
        });
        object.maybe("next", page.next.map(count), json::integer);
        object.integer("first", count(state.first)).integer("end", count(state.next));
        object.integer("bytes", count(state.bytes)).integer("dropped", count(state.dropped));
    });
    out
}

/// One rejected record. Bytes that are no text are told by their length alone.
pub fn record(number: u64, entry: &Rejected) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        head(object, number, entry);
        object.maybe_text("text", std::str::from_utf8(&entry.bytes).ok());
    });
    out
}

fn head(object: &mut Object<'_>, number: u64, entry: &Rejected) {
    object.integer("number", count(number)).text("partition", &entry.source);
    object.integer("offset", entry.offset).integer("index", i64::from(entry.index));
    object.text("reason", &entry.reason).text("detail", &entry.detail);
    let at = |out: &mut String, at: Instant| json::millis(out, at);
    object.member("log_time", |out| at(out, entry.log_time));
    object.integer("bytes", i64::try_from(entry.bytes.len()).unwrap_or(i64::MAX));
    object.maybe_seconds("replayed_at", entry.replayed);
}

/// What became of records that were replayed.
pub fn replayed(replayed: Replayed) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.integer("replayed", count(replayed.replayed));
        object.integer("replayed_before", count(replayed.before));
        object.integer("refused_again", count(replayed.refused));
        object.integer("waiting", count(replayed.waiting));
    });
    out
}

/// A backup that was made.
pub fn backup(made: &Made) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.text("backup", &made.name);
        object.integer("files", count(made.files)).integer("bytes", count(made.bytes));
        object.integer("sent_files", count(made.sent_files));
        object.integer("sent_bytes", count(made.sent_bytes));
    });
    out
}

/// Why a request is not granted.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> String {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.integer("status", i64::from(status)).text("code", code).text("message", message);
    });
    out
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
