//! Cases of the expression language beside the golden ones.

use proptest::prelude::*;

use super::*;
use crate::core::properties::{Kind, PropertiesBuf};

fn input(properties: &PropertiesBuf) -> Input<'_> {
    let timestamp = Instant(1_700_000_000_999_999);
    Input { code: "api_call", timestamp, properties: properties.as_ref() }
}

fn properties() -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for (key, kind, text) in [
        ("n", Kind::Number, "4"),
        ("text", Kind::Text, "abc"),
        ("flag", Kind::Bool, "true"),
        ("null", Kind::Null, ""),
        ("list", Kind::Tree, "[1]"),
        ("padded", Kind::Text, " 12 "),
        ("huge", Kind::Text, "1e400"),
        ("long", Kind::Number, &"9".repeat(300)),
        ("page", Kind::Text, &"x".repeat(40_000)),
    ] {
        properties.push(key, kind, text);
    }
    properties
}

/// The text that is kept, or the message.
fn evaluate(text: &str) -> Result<String, String> {
    let properties = properties();
    let outcome = Expression::parse(text).map_err(|error| error.to_string())?;
    let outcome = outcome.evaluate(&input(&properties)).map_err(|error| error.to_string())?;
    Ok(outcome.into_text())
}

#[test]
fn values_are_kept_as_text() {
    for (text, kept) in [
        ("1 + 2", "3.0"),
        ("0.1 + 0.2", "0.3"),
        ("event.timestamp", "1700000000.0"),
        ("event.code", "api_call"),
        ("''", ""),
        ("event.properties.flag", "true"),
        ("event.properties.null", ""),
        ("event.properties.list", "[1]"),
        ("concat(event.properties.padded, event.properties.n)", " 12 4"),
        ("CEIL (-1.2)", "-1.0"),
        ("round(12.345, 1.9)", "12.3"),
        ("2 --3", "5.0"),
        ("- 2 * - ( 3 )", "6.0"),
        ("8/4/2", "1.0"),
        ("2 - 3 - 4", "-5.0"),
        ("greatest(1, 3, -round(2.5))", "3.0"),
        ("concat('it is ', (1 + 1) / 4)", "it is 0.5"),
        ("concat('a\tb', '\n')", "a\tb\n"),
    ] {
        assert_eq!(evaluate(text).as_deref(), Ok(kept), "{text}");
    }
}

#[test]
fn numbers_keep_their_decimals_inside_a_text() {
    for (text, kept) in [
        ("concat(1.50)", "1.50"),
        ("concat(100 * 1.10)", "110.00"),
        ("concat(4.00 / 2)", "2.00"),
        ("concat(5 / 2.50)", "2"),
        ("concat(4.00 / 1.0)", "4.00"),
        ("concat(round(1.5, 3))", "1.500"),
        ("concat(round(1234, -2))", "1200"),
    ] {
        assert_eq!(evaluate(text).as_deref(), Ok(kept), "{text}");
    }
}

#[test]
fn failures_name_the_first_thing_wrong() {
    for (text, message) in [
        ("'a' + event.properties.missing", "Expected a decimal"),
        ("event.properties.missing + 'a'", "Variable: missing not found"),
        ("-event.code", "Expected a decimal"),
        ("event.properties.flag * 1", "Expected a decimal"),
        ("event.properties.null + 1", "Expected a decimal"),
        ("round(1, 'a')", "Expected a decimal"),
        ("round('a', event.properties.missing)", "Expected a decimal"),
        ("round(1, 99999999999999999999)", "Expected a decimal"),
        ("least('a')", "Expected a decimal"),
        ("1 / (2 - 2)", "Division by zero"),
        ("0 / 0", "Division by zero"),
        ("event.properties.huge", "Number out of range"),
        ("ceil(1, -2000)", "Number out of range"),
        ("concat(event.properties.page, event.properties.page)", "Text too long"),
    ] {
        assert_eq!(evaluate(text), Err(message.to_owned()), "{text}");
    }
    let product = ["event.properties.long"; 4].join("*");
    assert_eq!(evaluate(&product), Err("Number out of range".to_owned()));
}

#[test]
fn texts_that_are_no_expression() {
    for text in [
        "",
        " ",
        "1+",
        "+2",
        "--2",
        "- -2",
        "1.",
        ".5",
        "1 2",
        "1. 5",
        "1e3",
        "1\t+1",
        "1\n+1",
        "(1",
        "1)",
        "()",
        "'a",
        "a'",
        "event",
        "event.",
        "event .code",
        "event.codes",
        "event.code.x",
        "event.timestamp1",
        "event.properties",
        "event.properties._a",
        "event.properties.1n",
        "event.properties.a-",
        "Event.code",
        "round",
        "round 1",
        "rOUND(1)",
        "sqrt(1)",
        "round1(2)",
        "concat()",
        "least()",
        "concat(1,)",
        "concat(,1)",
        "concat(1 2)",
        "é",
        "'a' 'b'",
        "1 = 1",
    ] {
        assert!(matches!(Expression::parse(text), Err(ParseError::Unexpected(_))), "{text}");
    }
    let wrong = |count| {
        format!("Wrong number of arguments to function round, expected: 1..2, provided: {count}")
    };
    assert_eq!(evaluate("floor(1, 2, 3)"), Err(wrong(3)));
    assert_eq!(evaluate("ceil( )"), Err(wrong(0)));
}

#[test]
fn texts_have_bounds() {
    let nested = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Expression::parse(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(Expression::parse(&nested(DEPTH_MAX + 1)), Err(ParseError::TooDeep));
    let calls = "round(".repeat(DEPTH_MAX + 1);
    assert_eq!(Expression::parse(&calls), Err(ParseError::TooDeep));
    let sum = format!("1{}", "+1".repeat(EXPRESSION_BYTES_MAX / 2 - 1));
    assert_eq!(evaluate(&sum).as_deref(), Ok("2048.0"));
    let long = " ".repeat(EXPRESSION_BYTES_MAX) + "1";
    assert_eq!(Expression::parse(&long), Err(ParseError::TooLong));
    assert_eq!(Expression::parse(&"9".repeat(400)), Err(ParseError::TooManyDigits(0)));
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(text in "\\PC{0,60}|[0-9+*/(), 'a.-]{0,60}") {
        let _ = evaluate(&text);
    }

    #[test]
    fn arithmetic_is_that_of_decimals(a in -9_999..9_999_i64, b in 1..9_999_i64, c in 0..999_i64) {
        let text = format!("{a} * {b} - {c} + {a} / {b} * {b}");
        let whole = evaluate(&format!("round({text}, 50)")).unwrap();
        prop_assert_eq!(whole, format!("{}.0", a * b - c + a));
    }
}
