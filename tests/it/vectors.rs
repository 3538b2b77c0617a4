//! Reading the golden vectors under `tests/vectors` and evaluating their assertions.
//!
//! A case holds data only: input, and assertions on the result as a JSON tree. This file knows how
//! an assertion is evaluated; what a case feeds into which function is up to the file of its kind.

use odometer::core::decimal::Decimal;
use odometer::core::value::Value;
use serde_json::{Map, Value as Json};

use crate::vectors_run::Verdict;

/// Significant digits to which quotients are compared.
const QUOTIENT_DIGITS: u32 = 28;

/// How two leaves are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Numbers and decimal texts by value, whichever form they have.
    Numbers,
    /// Numbers by value, texts to the letter.
    Exact,
    /// Texts to the letter, but a number is met by a text of that value.
    Texts,
}

/// Evaluates the assertions of a case on its result.
pub fn verdict(case: &Json, result: &Json, comparison: Comparison) -> Verdict {
    let assertions = case["expect"]["assertions"].as_array().expect("assertions");
    let failed = |assertion| check(result, assertion, comparison).err();
    Verdict::of(assertions.iter().filter_map(failed).collect())
}

/// Checks one assertion against a result.
pub fn check(result: &Json, assertion: &Json, comparison: Comparison) -> Result<(), String> {
    let path = assertion["path"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A rounded figure is a number, whatever it was. An explanation is made of texts, which cases
    // spell out or stand for by a number.
    let rounds = ["round", "ceil"].iter().any(|name| assertion.get(name).is_some());
    let explains = path.iter().any(|segment| segment == "amount_details");
    let comparison = match comparison {
        _ if rounds => Comparison::Numbers,
        _ if explains => Comparison::Texts,
        given => given,
    };
    let check = Check { assertion, comparison };
    check.descend(result, path)
}

/// The value under a plain path; null where there is none.
pub fn at<'a>(value: &'a Json, path: &[Json]) -> &'a Json {
    path.iter().fold(value, |value, segment| match (segment, value) {
        (Json::String(key), Json::Object(members)) => members.get(key).unwrap_or(&Json::Null),
        (Json::Number(index), Json::Array(list)) => {
            let index = index.as_i64().expect("an index");
            let distance = usize::try_from(index.unsigned_abs()).expect("an index");
            let index = if index < 0 { list.len().checked_sub(distance) } else { Some(distance) };
            index.and_then(|index| list.get(index)).unwrap_or(&Json::Null)
        }
        _ => &Json::Null,
    })
}

struct Check<'a> {
    assertion: &'a Json,
    comparison: Comparison,
}

impl Check<'_> {
    fn descend(&self, value: &Json, path: &[Json]) -> Result<(), String> {
        let Some((head, rest)) = path.split_first() else {
            return self.verify(value);
        };
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let Json::Object(selector) = head else {
            return self.descend(at(value, std::slice::from_ref(head)), rest);
        };
        let (name, argument) = selector.iter().next().expect("a selector");
        match name.as_str() {
            "where" => {
                let found = list.iter().find(|item| self.meets(item, argument));
                self.descend(found.unwrap_or(&Json::Null), rest)
            }
            "where_all" => {
                let found = list.iter().filter(|item| self.meets(item, argument)).cloned();
                self.descend(&Json::Array(found.collect()), rest)
            }
            "each" if list.is_empty() => Err(format!("{}: nothing behind each", self.assertion)),
            "each" => list.iter().try_for_each(|item| self.descend(item, rest)),
            "map" => {
                let keys = argument.as_array().expect("keys");
                let mapped = list.iter().map(|item| at(item, keys).clone());
                self.descend(&Json::Array(mapped.collect()), rest)
            }
            other => panic!("unknown selector {other}"),
        }
    }

    fn meets(&self, item: &Json, conditions: &Json) -> bool {
        conditions.as_array().expect("conditions").iter().all(|condition| {
            let actual = at(item, condition["path"].as_array().expect("a path"));
            let equal = same(actual, &condition["value"], self.comparison);
            match condition["op"].as_str() {
                Some("equals") => equal,
                Some("not_equals") => !equal,
                other => panic!("unknown condition {other:?}"),
            }
        })
    }

    fn verify(&self, actual: &Json) -> Result<(), String> {
        let actual = &self.rounded(actual);
        let expected = &self.assertion["value"];
        let list = || actual.as_array().map(Vec::as_slice).unwrap_or_default();
        let equal = |a: &Json, b: &Json| same(a, b, self.comparison);
        let op = self.assertion["op"].as_str().expect("an op");
        let holds = match op {
            "equals" => equal(actual, expected),
            "not_equals" => !equal(actual, expected),
            "numeric_equals" => same(actual, expected, Comparison::Numbers),
            "equals_unordered" => same_unordered(actual, expected, self.comparison),
            "length" => actual.is_array() && expected.as_u64() == Some(list().len() as u64),
            "sum" => {
                let of = self.assertion["of"].as_array().expect("a key path");
                let figures = list().iter().map(|item| decimal(at(item, of)));
                let sum =
                    figures.collect::<Option<Vec<_>>>().map(|all| all.iter().sum::<Decimal>());
                sum.is_some_and(|sum| {
                    decimal(expected) == decimal(&self.rounded(&Json::String(sum.to_string())))
                })
            }
            "distinct" => {
                let mut distinct: Vec<Json> = Vec::new();
                for item in list() {
                    if !distinct.iter().any(|known| equal(known, item)) {
                        distinct.push(item.clone());
                    }
                }
                equal(&Json::Array(distinct), expected)
            }
            "null" => actual.is_null(),
            "not_null" => !actual.is_null(),
            "present" => !is_empty(actual),
            "time_equals" => instant(actual).is_some() && instant(actual) == instant(expected),
            "starts_with" => actual
                .as_str()
                .is_some_and(|text| text.starts_with(expected.as_str().expect("a prefix"))),
            "contains" => list().iter().any(|item| equal(item, expected)),
            "contains_text" => {
                let text = actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
                text.contains(expected.as_str().expect("a part"))
            }
            other => panic!("unknown op {other}"),
        };
        if holds { Ok(()) } else { Err(format!("{} but got {actual}", self.assertion)) }
    }

    fn rounded(&self, actual: &Json) -> Json {
        if let Json::Array(list) = actual {
            return Json::Array(list.iter().map(|item| self.rounded(item)).collect());
        }
        let places = |name: &str| {
            self.assertion.get(name).and_then(Json::as_i64).map(|n| i32::try_from(n).expect("n"))
        };
        let round = |value: Decimal| match (places("round"), places("ceil")) {
            (Some(places), _) => Some(value.round(places)),
            (None, Some(places)) => Some(value.ceil(places)),
            (None, None) => None,
        };
        decimal(actual)
            .and_then(round)
            .map_or_else(|| actual.clone(), |value| Json::String(value.decstr()))
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(list) => list.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Seconds since the epoch: instants are compared at that precision.
fn instant(value: &Json) -> Option<i64> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Deep equality.
pub fn same(actual: &Json, expected: &Json, comparison: Comparison) -> bool {
    match (actual, expected) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, comparison))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b, comparison)))
        }
        (Json::String(a), Json::String(b)) if comparison != Comparison::Numbers || a == b => a == b,
        (Json::Number(_), Json::Number(_)) => same_number(actual, expected).unwrap_or(false),
        (Json::Number(_) | Json::String(_), Json::Number(_) | Json::String(_))
            if comparison != Comparison::Exact =>
        {
            same_number(actual, expected).unwrap_or(false)
        }
        _ => actual == expected,
    }
}

fn same_unordered(actual: &Json, expected: &Json, comparison: Comparison) -> bool {
    let (Json::Array(actual), Json::Array(expected)) = (actual, expected) else {
        return false;
    };
    let mut left: Vec<&Json> = actual.iter().collect();
    let all = expected.iter().all(|wanted| {
        let found = left.iter().position(|item| same(item, wanted, comparison));
        found.map(|at| left.swap_remove(at)).is_some()
    });
    all && left.is_empty()
}

fn same_number(a: &Json, b: &Json) -> Option<bool> {
    let (a, b) = (decimal(a)?, decimal(b)?);
    if a == b {
        return Some(true);
    }
    let long = a.digits().max(b.digits()) > QUOTIENT_DIGITS;
    let difference = (&a - &b).abs().mul_pow10(QUOTIENT_DIGITS - 1);
    Some(long && difference < a.abs().max(b.abs()))
}

/// A number or a decimal text.
pub fn decimal(value: &Json) -> Option<Decimal> {
    match value {
        Json::Number(number) => Decimal::parse_literal(number.as_str()),
        Json::String(text) => Decimal::parse_literal(text),
        _ => None,
    }
}

/// A tree of the core as JSON.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(text) => serde_json::from_str(text).expect("a number literal"),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(list) => Json::Array(list.iter().map(to_json).collect()),
        Value::Object(members) => Json::Object(
            members.iter().map(|(key, v)| (key.clone(), to_json(v))).collect::<Map<_, _>>(),
        ),
    }
}

/// A decimal as a result shows it.
pub fn shown(value: &Decimal) -> Json {
    Json::String(value.decstr())
}

mod tests {
    use serde_json::json;

    use super::{Comparison, check};

    #[test]
    fn assertions_can_fail() {
        let result = json!({"fees": [
            {"code": "a", "amount": "1.005", "at": "2024-01-01T00:00:00Z"},
            {"code": "b", "amount": 2, "at": "2024-01-01T00:00:00.9Z"},
        ], "none": [], "text": "prefix"});
        let all = json!(["fees", {"each": true}, "amount"]);
        for (assertion, holds) in [
            (json!({"path": ["fees", 0, "amount"], "op": "equals", "value": 1.005}), true),
            (json!({"path": ["fees", 0, "amount"], "op": "equals", "value": "1.01"}), false),
            (
                json!({"path": ["fees", 0, "amount"], "op": "equals", "value": 1.01, "round": 2}),
                true,
            ),
            (json!({"path": ["fees", 0, "amount"], "op": "equals", "value": 2, "ceil": 0}), true),
            (json!({"path": ["fees", -1, "code"], "op": "equals", "value": "b"}), true),
            (json!({"path": ["fees", 2], "op": "null"}), true),
            (json!({"path": ["fees"], "op": "length", "value": 2}), true),
            (json!({"path": ["fees"], "op": "length", "value": 3}), false),
            (json!({"path": ["fees"], "op": "sum", "of": ["amount"], "value": "3.005"}), true),
            (json!({"path": ["fees"], "op": "sum", "of": ["amount"], "value": 3}), false),
            (
                json!({"path": ["fees"], "op": "sum", "of": ["amount"], "value": 3, "round": 0}),
                true,
            ),
            (json!({"path": ["fees"], "op": "sum", "of": ["code"], "value": 0}), false),
            (json!({"path": all, "op": "not_null"}), true),
            (json!({"path": all, "op": "equals", "value": 2}), false),
            (json!({"path": ["none", {"each": true}], "op": "null"}), false),
            (json!({"path": ["none"], "op": "present"}), false),
            (
                json!({"path": ["fees", {"map": ["code"]}], "op": "equals_unordered",
                "value": ["b", "a"]}),
                true,
            ),
            (json!({"path": ["fees", {"map": ["code"]}], "op": "contains", "value": "c"}), false),
            (
                json!({"path": ["fees", {"where": [
                {"path": ["code"], "op": "not_equals", "value": "a"}]}, "amount"],
                "op": "numeric_equals", "value": "2.0"}),
                true,
            ),
            (
                json!({"path": ["fees", {"where_all": [
                {"path": ["code"], "op": "equals", "value": "x"}]}], "op": "length", "value": 0}),
                true,
            ),
            (
                json!({"path": ["fees", 1, "at"], "op": "time_equals",
                "value": "2024-01-01T01:00:00+01:00"}),
                true,
            ),
            (
                json!({"path": ["fees", 1, "at"], "op": "time_equals",
                "value": "2024-01-01T00:00:01Z"}),
                false,
            ),
            (json!({"path": ["text"], "op": "starts_with", "value": "pre"}), true),
            (json!({"path": ["text"], "op": "contains_text", "value": "fix"}), true),
            (json!({"path": ["text"], "op": "equals", "value": "fix"}), false),
        ] {
            let outcome = check(&result, &assertion, Comparison::Numbers);
            assert_eq!(outcome.is_ok(), holds, "{assertion}: {outcome:?}");
        }
        let exact = json!({"path": ["fees", 0, "amount"], "op": "equals", "value": "1.0050"});
        assert!(check(&result, &exact, Comparison::Numbers).is_ok());
        assert!(check(&result, &exact, Comparison::Exact).is_err());
        assert!(check(&result, &exact, Comparison::Texts).is_err());
        let number = json!({"path": ["fees", 0, "amount"], "op": "equals", "value": 1.0050});
        assert!(check(&result, &number, Comparison::Texts).is_ok());
        assert!(check(&result, &number, Comparison::Exact).is_err());
    }
}
