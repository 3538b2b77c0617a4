//! `charge_fee.json`: the fees of one charge (pricing details 8).

use odometer::core::aggregate::{Frame, Records, Stint};
use odometer::core::catalog::{Charge, ChargeFilter, PresentationKey, PricingUnit, Tax};
use odometer::core::currency::Currency;
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use odometer::core::instant::Instant;
use odometer::core::pricing::fee::Money;
use odometer::core::pricing::{Model, ModelKind};
use odometer::core::tax;
use odometer::core::usage::{Ask, Context, Fee, FeeRules, Presented, Request, Scan, ScanLimits};
use odometer::core::value::Value;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::trees::to_value;
use crate::usage_inputs::{condition, events, instant, metric, ordered, texts, zone};
use crate::vectors::{Comparison, decimal, shown, to_json, verdict};
use crate::vectors_aggregation::records;
use crate::vectors_pricing::DEFAULT_CURRENCY;
use crate::vectors_run::{Verdict, only_known};

/// The widest level of taxes.
const ORGANIZATION: &str = "billing_entity";

/// Computes the fees of the case's charge and evaluates its assertions.
pub fn check(case: &Json) -> Verdict {
    only_known(&case["plan"], "plan", &["interval", "pay_in_advance"]);
    verdict(case, &fees(case), Comparison::Numbers)
}

fn fees(case: &Json) -> Json {
    let charge = charge(&case["charge"]);
    let metric = metric(&case["billable_metric"]);
    let boundaries = &case["boundaries"];
    let zone = zone(&case["timezone"]);
    let owned = events(case);
    let usages = ordered(&owned);
    let records = records(case);
    let context = match case["context"].as_str() {
        Some("current_usage") => Context::CurrentUsage,
        Some("finalize") => Context::Closed,
        Some("recurring") => Context::Recurring,
        other => panic!("unknown context {other:?}"),
    };
    let source = Scan {
        events: |_: &_| Ok(&usages[..]),
        stints: |_: &_| stint(&case["subscription"]).into_iter().collect(),
        frame: Frame {
            from: instant(&boundaries["charges_from_datetime"]).unwrap(),
            to: instant(&boundaries["charges_to_datetime"]).unwrap(),
            days: boundaries["charges_duration"].as_i64().unwrap(),
            zone: &zone,
        },
        current_usage: context == Context::CurrentUsage,
        fewer_days: 0,
        // It is read from the events, unless the case states it.
        records: if records.is_empty() { Records::Replay } else { Records::Given(&records) },
        limits: ScanLimits::NONE,
    };
    let rules = FeeRules {
        currency: Currency::of(currency(case)),
        context,
        omits_zero_unit_filters: case["omit_zero_unit_filters"] == true,
    };
    let taxes = if case["apply_taxes"] == true { taxes(case) } else { Vec::new() };
    let taxes = applicable(case, &taxes);
    let request = Request::default();
    let ask = Ask::new(0, &charge, &metric, &request);
    let fees = rules.fees(&ask, &source).unwrap();
    let shown: Vec<Json> = fees.iter().map(|fee| shown_fee(case, fee, rules, &taxes)).collect();
    json!({ "fees": shown })
}

fn shown_fee(case: &Json, fee: &Fee<'_>, rules: FeeRules, taxes: &[&Tax]) -> Json {
    let details = fee.details(rules);
    let money = &details.money;
    assert_eq!(money.amount_cents, Decimal::from_i64(fee.amount_cents));
    assert_eq!(details.units, fee.units);
    let taxed = tax::fee(&money.amount_cents, &money.precise_amount_cents, taxes);
    let filters = fee.charge.filters.iter().position(|filter| Some(filter) == fee.filter);
    let name = |index: usize| case["charge"]["filters"][index]["name"].clone();
    let presented = |presented: &Presented| {
        let by = object(&presented.presentation_by);
        json!({"presentation_by": by, "units": shown(&presented.units)})
    };
    let applied = |(tax, cents): &(&Tax, Decimal)| {
        let rate = tax.rate.to_string();
        json!({"tax_code": tax.code, "tax_rate": rate, "amount_cents": shown(cents)})
    };
    let pricing_unit = |money: &Money| {
        let unit = fee.charge.pricing_unit.as_ref().unwrap();
        json!({
            "amount_cents": shown(&money.amount_cents),
            "precise_amount_cents": shown(&money.precise_amount_cents),
            "unit_amount_cents": shown(&money.unit_amount_cents),
            "precise_unit_amount": shown(&money.precise_unit_amount),
            "short_name": unit.short_name,
            "conversion_rate": shown(&unit.conversion_rate),
        })
    };
    json!({
        "charge_filter": filters.map_or(Json::Null, name),
        "grouped_by": object(&fee.grouped_by),
        "amount_cents": shown(&money.amount_cents),
        "precise_amount_cents": shown(&money.precise_amount_cents),
        "unit_amount_cents": shown(&money.unit_amount_cents),
        "precise_unit_amount": shown(&money.precise_unit_amount),
        "amount_currency": currency(case),
        "amount_details": to_json(&details.amount_details),
        "units": shown(&fee.units),
        "total_aggregated_units": shown(&fee.total_aggregated_units),
        "events_count": fee.events_count,
        "pay_in_advance": fee.pay_in_advance(),
        "presentation_breakdowns": fee.breakdowns.iter().map(presented).collect::<Vec<_>>(),
        "taxes_amount_cents": shown(&taxed.amount_cents),
        "taxes_precise_amount_cents": shown(&taxed.precise_amount_cents),
        "taxes_rate": taxed.rate.to_string(),
        "applied_taxes": taxed.applied.iter().map(applied).collect::<Vec<_>>(),
        "pricing_unit_usage": details.pricing_unit.as_ref().map(pricing_unit),
    })
}

fn currency(case: &Json) -> &str {
    case["currency"].as_str().unwrap_or(DEFAULT_CURRENCY)
}

fn object(members: &[(String, Option<Box<str>>)]) -> Json {
    let member = |(key, value): &(String, Option<Box<str>>)| {
        (key.clone(), value.as_deref().map_or(Json::Null, Json::from))
    };
    Json::Object(members.iter().map(member).collect::<Map<_, _>>())
}

/// Pricing group keys under either of their names.
fn group_keys(properties: &Json) -> Vec<String> {
    let keys = texts(&properties["pricing_group_keys"]);
    if keys.is_empty() { texts(&properties["grouped_by"]) } else { keys }
}

fn charge(json: &Json) -> Charge {
    let kind = ModelKind::from_name(json["charge_model"].as_str().unwrap()).unwrap();
    let properties = &json["properties"];
    let presentation = properties["presentation_group_keys"].as_array().into_iter().flatten();
    let filters = json["filters"].as_array().into_iter().flatten().enumerate();
    let unit = &json["applied_pricing_unit"];
    Charge {
        id: Uuid::from_u128(1),
        code: json["code"].as_str().unwrap_or_default().to_owned(),
        metric: Uuid::from_u128(7),
        invoice_display_name: None,
        model: Model::from_properties(kind, &to_value(properties)),
        properties: Value::Null,
        pricing_group_keys: group_keys(properties),
        presentation_group_keys: presentation
            .map(|key| PresentationKey {
                value: key["value"].as_str().unwrap().to_owned(),
                display_in_invoice: false,
            })
            .collect(),
        pay_in_advance: json["pay_in_advance"] == true,
        prorated: json["prorated"] == true,
        invoiceable: json["invoiceable"] == true,
        min_amount_cents: 0,
        accepts_target_wallet: json["accepts_target_wallet"] == true,
        pricing_unit: unit.is_object().then(|| PricingUnit {
            code: unit["code"].as_str().unwrap().to_owned(),
            short_name: unit["short_name"].as_str().unwrap_or_default().to_owned(),
            conversion_rate: decimal(&unit["conversion_rate"]).unwrap(),
        }),
        taxes: Vec::new(),
        filters: filters
            .map(|(index, filter)| ChargeFilter {
                id: Uuid::from_u128(index as u128),
                invoice_display_name: None,
                values: condition(&filter["values"]),
                model: Model::from_properties(kind, &to_value(&filter["properties"])),
                properties: Value::Null,
                pricing_group_keys: group_keys(&filter["properties"]),
                created_at: Instant(i64::try_from(index).unwrap()),
            })
            .collect(),
        echo: odometer::core::catalog::Echo::default(),
        created_at: Instant(0),
    }
}

/// The subscription of the case, which follows no other.
fn stint(subscription: &Json) -> Option<Stint> {
    let started_at = instant(&subscription["started_at"])?;
    Some(Stint { started_at, ended_at: None, has_previous: false })
}

/// The taxes of the first level that has any; a tax without levels is the organisation's.
fn applicable<'a>(case: &Json, taxes: &'a [Tax]) -> Vec<&'a Tax> {
    let listed = || case["taxes"].as_array().into_iter().flatten().zip(taxes);
    let own = texts(&case["charge"]["tax_codes"]);
    let levels = ["charge", "plan", "customer", ORGANIZATION].map(|level| {
        let at = |(json, tax): &(&Json, &Tax)| {
            let named = texts(&json["applied_to"]).iter().any(|name| name == level);
            let everywhere = json["applied_to"].is_null() && level == ORGANIZATION;
            named || everywhere || (level == "charge" && own.contains(&tax.code))
        };
        listed().filter(at).map(|(_, tax)| tax).collect::<Vec<_>>()
    });
    tax::applicable(&levels.each_ref().map(Vec::as_slice))
}

fn taxes(case: &Json) -> Vec<Tax> {
    let list = case["taxes"].as_array().into_iter().flatten().enumerate();
    list.map(|(index, tax)| Tax {
        id: Uuid::from_u128(index as u128),
        code: tax["code"].as_str().unwrap().to_owned(),
        name: String::new(),
        rate: Double::parse_literal(&tax["rate"].to_string()).unwrap(),
        description: None,
        created_at: Instant(i64::try_from(index).unwrap()),
    })
    .collect()
}
