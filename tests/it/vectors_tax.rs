//! `tax.json`: rates to amounts.

use std::collections::HashMap;

use odometer::core::catalog::Tax;
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use odometer::core::instant::Instant;
use odometer::core::tax::{self, TaxedFee};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::vectors::{Comparison, decimal, same, shown};
use crate::vectors_run::{Verdict, only_known};

/// Computes the taxes of the case and compares every expected member.
pub fn check(case: &Json) -> Verdict {
    let input = &case["input"];
    let result = match case["level"].as_str() {
        Some("fee") => fee(input),
        Some("invoice") => invoice(input),
        Some("usage") => usage(input),
        other => panic!("unknown level {other:?}"),
    };
    let expected = case["expect"].as_object().expect("members").iter();
    let wrong = expected.filter(|(member, expected)| !holds(&result[*member], expected));
    let told = |(member, expected): (&String, &Json)| {
        format!("{member} is {}, expected {expected}", result[member])
    };
    Verdict::of(wrong.map(told).collect())
}

/// Equal, where an applied tax shows at least the members that are expected of it.
fn holds(actual: &Json, expected: &Json) -> bool {
    let (Json::Array(actual), Json::Array(expected)) = (actual, expected) else {
        return same(actual, expected, Comparison::Numbers);
    };
    let subset = |(actual, expected): (&Json, &Json)| {
        let mut members = expected.as_object().expect("an object").iter();
        members.all(|(name, value)| same(&actual[name], value, Comparison::Numbers))
    };
    actual.len() == expected.len() && actual.iter().zip(expected).all(subset)
}

fn list(value: &Json) -> &[Json] {
    value.as_array().expect("a list")
}

fn cents(value: &Json) -> Decimal {
    decimal(value).expect("cents")
}

/// One tax per distinct code, created in order of first mention.
fn taxes<'a>(mentions: impl Iterator<Item = &'a Json>) -> HashMap<String, Tax> {
    let mut taxes = HashMap::new();
    for mention in mentions {
        let code = mention["code"].as_str().expect("a code").to_owned();
        let order = i64::try_from(taxes.len()).expect("few taxes");
        taxes.entry(code.clone()).or_insert_with(|| Tax {
            id: Uuid::from_u64_pair(0, order.unsigned_abs()),
            name: code.clone(),
            code,
            rate: Double::parse_literal(&mention["rate"].to_string()).expect("a rate"),
            description: None,
            created_at: Instant(order),
        });
    }
    taxes
}

fn at_level<'a>(input: &Json, taxes: &'a HashMap<String, Tax>, level: &str) -> Vec<&'a Tax> {
    const LEVELS: [&str; 4] = ["charge", "plan", "customer", "billing_entity"];
    let attached = |tax: &&Json| {
        let names = list(&tax["applied_to"]);
        assert!(names.iter().all(|name| LEVELS.iter().any(|known| name == known)), "{tax}");
        names.iter().any(|name| name == level)
    };
    let known = |tax: &Json| &taxes[tax["code"].as_str().expect("a code")];
    list(&input["taxes"]).iter().filter(attached).map(known).collect()
}

fn levels<'a>(input: &Json, taxes: &'a HashMap<String, Tax>, names: &[&str]) -> Vec<&'a Tax> {
    let levels: Vec<_> = names.iter().map(|name| at_level(input, taxes, name)).collect();
    tax::applicable(&levels.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Coupons do not exist here: a case that has one is not ours to compute.
fn without_coupons(input: &Json) {
    let coupons = &input["coupons_amount_cents"];
    assert!(coupons.is_null() || decimal(coupons).is_some_and(|c| c.is_zero()), "a coupon");
}

fn fee(input: &Json) -> Json {
    // Whether there is an invoice changes nothing.
    only_known(input, "input", &["fee", "taxes", "without_invoice"]);
    let members = ["type", "amount_cents", "precise_amount_cents", "coupons_amount_cents"];
    only_known(&input["fee"], "fee", &members);
    without_coupons(&input["fee"]);
    let taxes = taxes(list(&input["taxes"]).iter());
    let chain: &[&str] = match input["fee"]["type"].as_str() {
        Some("charge") => &["charge", "plan", "customer", "billing_entity"],
        Some("subscription") => &["plan", "customer", "billing_entity"],
        other => panic!("unknown fee {other:?}"),
    };
    let applicable = levels(input, &taxes, chain);
    let amount = cents(&input["fee"]["amount_cents"]);
    let precise = decimal(&input["fee"]["precise_amount_cents"]).unwrap_or(amount.clone());
    let taxed = tax::fee(&amount, &precise, &applicable);
    let applied = taxed.applied.iter().map(|(tax, amount)| {
        json!({"code": tax.code, "rate": tax.rate.to_string(), "amount_cents": shown(amount)})
    });
    json!({
        "applied_taxes": applied.collect::<Vec<_>>(),
        "taxes_amount_cents": shown(&taxed.amount_cents),
        "taxes_rate": taxed.rate.to_string(),
    })
}

fn invoice(input: &Json) -> Json {
    only_known(input, "input", &["fees", "fees_amount_cents", "coupons_amount_cents"]);
    without_coupons(input);
    let fees = list(&input["fees"]);
    let taxes = taxes(fees.iter().flat_map(|fee| list(&fee["taxes"])));
    let carried: Vec<(Decimal, Vec<&Tax>)> = fees
        .iter()
        .map(|fee| {
            only_known(fee, "fee", &["amount_cents", "coupons_amount_cents", "taxes"]);
            without_coupons(fee);
            let codes = list(&fee["taxes"]).iter().map(|tax| tax["code"].as_str().expect("a code"));
            (cents(&fee["amount_cents"]), codes.map(|code| &taxes[code]).collect())
        })
        .collect();
    summed(&carried)
}

fn usage(input: &Json) -> Json {
    only_known(input, "input", &["fees", "taxes"]);
    for fee in list(&input["fees"]) {
        only_known(fee, "fee", &["amount_cents"]);
    }
    let taxes = taxes(list(&input["taxes"]).iter());
    let applicable = levels(input, &taxes, &["charge", "plan", "customer", "billing_entity"]);
    let fees = list(&input["fees"]).iter();
    summed(&fees.map(|fee| (cents(&fee["amount_cents"]), applicable.clone())).collect::<Vec<_>>())
}

fn summed(fees: &[(Decimal, Vec<&Tax>)]) -> Json {
    let fees: Vec<_> =
        fees.iter().map(|(amount_cents, taxes)| TaxedFee { amount_cents, taxes }).collect();
    let taxed = tax::invoice(&fees);
    let applied = taxed.applied.iter().map(|share| {
        json!({
            "code": share.tax.code,
            "rate": share.tax.rate.to_string(),
            "amount_cents": shown(&share.amount_cents),
            "fees_amount_cents": shown(&share.fees_amount_cents),
        })
    });
    json!({
        "applied_taxes": applied.collect::<Vec<_>>(),
        "amount_cents": shown(&taxed.fees_amount_cents),
        "fees_amount_cents": shown(&taxed.fees_amount_cents),
        "taxes_amount_cents": shown(&taxed.taxes_amount_cents),
        "total_amount_cents": shown(&taxed.total_amount_cents()),
        "taxes_rate": taxed.rate.to_string(),
    })
}
