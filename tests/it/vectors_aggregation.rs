//! `aggregation.json`: from events to quantities (specification chapter 5, aggregation details).

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
use serde_json::{Value as Json, json};

use crate::aggregation_store;
use crate::usage_inputs::{
    OwnedEvent, condition, events, group, instant, metric, ordered, shown_group, texts, zone,
};
use crate::vectors::{Comparison, decimal, run, shown};

#[test]
fn aggregations_give_the_figures_of_the_vectors() {
    run("aggregation.json", Comparison::Numbers, |case| {
        if case["operation"] == "round_units" {
            let units = decimal(&case["units"]).unwrap();
            let rounding = metric(&case["billable_metric"]).rounding;
            return json!({"units": shown(&round_units(rounding, &units))});
        }
        result(case)
    });
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
    let records = records(case, &group_keys);
    let terms = Terms {
        metric: &metric,
        prorated: case["charge"]["prorated"] == true,
        pay_in_advance: options["is_pay_in_advance"] == true,
        current_usage: options["is_current_usage"] == true,
        dynamic: case["charge"]["charge_model"] == ModelKind::Dynamic.name(),
        frame: Frame {
            from,
            to: instant(&boundaries["to_datetime"]).unwrap(),
            days: boundaries["charges_duration"].as_i64().unwrap_or(1),
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
        carry: if carried.is_empty() {
            Carry::Stretches(&stretches)
        } else {
            Carry::Given(&carried)
        },
        bypass: case["bypass_aggregation"] == true,
    };
    match case["operation"].as_str().unwrap() {
        "aggregate" => shown_aggregate(&terms, &aggregate(&terms, &bucket)),
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
        metric.recurring = options["use_from_boundary"] == false
            && named_flag(case, "force_from") != Some(true)
            || initial.iter().any(|name| !self::named(case)[*name].is_null());
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

fn records(case: &Json, keys: &[String]) -> Vec<Record> {
    let record = |json: &Json| Record {
        timestamp: instant(&json["timestamp"]).unwrap(),
        transaction: json["event_transaction_id"].as_str().unwrap().to_owned(),
        group: if json["grouped_by"].is_object() {
            group(&json["grouped_by"], keys)
        } else {
            Group::default()
        },
        levels: Levels {
            current: decimal(&json["current_aggregation"]).unwrap(),
            max: decimal(&json["max_aggregation"]).unwrap_or_default(),
            max_prorated: decimal(&json["max_aggregation_with_proration"]).unwrap_or_default(),
        },
    };
    case["prior_state"].as_array().into_iter().flatten().map(record).collect()
}

/// Initial values of a weighted sum that the case gives.
fn carried(case: &Json, arguments: &Json, keys: &[String], from: Instant) -> Vec<(Group, Decimal)> {
    if let Some(initial) = decimal(&arguments["initial_value"]) {
        return vec![(Group::default(), initial)];
    }
    if let Some(list) = arguments["initial_values"].as_array() {
        let keys = columns(case).unwrap_or_else(|| keys.to_vec());
        let entry = |json: &Json| (group(&json["groups"], &keys), decimal(&json["value"]).unwrap());
        return list.iter().map(entry).collect();
    }
    let weighs = case["billable_metric"]["aggregation_type"] == "weighted_sum_agg";
    let records = if weighs { records(case, keys) } else { Vec::new() };
    let before = records.into_iter().filter(|record| record.timestamp < from);
    before.map(|record| (record.group, record.levels.current)).collect()
}

/// Without remembered state, a plan change carries all that lies before it.
fn plan_change(subscription: &Json, from: Instant) -> Vec<(Instant, Instant)> {
    let changed = subscription["previous_subscription"].is_object();
    let stint = Stint {
        started_at: instant(&subscription["started_at"]).unwrap(),
        ended_at: None,
        has_previous: changed,
    };
    stretches(&[stint], from)
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

fn show_in_advance(json: &mut Json, keys: &[String], own: &InAdvance) {
    let breakdowns = own.breakdowns.as_ref().map(|list| shown_breakdowns(keys, list));
    json["pay_in_advance_aggregation"] = shown(&own.units);
    json["units_applied"] = shown_option(own.applied.as_ref());
    json["pay_in_advance_breakdowns"] = breakdowns.unwrap_or(Json::Null);
}
