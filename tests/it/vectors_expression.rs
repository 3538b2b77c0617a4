//! Golden cases of the expression language (specification 5.11).

use odometer::core::decimal::Decimal;
use odometer::core::expression::{Expression, Input, Outcome};
use odometer::core::instant::Instant;
use odometer::core::properties::{Kind, PropertiesBuf};
use serde_json::Value;

const CASES: &str = include_str!("../vectors/expression.json");

/// Cases in the file; a file cut short must not pass.
const CASE_COUNT: usize = 92;

fn properties(event: &Value) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for (key, value) in event["properties"].as_object().unwrap() {
        match value {
            Value::Null => properties.push(key, Kind::Null, ""),
            Value::Bool(flag) => properties.push(key, Kind::Bool, &flag.to_string()),
            Value::Number(number) => properties.push(key, Kind::Number, &number.to_string()),
            Value::String(text) => properties.push(key, Kind::Text, text),
            tree => properties.push(key, Kind::Tree, &tree.to_string()),
        }
    }
    properties
}

fn check(case: &Value) -> Result<(), String> {
    let (event, expect) = (&case["event"], &case["expect"]);
    let kind = expect["type"].as_str().unwrap();
    let expression = match (Expression::parse(case["expression"].as_str().unwrap()), kind) {
        (Err(_), "parse_error") | (Ok(_), "parses") => return Ok(()),
        (Ok(_), "parse_error") => return Err("parses".to_owned()),
        (Err(error), _) => return Err(format!("does not parse: {error}")),
        (Ok(expression), _) => expression,
    };
    let properties = properties(event);
    let input = Input {
        code: event["code"].as_str().unwrap(),
        timestamp: Instant::from_seconds(event["timestamp"].as_i64().unwrap()),
        properties: properties.as_ref(),
    };
    let outcome = expression.evaluate(&input);
    let right = match (kind, &outcome) {
        ("number", Ok(Outcome::Number(number))) => {
            *number == Decimal::parse_numeric(expect["value"].as_str().unwrap()).unwrap()
        }
        ("string", Ok(Outcome::Text(text))) => expect["value"] == **text,
        ("evaluation_error", Err(error)) => {
            let message = error.to_string();
            expect["message"].as_str().is_none_or(|whole| whole == message)
                && expect["about"].as_str().is_none_or(|name| message.contains(name))
        }
        ("peer_crash", Err(_)) => true,
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("gives {outcome:?}, expected {expect}")) }
}

#[test]
fn expressions() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert_eq!(cases.len(), CASE_COUNT);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case["expression"])))
        .collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
