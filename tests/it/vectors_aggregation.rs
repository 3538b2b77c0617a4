//! `aggregation.json`: from events to quantities (specification chapter 5, aggregation details).

use std::collections::BTreeSet;

use odometer::core::aggregate::{
    Aggregate, Allowance, Breakdown, Carry, Figures, Frame, InAdvance, Levels, Listing, Record,
    Records, Stint, Terms, Trigger, aggregate, breakdown_keys, dated, list, round_units, stretches,
};
use odometer::core::catalog::{Aggregation, BillableMetric};
use odometer::core::decimal::Decimal;
use odometer::core::event::Usage;
use odometer::core::instant::Instant;
use odometer::core::matching::{Bucket, Buckets, Group, Matcher, Rule};
use odometer::core::period::{Date, text};
use odometer::core::pricing::{ModelKind, RunningTotals};
use serde_json::{Map, Value as Json, json};

use crate::aggregation_store;
use crate::usage_inputs::{
    OwnedEvent, condition, events, group, instant, metric, ordered, shown_group, texts, zone,
};
use crate::vectors::{Comparison, decimal, shown, verdict};
use crate::vectors_run::{Verdict, only_known};

/// Members of the objects that the schema leaves open.
const OPTIONS: [&str; 4] = [
    "free_units_per_events",
    "free_units_per_total_aggregation",
    "is_current_usage",
    "is_pay_in_advance",
];
const ARGUMENTS: [&str; 13] = [
    "exclude_event",
    "force_from",
    "grouped_by_values",
    "include_event_value",
    "initial_value",
    "initial_values",
    "limit",
    "options",
    "ordered",
    "period_duration",
    "persisted_duration",
    "with_count",
    "with_remove",
];
const STORE_OPTIONS: [&str; 5] =
    ["aggregation_property", "numeric_property", "options", "use_from_boundary", GROUP_OPTION];
const GROUP_OPTION: &str = "with_grouped_by_values";
const FILTERS: [&str; 7] = [
    "charge_filter",
    "event",
    "grouped_by",
    "grouped_by_values",
    "ignored_filters",
    "matching_filters",
    "presentation_by",
];
const BOUNDARIES: [&str; 4] = ["charges_duration", "from_datetime", "max_timestamp", "to_datetime"];
const PRIOR_STATE: [&str; 6] = [
    "current_aggregation",
    "event_transaction_id",
    "grouped_by",
    "max_aggregation",
    "max_aggregation_with_proration",
    "timestamp",
];

/// Asks what the case asks of its events and evaluates its assertions.
pub fn check(case: &Json) -> Verdict {
    let arguments = named(case);
    only_known(arguments, "arguments", &ARGUMENTS);
    only_known(&arguments["options"], "options", &OPTIONS);
    only_known(&case["store_options"], "store_options", &STORE_OPTIONS);
    only_known(&case["store_options"]["options"], "options", &[]);
    only_known(&case["filters"], "filters", &FILTERS);
    only_known(&case["boundaries"], "boundaries", &BOUNDARIES);
    for record in case["prior_state"].as_array().into_iter().flatten() {
        only_known(record, "prior_state", &PRIOR_STATE);
    }
    let result = if case["operation"] == "round_units" {
        let units = decimal(&case["units"]).unwrap();
        let rounding = metric(&case["billable_metric"]).rounding;
        json!({"units": shown(&round_units(rounding, &units))})
    } else {
        result(case)
    };
    verdict(case, &result, Comparison::Numbers)
}

/// A map of group values: its keys, and the group of them.
type Values = (Vec<String>, Group);

fn values(json: &Json) -> Option<Values> {
    let keys: Vec<String> = json.as_object()?.keys().cloned().collect();
    let group = group(json, &keys);
    Some((keys, group))
}

/// The named arguments: the object itself, or the one inside a list.
pub fn named(case: &Json) -> &Json {
    match &case["arguments"] {
        Json::Array(list) => list.iter().find(|item| item.is_object()).unwrap_or(&Json::Null),
        other => other,
    }
}

/// The columns of a positional call.
pub fn columns(case: &Json) -> Option<Vec<String>> {
    let list = case["arguments"].as_array()?;
    list.iter().find(|item| item.is_array()).map(texts)
}

fn result(case: &Json) -> Json {
    let (filters, arguments, options) = (&case["filters"], named(case), &named(case)["options"]);
    let metric = metric_of(case);
    let owned = events(case);
    let all = ordered(&owned);
    let bucket = bucket(filters, &all);
    let zone = zone(&case["timezone"]);
    let boundaries = &case["boundaries"];
    let lookup = [
        &case["store_options"]["with_grouped_by_values"],
        &arguments["grouped_by_values"],
        &filters["grouped_by_values"],
    ];
    let only = lookup.into_iter().find_map(values);
    let (trigger, stored) = trigger(filters, &owned);
    let trigger = trigger.as_ref().map(OwnedEvent::usage);
    let group_keys = texts(&filters["grouped_by"]);
    let presentation_keys = texts(&filters["presentation_by"]);
    let from = instant(&boundaries["from_datetime"]).unwrap();
    let carried = carried(case, arguments, &group_keys, from);
    let stretches = plan_change(&case["subscription"], from);
    let records = records(case);
    let terms = Terms {
        metric: &metric,
        prorated: case["charge"]["prorated"] == true,
        pay_in_advance: options["is_pay_in_advance"] == true,
        current_usage: options["is_current_usage"] == true,
        dynamic: case["charge"]["charge_model"] == ModelKind::Dynamic.name(),
        frame: Frame {
            from: if is_unbounded(case) { earliest(&owned, from) } else { from },
            to: instant(&boundaries["to_datetime"]).unwrap(),
            days: days(case),
            zone: &zone,
        },
        fewer_days: 0,
        max_timestamp: instant(&boundaries["max_timestamp"]),
        group_keys: &group_keys,
        presentation_keys: &presentation_keys,
        only: only.as_ref().map(|(keys, group)| (&keys[..], group)),
        allowance: Allowance {
            events: options["free_units_per_events"].as_u64().unwrap_or(0),
            total: decimal(&options["free_units_per_total_aggregation"]).unwrap_or_default(),
        },
        trigger: trigger.as_ref().map(|event| Trigger { event, stored }),
        records: Records::Given(&records),
        carry: carried.as_deref().map_or(Carry::Stretches(&stretches), Carry::Given),
        bypass: case["bypass_aggregation"] == true,
    };
    match case["operation"].as_str().unwrap() {
        "aggregate" => {
            let mut json = shown_aggregate(&terms, &aggregate(&terms, &bucket));
            show_options(&mut json, &terms, options);
            for breakdown in json["pay_in_advance_breakdowns"].as_array_mut().into_iter().flatten()
            {
                show_as_sent(&mut breakdown["groups"], &filters["event"]["properties"]);
            }
            json
        }
        "per_event_aggregation" => {
            let include = arguments["include_event_value"] == true;
            let exclude = arguments["exclude_event"] == true;
            let listed = list(&terms, &bucket, Listing { include, exclude }).unwrap();
            let prorated = listed.prorated.map(|list| shown_list(&list));
            json!({
                "event_aggregation": shown_list(&listed.full),
                "event_prorated_aggregation": prorated,
            })
        }
        "breakdown" => {
            let entries = dated(&terms, &bucket).unwrap().into_iter().map(|entry| {
                json!({
                    "date": shown_date(entry.date),
                    "action": entry.action.name(),
                    "amount": shown(&entry.amount),
                    "duration": shown(&entry.duration),
                    "total_duration": entry.total_duration,
                })
            });
            json!({"breakdown": entries.collect::<Vec<_>>()})
        }
        operation => aggregation_store::asked_of_store(case, &terms, &bucket, operation),
    }
}

/// Whether a store-level operation selects without a lower bound that the rules of its aggregation
/// do not lift anyway.
fn is_unbounded(case: &Json) -> bool {
    const BOUNDED: [&str; 5] = ["count", "max", "last", "last_event", "sum_date_breakdown"];
    let operation = case["operation"].as_str().unwrap();
    let operation = operation.strip_prefix("grouped_").unwrap_or(operation);
    case["family"] == "store" && BOUNDED.contains(&operation) && lifts_bound(case)
}

fn lifts_bound(case: &Json) -> bool {
    case["store_options"]["use_from_boundary"] == false
        && named_flag(case, "force_from") != Some(true)
}

fn earliest(owned: &[OwnedEvent], from: Instant) -> Instant {
    let times = owned.iter().map(|event| event.usage().timestamp);
    times.min().map_or(from, |first| first.min(from))
}

/// Days of the full period; a proration may name its own.
fn days(case: &Json) -> i64 {
    let own = (case["operation"] == "prorated_sum").then(|| &named(case)["period_duration"]);
    let own = own.and_then(Json::as_i64);
    own.or(case["boundaries"]["charges_duration"].as_i64()).unwrap_or(1)
}

/// The metric, whose aggregation and field a store-level operation names itself.
fn metric_of(case: &Json) -> BillableMetric {
    let mut metric = metric(&case["billable_metric"]);
    let operation = case["operation"].as_str().unwrap();
    let named = match operation.strip_prefix("grouped_").unwrap_or(operation) {
        "count" => Some(Aggregation::Count),
        name if name.starts_with("sum") || name == "prorated_sum" => Some(Aggregation::Sum),
        "events" | "events_values" => Some(Aggregation::Sum),
        "max" => Some(Aggregation::Max),
        "last" | "last_event" => Some(Aggregation::Latest),
        "weighted_sum" => Some(Aggregation::WeightedSum),
        name if name.contains("unique_count") => Some(Aggregation::UniqueCount),
        _ => None,
    };
    let options = &case["store_options"];
    if let Some(aggregation) = named.filter(|_| case["family"] == "store") {
        metric.aggregation = aggregation;
        if let Some(field) = options["aggregation_property"].as_str() {
            metric.field_name = Some(field.to_owned());
        }
        let initial = ["initial_value", "initial_values"];
        metric.recurring = if aggregation == Aggregation::WeightedSum {
            initial.iter().any(|name| !self::named(case)[*name].is_null())
        } else {
            lifts_bound(case)
        };
    }
    metric
}

fn named_flag(case: &Json, name: &str) -> Option<bool> {
    named(case)[name].as_bool()
}

/// The events that the property filters of a case take.
fn bucket<'e>(filters: &Json, all: &'e [Usage<'e>]) -> Vec<&'e Usage<'e>> {
    let ignored = filters["ignored_filters"].as_array().into_iter().flatten();
    let rule = Rule {
        matching: condition(&filters["matching_filters"]),
        ignored: ignored.map(condition).collect(),
    };
    let matcher = Matcher::from_rules(&[rule], &[]);
    let mut buckets = Buckets::default();
    all.iter()
        .filter(|event| {
            matcher.classify(event.properties, &mut buckets);
            buckets.taken() == [Bucket::Default]
        })
        .collect()
}

/// The triggering event, and whether it is one of the stored ones.
fn trigger(filters: &Json, owned: &[OwnedEvent]) -> (Option<OwnedEvent>, bool) {
    let json = &filters["event"];
    if !json.is_object() {
        return (None, false);
    }
    let stored = owned.iter().position(|event| event.usage().transaction == json["transaction_id"]);
    let offset = stored.map_or(i64::MAX, |at| owned[at].usage().position.offset);
    (Some(OwnedEvent::new(json, offset)), stored.is_some())
}

/// What is remembered, with the exact group that it is remembered for. No text of an event is
/// equal to a value that is no text.
pub fn records(case: &Json) -> Vec<Record> {
    let texts = |json: &&Json| {
        let mut values = json["grouped_by"].as_object().into_iter().flat_map(Map::values);
        values.all(|value| value.is_null() || value.is_string())
    };
    let value = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(Box::from);
    let record = |json: &Json| Record {
        timestamp: instant(&json["timestamp"]).unwrap(),
        transaction: json["event_transaction_id"].as_str().unwrap().to_owned(),
        group: json["grouped_by"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, text)| (key.clone(), value(text)))
            .collect(),
        levels: Levels {
            current: decimal(&json["current_aggregation"]).unwrap(),
            max: decimal(&json["max_aggregation"]).unwrap_or_default(),
            max_prorated: decimal(&json["max_aggregation_with_proration"]).unwrap_or_default(),
        },
    };
    case["prior_state"].as_array().into_iter().flatten().filter(texts).map(record).collect()
}

/// Initial values of a weighted sum, if the case gives any.
fn carried(
    case: &Json,
    arguments: &Json,
    keys: &[String],
    from: Instant,
) -> Option<Vec<(Group, Decimal)>> {
    if let Some(initial) = decimal(&arguments["initial_value"]) {
        return Some(vec![(Group::default(), initial)]);
    }
    if let Some(list) = arguments["initial_values"].as_array() {
        let keys = columns(case).unwrap_or_else(|| keys.to_vec());
        let entry = |json: &Json| (group(&json["groups"], &keys), decimal(&json["value"]).unwrap());
        return Some(list.iter().map(entry).collect());
    }
    let weighs = case["billable_metric"]["aggregation_type"] == "weighted_sum_agg";
    if !weighs || case["prior_state"].as_array().is_none_or(Vec::is_empty) {
        return None;
    }
    let mut before = records(case);
    before.retain(|record| record.timestamp < from && record.group.keys().eq(sorted(keys)));
    // Of one group the latest is the last.
    before.sort_by_key(|record| record.timestamp);
    let group = |record: &Record| Group(keys.iter().map(|key| record.group[key].clone()).collect());
    Some(before.into_iter().map(|record| (group(&record), record.levels.current)).collect())
}

fn sorted(keys: &[String]) -> BTreeSet<&String> {
    keys.iter().collect()
}

/// Without remembered state, a plan change carries all that lies before it.
fn plan_change(subscription: &Json, from: Instant) -> Vec<(Instant, Instant)> {
    let changed = subscription["previous_subscription"].is_object();
    let stint = |started_at| Stint { started_at, ended_at: None, has_previous: changed };
    let started_at = instant(&subscription["started_at"]);
    stretches(&started_at.map(stint).into_iter().collect::<Vec<_>>(), from)
}

fn shown_list(list: &[Decimal]) -> Json {
    Json::Array(list.iter().map(shown).collect())
}

pub fn shown_option(value: Option<&Decimal>) -> Json {
    value.map_or(Json::Null, shown)
}

pub fn shown_date(date: Date) -> String {
    let mut out = String::new();
    text::write_date(&mut out, date).unwrap();
    out
}

pub fn shown_instant(at: Instant) -> String {
    let mut out = String::new();
    text::write_seconds(&mut out, at).unwrap();
    out
}

fn shown_breakdowns(keys: &[String], breakdowns: &[Breakdown]) -> Json {
    let shown = |entry: &Breakdown| {
        let groups = shown_group(keys, &entry.group);
        json!({"groups": groups, "value": shown(&entry.value)})
    };
    Json::Array(breakdowns.iter().map(shown).collect())
}

fn shown_running(totals: &RunningTotals) -> Json {
    match totals {
        RunningTotals::Counted(count) => json!((1..=*count).collect::<Vec<_>>()),
        RunningTotals::Listed(totals) => shown_list(totals),
        RunningTotals::Kept(_) => panic!("a scan lists running totals"),
    }
}

fn shown_figures(keys: &[String], figures: &Figures) -> Json {
    let options = figures.running_totals.as_ref();
    json!({
        "grouped_by": figures.group.as_ref().map(|group| shown_group(keys, group)),
        "aggregation": shown(&figures.units),
        "count": shown(&figures.count),
        "current_usage_units": shown_option(figures.current_units.as_ref()),
        "full_units_number": shown_option(figures.full_units.as_ref()),
        "total_aggregated_units": shown_option(figures.total_units.as_ref()),
        "variation": shown_option(figures.variation.as_ref()),
        "recurring_updated_at": figures.recurring_updated_at.map(shown_instant),
        "precise_total_amount_cents": shown_option(figures.precise_cents.as_ref()),
        "options": options.map(|totals| json!({"running_total": shown_running(totals)})),
    })
}

fn shown_aggregate(terms: &Terms<'_>, result: &Aggregate) -> Json {
    let keys = breakdown_keys(terms.group_keys, terms.presentation_keys);
    let breakdowns = result.breakdowns.as_ref().map(|list| shown_breakdowns(&keys, list));
    let shown = |figures: &Figures| shown_figures(terms.group_keys, figures);
    let mut json = if terms.group_keys.is_empty() {
        shown(&result.groups[0])
    } else {
        json!({"aggregations": result.groups.iter().map(shown).collect::<Vec<_>>()})
    };
    json["breakdowns"] = breakdowns.unwrap_or(Json::Null);
    if let Some(own) = &result.in_advance {
        show_in_advance(&mut json, &keys, own);
    }
    json
}

/// Where there are no running totals, the options are those of the request, or none.
fn show_options(json: &mut Json, terms: &Terms<'_>, options: &Json) {
    let grouped = !terms.group_keys.is_empty();
    let given = match terms.metric.aggregation {
        _ if terms.prorated => true,
        Aggregation::Max => true,
        Aggregation::Latest => !grouped,
        Aggregation::WeightedSum if !grouped => {
            if json["options"].is_null() {
                json["options"] = json!({});
            }
            false
        }
        _ => false,
    };
    let received = if options.is_object() { options.clone() } else { json!({}) };
    let show = |entry: &mut Json| {
        if given && entry["options"].is_null() {
            entry["options"] = received.clone();
        }
    };
    match json["aggregations"].as_array_mut() {
        Some(entries) => entries.iter_mut().for_each(show),
        None => show(json),
    }
}

/// The combination of one event has its properties as they were sent.
fn show_as_sent(groups: &mut Json, properties: &Json) {
    for (key, value) in groups.as_object_mut().into_iter().flatten() {
        *value = properties[key].clone();
    }
}

fn show_in_advance(json: &mut Json, keys: &[String], own: &InAdvance) {
    let breakdowns = own.breakdowns.as_ref().map(|list| shown_breakdowns(keys, list));
    json["pay_in_advance_aggregation"] = shown(&own.units);
    json["units_applied"] = shown_option(own.applied.as_ref());
    let levels = own.levels.as_ref();
    json["current_aggregation"] = shown_option(levels.map(|levels| &levels.current));
    json["max_aggregation"] = shown_option(levels.map(|levels| &levels.max));
    let prorated = levels.map(|levels| &levels.max_prorated).filter(|_| own.full_units.is_some());
    json["max_aggregation_with_proration"] = shown_option(prorated);
    if let Some(full) = &own.full_units {
        json["full_units_number"] = shown(full);
    }
    let cents = shown_option(own.precise_cents.as_ref());
    json["pay_in_advance_precise_total_amount_cents"] = cents;
    json["pay_in_advance_breakdowns"] = breakdowns.unwrap_or(Json::Null);
}
