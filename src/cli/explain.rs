//! `odometer explain`: why an event counts, or does not, as a running service tells it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Failure;
use super::client::Address;
use crate::config::{API_KEY, URL};

/// Subcommands of `odometer explain`.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Tell where an event went: charges, filters, groups and window, or why it does not count
    Event(EventArgs),
}

/// Which event, and whom to ask.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// The transaction id of the event
    transaction: String,
    /// Only the event of this external subscription id
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Where the service answers [env: ODOMETER_URL] [default: the address in the settings]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An API key of the organization [env: ODOMETER_API_KEY]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Print the answer as it comes
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand. `listen` tells where the settings say that the service listens.
pub fn run(
    command: &ExplainCommand,
    env: &BTreeMap<String, String>,
    listen: impl FnOnce() -> Result<SocketAddr, Failure>,
) -> Result<(), Failure> {
    let ExplainCommand::Event(args) = command;
    let given = |flag: &Option<String>, variable: &str| {
        flag.clone().or_else(|| env.get(variable).filter(|text| !text.is_empty()).cloned())
    };
    let address = match given(&args.url, URL) {
        Some(url) => Address::parse(&url)?,
        None => Address::of_listener(listen()?),
    };
    let key = given(&args.key, API_KEY).ok_or_else(|| {
        let hint = format!("set {API_KEY}, or pass --key, with a key that may read events");
        format!("no API key is given\n  hint: {hint}")
    })?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/odometer/v1/events/{}/story", encode(&args.transaction));
    if let Some(id) = &args.subscription {
        let _ = write!(path, "?external_subscription_id={}", encode(id));
    }
    let (status, body) = address.get(&path, &key)?;
    let told: Value = serde_json::from_str(&body).unwrap_or_default();
    match status {
        200 if args.json => println!("{body}"),
        200 => print!("{}", words(&told["story"])),
        404 if told["code"] == "event_story_not_found" => {
            let partly = told["error_details"]["rejected"][0] == "not_found_in_newest";
            let which = if partly { "the newest rejected records" } else { "the rejected records" };
            let id = &args.transaction;
            return Err(format!("neither the ledger nor {which} have an event {id}").into());
        }
        status => return Err(format!("the service answers {status}\n  {body}").into()),
    }
    Ok(())
}

/// A story in words, a copy after the other.
fn words(story: &Value) -> String {
    let mut out = format!("event {}\n", plain(&story["transaction_id"]));
    for copy in items(&story["copies"]) {
        let at = format!("{}, index {}", plain(&copy["position"]), plain(&copy["index"]));
        let _ = writeln!(out, "\n{} ({at})", plain(&copy["outcome"]));
        for name in ["reason", "detail", "waiting_for", "duplicate_of"] {
            line(&mut out, name, &copy[name]);
        }
        line(&mut out, "subscription id", &copy["external_subscription_id"]);
        for name in ["code", "timestamp", "received_at", "properties", "record"] {
            line(&mut out, name, &copy[name]);
        }
        let row = &copy["subscription"];
        if !row.is_null() {
            let names = ["external_customer_id", "plan_code", "status", "started_at", "ends_at"];
            let named = names.iter().filter(|name| !row[**name].is_null());
            let parts: Vec<String> =
                named.map(|name| format!("{name} {}", plain(&row[*name]))).collect();
            let _ = writeln!(out, "  subscription: {}", parts.join(", "));
        }
        let window = &copy["window"];
        if !window.is_null() {
            let [from, to, relation] =
                ["from_datetime", "to_datetime", "relation"].map(|name| plain(&window[name]));
            let _ = writeln!(out, "  window: {from} to {to} ({relation})");
        }
        for fate in items(&copy["fates"]) {
            write_fate(&mut out, fate);
        }
    }
    if story["more_copies"] == true {
        out.push_str("\nthere are more copies than are told\n");
    }
    out
}

fn write_fate(out: &mut String, fate: &Value) {
    let (charge, metric) = (&fate["charge"], &fate["billable_metric"]);
    let [code, model] = ["code", "charge_model"].map(|name| plain(&charge[name]));
    let kind = plain(&metric["aggregation_type"]);
    let _ = write!(out, "  charge {code} ({model}, {kind}): {}", plain(&fate["fate"]));
    for name in ["operation", "value"] {
        if !fate[name].is_null() {
            let _ = write!(out, ", {name} {}", plain(&fate[name]));
        }
    }
    out.push('\n');
    for bucket in items(&fate["buckets"]) {
        let filter = &bucket["filter"];
        let filter = match filter {
            Value::Null => "default bucket".to_owned(),
            filter => format!("filter {}", plain(&filter["values"])),
        };
        let group = &bucket["grouped_by"];
        let grouped = group.as_object().is_some_and(|group| !group.is_empty());
        let grouped = if grouped { format!(", group {}", plain(group)) } else { String::new() };
        let _ = writeln!(out, "    {filter}{grouped}");
    }
}

/// A member, unless there is nothing in it.
fn line(out: &mut String, name: &str, value: &Value) {
    let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !empty {
        let _ = writeln!(out, "  {}: {}", name.replace('_', " "), plain(value));
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text without its quotes, and without what would move a terminal's cursor; anything else as
/// JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_story_is_told_in_words() {
        let story = json!({"transaction_id": "t", "more_copies": false, "copies": [
            {"outcome": "applied", "reason": null, "position": "events-0:3", "index": 0,
             "external_subscription_id": "s", "code": "calls", "waiting_for": [],
             "subscription": {"external_customer_id": "c", "plan_code": "p", "status": "active",
                              "started_at": "2024-01-01T00:00:00Z", "ends_at": null},
             "window": {"from_datetime": "A", "to_datetime": "B", "relation": "current"},
             "fates": [{"fate": "applied", "charge": {"code": "c1", "charge_model": "standard"},
                        "billable_metric": {"aggregation_type": "sum_agg"}, "value": "2.5",
                        "operation": null,
                        "buckets": [{"filter": {"values": {"region": ["eu"]}}, "grouped_by": {}},
                                    {"filter": null, "grouped_by": {"k": "v"}}]}]},
            {"outcome": "rejected", "reason": "invalid_format", "position": "events-0:2",
             "index": 1, "record": "a\u{1b}b"},
        ]});
        let expected = "event t\n\n\
            applied (events-0:3, index 0)\n  subscription id: s\n  code: calls\n  \
            subscription: external_customer_id c, plan_code p, status active, \
            started_at 2024-01-01T00:00:00Z\n  window: A to B (current)\n  \
            charge c1 (standard, sum_agg): applied, value 2.5\n    \
            filter {\"region\":[\"eu\"]}\n    default bucket, group {\"k\":\"v\"}\n\n\
            rejected (events-0:2, index 1)\n  reason: invalid_format\n  record: a b\n";
        assert_eq!(words(&story), expected);
    }

    #[test]
    fn without_a_key_nobody_is_asked() {
        let args = EventArgs {
            transaction: "t".into(),
            subscription: None,
            url: Some("http://127.0.0.1:1".into()),
            key: None,
            json: false,
        };
        let run = run(&ExplainCommand::Event(args), &BTreeMap::new(), || unreachable!());
        assert!(matches!(run, Err(Failure(reason)) if reason.contains(API_KEY)));
    }
}
