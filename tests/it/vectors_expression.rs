//! Golden cases of the expression language (specification 5.11).

use odometer::core::decimal::Decimal;
use odometer::core::expression::{Expression, Input, Outcome};
use serde_json::{Value, json};

use crate::scenario::Player;
use crate::usage_inputs::{event_time, properties};
use crate::vectors_run::Verdict;

/// Parses the case's expression and evaluates it on its event.
pub fn check(case: &Value) -> Verdict {
    Verdict::of(result(case).err().into_iter().collect())
}

/// Has the service evaluate the expression, where the case says what it answers to that.
pub fn asked(player: &mut Player, case: &Value) -> Verdict {
    const PATH: &str = "/api/v1/billable_metrics/evaluate_expression";
    let expected = &case["expect"]["api_error"];
    if expected.is_null() {
        return Verdict::default();
    }
    let scene = player.scene(case, event_time(&case["event"]["timestamp"]));
    let request = json!({"expression": case["expression"], "event": case["event"]});
    let answer = scene.send("POST", PATH, &request);
    let codes = expected.as_object().unwrap().iter();
    let details: Value = codes.map(|(field, code)| (field.clone(), json!([code]))).collect();
    let right = answer.status == 422 && answer.json()["error_details"] == details;
    let failure = (!right).then(|| format!("{answer:?}, expected {details}"));
    Verdict::of(failure.into_iter().collect())
}

fn result(case: &Value) -> Result<(), String> {
    let (event, expect) = (&case["event"], &case["expect"]);
    let kind = expect["type"].as_str().unwrap();
    let expression = match (Expression::parse(case["expression"].as_str().unwrap()), kind) {
        (Err(_), "parse_error") | (Ok(_), "parses") => return Ok(()),
        (Ok(_), "parse_error") => return Err("parses".to_owned()),
        (Err(error), _) => return Err(format!("does not parse: {error}")),
        (Ok(expression), _) => expression,
    };
    let properties = properties(&event["properties"]);
    let input = Input {
        code: event["code"].as_str().unwrap(),
        timestamp: event_time(&event["timestamp"]),
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
