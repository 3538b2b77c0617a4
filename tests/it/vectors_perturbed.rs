//! Whether the golden cases can fail: every expected figure, changed, has to be found wrong.

use serde_json::{Value as Json, json};

use crate::vectors_run::{Skips, load, own_folder, runner};

#[test]
fn a_changed_expectation_fails() {
    let mut missed = Vec::new();
    let mut changed = 0;
    for (kind, cases) in load(&own_folder()) {
        let Some(run) = runner(&kind) else { continue };
        for case in cases {
            for other in perturbed(&kind, &case) {
                changed += 1;
                if run(&other).failures.is_empty() {
                    missed.push(format!("{}: {}", case["id"], other["expect"]));
                }
            }
        }
    }
    assert!(changed > 1_500, "only {changed} expectations were changed");
    assert!(missed.is_empty(), "{} of {changed} hold\n{}", missed.len(), missed.join("\n"));
}

/// The case with one expectation each, which is not the right one.
fn perturbed(kind: &str, case: &Json) -> Vec<Json> {
    let with = |expect: Json| {
        let mut other = case.clone();
        other["expect"] = expect;
        other
    };
    let expect = &case["expect"];
    if let Some(assertions) = expect["assertions"].as_array() {
        let wrong = assertions.iter().map(wrong_assertion);
        return wrong.map(|wrong| with(json!({"assertions": [wrong]}))).collect();
    }
    let members = expect.as_object().expect("members").iter();
    let counts = |name: &str| Skips::table().member(kind, name).is_none();
    let wrong = members.filter(|(name, _)| counts(name)).filter_map(|(name, value)| {
        let mut expect = expect.clone();
        expect[name] = match (kind, name.as_str(), value) {
            // An expression is accepted, refused at once, or refused against this event.
            ("expression", "type", Json::String(kind)) if kind == "parse_error" => json!("parses"),
            ("expression", "type", _) => json!("parse_error"),
            // What a service answers is not asked here.
            ("expression", "api_error", _) => return None,
            _ => wrong_value(value),
        };
        Some(with(expect))
    });
    wrong.collect()
}

fn wrong_assertion(assertion: &Json) -> Json {
    let mut wrong = assertion.clone();
    let op = match assertion["op"].as_str().expect("an op") {
        "null" => "not_null",
        "not_null" | "present" => "null",
        "not_equals" => "equals",
        "time_equals" => {
            wrong["value"] = json!("1969-12-31T23:59:59Z");
            "time_equals"
        }
        other => {
            wrong["value"] = wrong_value(&assertion["value"]);
            other
        }
    };
    wrong["op"] = json!(op);
    wrong
}

/// Another value of the same kind.
fn wrong_value(value: &Json) -> Json {
    match value {
        Json::Null => json!("2001-02-03T04:05:06Z"),
        Json::Bool(value) => json!(!value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => json!(value + 1),
            None => serde_json::from_str(&format!("1{number}").replace("1-", "-1")).unwrap(),
        },
        Json::String(text) if is_date(text) => json!("2001-02-03T04:05:06Z"),
        Json::String(text) => json!(format!("1{text}").replace("1-", "-1")),
        Json::Array(list) if list.is_empty() => json!([{"wrong": 1}]),
        Json::Array(list) => {
            let mut list = list.clone();
            list[0] = wrong_value(&list[0]);
            Json::Array(list)
        }
        Json::Object(members) if members.is_empty() => json!({"wrong": ["1"]}),
        Json::Object(members) => {
            let mut members = members.clone();
            let last = members.values_mut().last().expect("a member");
            *last = wrong_value(last);
            Json::Object(members)
        }
    }
}

fn is_date(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[4] == b'-' && text.ends_with('Z')
}
