//! Store-level operations of `aggregation.json` (aggregation details 12).

use odometer::core::aggregate::{Terms, breakdown_keys, numeric as number, store};
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use odometer::core::event::Usage;
use odometer::core::matching::Group;
use odometer::core::properties::Kind;
use serde_json::{Value as Json, json};

use crate::usage_inputs::shown_group;
use crate::vectors::shown;
use crate::vectors_aggregation::{columns, named, shown_date, shown_instant, shown_option};

/// The result of the case's operation.
pub fn asked_of_store(
    case: &Json,
    terms: &Terms<'_>,
    events: &[&Usage<'_>],
    operation: &str,
) -> Json {
    let arguments = named(case);
    // Without columns an operation is about the whole, unless it says that it is grouped.
    let grouped = operation.starts_with("grouped_");
    let keys = columns(case).unwrap_or_else(|| terms.group_keys.to_vec());
    let own_keys = if grouped { terms.group_keys } else { &[] };
    let by_columns = Terms { group_keys: &keys, presentation_keys: &[], ..terms.clone() };
    let terms = &Terms { group_keys: own_keys, ..terms.clone() };
    let numeric = case["store_options"]["numeric_property"] == true;
    let valid = |event: &&&Usage<'_>| !numeric || number(event, terms.field()).is_some();
    let events: Vec<&Usage<'_>> = events.iter().filter(valid).copied().collect();
    let events = &events[..];
    let count = |count: &Decimal| {
        if arguments["with_count"] == false { Json::Null } else { shown(count) }
    };
    let entry = |group: &Group, value: &Decimal, events: &Decimal| {
        let groups = shown_group(&keys, group);
        json!({"groups": groups, "value": shown(value), "events_count": count(events)})
    };
    match operation {
        "events" => store::selected(terms, events).iter().map(|event| shown_event(event)).collect(),
        "events_values" => {
            let limit = arguments["limit"].as_u64().map_or(usize::MAX, |n| n.try_into().unwrap());
            let own = case["filters"]["event"]["transaction_id"].as_str();
            let left_out = own.filter(|_| arguments["exclude_event"] == true);
            let kept = |event: &Usage<'_>| Some(event.transaction) != left_out;
            if numeric {
                let values = store::values(terms, events).into_iter();
                let values = values.filter(|sample| kept(sample.event));
                values.take(limit).map(|sample| shown(&sample.value)).collect()
            } else {
                let field = case["store_options"]["aggregation_property"].as_str().unwrap();
                let events = store::selected(terms, events).into_iter().filter(|event| kept(event));
                events.take(limit).map(|event| json!(event.properties.text(field))).collect()
            }
        }
        "last_event" => {
            store::selected(terms, events).last().map_or(Json::Null, |event| shown_event(event))
        }
        "grouped_last_event" => store::latest(&by_columns, events)
            .iter()
            .map(|(group, event)| {
                let at = shown_instant(event.timestamp);
                let groups = shown_group(&keys, group);
                let value = number(event, terms.field());
                let text = || json!(event.properties.text(terms.field()));
                let value = value.as_ref().map_or_else(text, shown);
                json!({"groups": groups, "timestamp": at, "value": value})
            })
            .collect(),
        "last" => {
            let latest = store::combinations(&by_columns, events);
            let own = &store::figures(terms, events)[0];
            let value = shown_option(latest.first().map(|entry| &entry.value));
            json!({"value": value, "events_count": count(&own.count)})
        }
        "grouped_last" => {
            let by_groups = Terms { presentation_keys: &keys, ..terms.clone() };
            let counts = store::figures(&by_groups, events);
            let combined = breakdown_keys(terms.group_keys, &keys);
            let places: Vec<usize> = keys
                .iter()
                .map(|key| combined.iter().position(|own| own == key).unwrap())
                .collect();
            let own: Vec<usize> = (0..terms.group_keys.len()).collect();
            let latest = store::combinations(&by_groups, events);
            let shown = latest.iter().map(|latest| {
                let group = latest.group.project(&own);
                let figures = counts
                    .iter()
                    .find(|figures| figures.group.as_ref().unwrap_or(&Group::default()) == &group)
                    .unwrap();
                entry(&latest.group.project(&places), &latest.value, &figures.count)
            });
            shown.collect()
        }
        "prorated_unique_count" => {
            let rows = store::presences(terms, events).remove(&Group::default());
            let value = store::presence_sum(&rows.unwrap_or_default());
            json!({"value": shown(&value), "events_count": count(&value)})
        }
        "prorated_unique_count_breakdown" => {
            let rows = store::presences(terms, events).remove(&Group::default());
            let with_remove = arguments["with_remove"] == true;
            let rows = rows.unwrap_or_default().into_iter();
            rows.filter(|row| with_remove || !row.ratio.is_zero())
                .map(|row| {
                    json!({
                        "prorated_value": shown(&row.ratio),
                        "timestamp": shown_instant(row.timestamp),
                        "property": row.value,
                        "operation_type": if row.adds { "add" } else { "remove" },
                    })
                })
                .collect()
        }
        "grouped_prorated_unique_count" => store::presences(&by_columns, events)
            .iter()
            .map(|(group, rows)| {
                let value = store::presence_sum(rows);
                entry(group, &value, &value)
            })
            .collect(),
        "prorated_sum" => {
            let values = store::values(terms, events);
            let total: Decimal = values.iter().map(|sample| &sample.value).sum();
            let durations =
                ["persisted_duration", "period_duration"].map(|name| arguments[name].as_i64());
            let ratio = match durations {
                [Some(persisted), Some(period)] => {
                    Some(Double::ratio(persisted, period).shortest())
                }
                _ => None,
            };
            let prorated = store::prorated_sum(terms, events, ratio.as_ref());
            json!({
                "value": shown(&total),
                "prorated_value": shown(&prorated),
                "events_count": count(&Decimal::from_i64(values.len().try_into().unwrap())),
            })
        }
        "sum_date_breakdown" => store::sums_by_date(terms, events)
            .iter()
            .map(|(date, value)| json!({"date": shown_date(*date), "value": shown(value)}))
            .collect(),
        "sum_precise_total_amount_cents" => {
            let sums = store::precise_cents(terms, events);
            shown(sums.get(&Group::default()).unwrap_or(&Decimal::ZERO))
        }
        "grouped_sum_precise_total_amount_cents" => store::precise_cents(&by_columns, events)
            .iter()
            .map(|(group, sum)| json!({"groups": shown_group(&keys, group), "value": shown(sum)}))
            .collect(),
        "weighted_sum" => {
            let whole = &store::figures(terms, events)[0];
            let combined = store::combinations(&by_columns, events);
            let zero = Decimal::ZERO;
            let value = combined.first().map_or(&zero, |entry| &entry.value);
            json!({
                "value": shown(value),
                "variation": shown_option(whole.variation.as_ref()),
                "events_count": count(&whole.count),
            })
        }
        "grouped_weighted_sum" => store::figures(&by_columns, events)
            .iter()
            .map(|figures| {
                let group = figures.group.as_ref().unwrap();
                let mut json = entry(group, &figures.units, &figures.count);
                json["variation"] = shown_option(figures.variation.as_ref());
                json
            })
            .collect(),
        "grouped_count" | "grouped_sum" | "grouped_max" | "grouped_unique_count" => {
            store::figures(&by_columns, events)
                .iter()
                .map(|figures| {
                    entry(figures.group.as_ref().unwrap(), &figures.units, &figures.count)
                })
                .collect()
        }
        "count" | "sum" | "max" | "unique_count" => {
            let whole = &store::figures(terms, events)[0];
            json!({"value": shown(&whole.units), "events_count": count(&whole.count)})
        }
        other => panic!("unknown operation {other}"),
    }
}

fn shown_event(event: &Usage<'_>) -> Json {
    let mut properties = json!({});
    for (key, property) in event.properties.iter() {
        let text = || serde_json::from_str(property.text).unwrap();
        properties[key] = match property.kind {
            Kind::Null => Json::Null,
            Kind::Text => Json::from(property.text),
            Kind::Bool | Kind::Number | Kind::Tree => text(),
        };
    }
    json!({
        "transaction_id": event.transaction,
        "timestamp": shown_instant(event.timestamp),
        "properties": properties,
        "precise_total_amount_cents": shown_option(event.precise_cents.as_ref()),
    })
}
