use proptest::prelude::*;

use super::reference::{Judged, decoded as decode, judge, without_message};
use super::{Decoder, Limits};
use crate::core::decimal::Decimal;
use crate::core::event::Rejection;
use crate::core::properties::Kind;

/// An event of one organisation with these further members.
fn with(members: &str) -> String {
    format!(r#"{{"organization_id":"o","transaction_id":"t","code":"c","timestamp":1{members}}}"#)
}

#[track_caller]
fn accept(payload: &str) -> Judged {
    let mut outcomes = decode(Some(payload.as_bytes()), &Limits::default());
    assert_eq!(outcomes.len(), 1, "{payload}");
    outcomes.remove(0).unwrap()
}

#[track_caller]
fn reject(payload: impl AsRef<[u8]>) -> Rejection {
    let mut outcomes = decode(Some(payload.as_ref()), &Limits::default());
    assert_eq!(outcomes.len(), 1);
    outcomes
        .remove(0)
        .map_err(|rejection| match rejection {
            Rejection::NotJson(_) => Rejection::NotJson(String::new()),
            other => other,
        })
        .unwrap_err()
}

#[test]
fn an_event_of_the_raw_topic_is_read() {
    let event = accept(
        r#" {"organization_id":"org","external_customer_id":"cus","external_subscription_id":"sub",
            "transaction_id":"tx-1","timestamp":"1741007009.123","code":"api",
            "precise_total_amount_cents":"12.50","properties":{"n":1.50,"region":"eu\u002dwest"},
            "ingested_at":"2025-03-03T13:03:29.123","source":"http_ruby",
            "source_metadata":{"api_post_processed":true,"reprocess":false}} "#,
    );
    let text = |kind, text: &str| (kind, text.to_owned());
    assert_eq!(
        event,
        Judged {
            organization: "org".into(),
            subscription: Some("sub".into()),
            transaction: "tx-1".into(),
            code: "api".into(),
            timestamp: 1_741_007_009_123_000,
            properties: [
                ("n".into(), text(Kind::Number, "1.50")),
                ("region".into(), text(Kind::Text, "eu-west")),
            ]
            .into(),
            precise_cents: Decimal::parse_literal("12.5"),
            evaluated: true,
        }
    );
}

#[test]
fn scalars_become_identifiers_and_absence_is_none() {
    let event = accept(
        r#"{"organization_id":1.50,"transaction_id":12,"code":true,"timestamp":-1e-7,
            "external_subscription_id":1e3,"properties":[]}"#,
    );
    assert_eq!(
        (event.organization.as_str(), event.transaction.as_str(), event.code.as_str()),
        ("1.50", "12", "true")
    );
    assert_eq!((event.subscription.as_deref(), event.timestamp), (Some("1000"), -1));
    assert!(event.properties.is_empty());
    assert_eq!(accept(&with("")).subscription, None);
    assert_eq!(accept(&with(r#","external_subscription_id":null"#)).subscription, None);
    let blank = accept(&with(r#","external_subscription_id":"""#));
    assert_eq!(blank.subscription.as_deref(), Some(""));
}

#[test]
fn property_values_are_what_postgresql_extracts() {
    let cases = [
        ("1e5", Kind::Number, "100000"),
        ("-0", Kind::Number, "0"),
        ("false", Kind::Bool, "false"),
        ("null", Kind::Null, ""),
        (r#""a\"b\u00e9\ud83d\ude00""#, Kind::Text, "a\"bé😀"),
        ("[ ]", Kind::Tree, "[]"),
        ("{ }", Kind::Tree, "{}"),
        (r#"[1.0,"a\/b\u0001\t",null,{}]"#, Kind::Tree, r#"[1.0, "a/b\u0001\t", null, {}]"#),
        (r#"{"bb":1,"a":2,"é":3,"b":1e1}"#, Kind::Tree, r#"{"a": 2, "b": 10, "bb": 1, "é": 3}"#),
        (
            r#"{"a":{"z":0,"y":0},"a":{"y":[{"b":1,"a":2}]}}"#,
            Kind::Tree,
            r#"{"a": {"y": [{"a": 2, "b": 1}]}}"#,
        ),
        (
            r#"{"\u0062":1,"a":{"\u0064":2,"c":3}}"#,
            Kind::Tree,
            r#"{"a": {"c": 3, "d": 2}, "b": 1}"#,
        ),
    ];
    for (value, kind, text) in cases {
        let event = accept(&with(&format!(r#","properties":{{"p":{value}}}"#)));
        assert_eq!(event.properties.get("p"), Some(&(kind, text.to_owned())), "{value}");
    }
}

#[test]
fn the_last_of_equal_members_counts() {
    let event = accept(&with(
        r#","code":"d","properties":{"a":"\u0000"},"properties":{"a":1,"b":2,"\u0061":3}"#,
    ));
    assert_eq!(event.code, "d");
    assert_eq!(event.properties.get("a"), Some(&(Kind::Number, "3".to_owned())));
    // More members than are compared one by one.
    let many: Vec<_> = (0..1000).map(|i| format!(r#""k{}":{i}"#, i % 300)).collect();
    let event = accept(&with(&format!(r#","properties":{{{}}}"#, many.join(","))));
    assert_eq!(event.properties.len(), 300);
    assert_eq!(event.properties.get("k99"), Some(&(Kind::Number, "999".to_owned())));
    assert_eq!(event.properties.get("k100"), Some(&(Kind::Number, "700".to_owned())));
}

#[test]
fn amounts_are_cast_as_rails_casts_them() {
    let amount = |given: &str| {
        accept(&with(&format!(r#","precise_total_amount_cents":{given}"#))).precise_cents
    };
    let is = |text| Decimal::parse_literal(text);
    assert_eq!(amount(r#""12.5x""#), is("12.5"));
    assert_eq!(amount("12.5"), is("12.5"));
    assert_eq!(amount("1e2"), is("100"));
    assert_eq!(amount(r#""x""#), is("0"));
    assert_eq!(amount("false"), is("0"));
    assert_eq!(amount(r#""""#), None);
    assert_eq!(amount("null"), None);
    assert_eq!(amount(r#""0.0000000000000005""#), is("0.000000000000001"));
    assert_eq!(amount(r#""-0.00000000000000049""#), is("0"));
    let long = with(&format!(r#","precise_total_amount_cents":"{}""#, "9".repeat(341)));
    assert_eq!(reject(long), Rejection::OutOfRange("precise_total_amount_cents"));
}

#[test]
fn records_that_are_no_event_are_rejected_with_their_reason() {
    let not_json = Rejection::NotJson(String::new());
    for broken in [
        "",
        " ",
        "{",
        "[",
        r#"{"a":1,}"#,
        "[1,]",
        "nul",
        "01",
        "1.",
        "\"\u{1}\"",
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        "{}{}",
        r#"{"a":"\u00g0"}"#,
        r#"{"a" 1}"#,
        "\u{feff}{}",
        "-",
        "1e",
        r#""\x""#,
        "[}",
        "{]",
    ] {
        assert_eq!(reject(broken), not_json, "{broken}");
    }
    assert_eq!(reject("12"), Rejection::NotAnObject);
    assert_eq!(reject(b"{\"a\":\"\xff\"}"), Rejection::NotUtf8);
    assert_eq!(reject("{}"), Rejection::Mandatory("organization_id"));
    assert_eq!(reject(with(r#","code":"\u3000 ""#)), Rejection::Mandatory("code"));
    assert_eq!(reject(with(r#","code":null"#)), Rejection::Mandatory("code"));
    assert_eq!(reject(with(r#","code":[]"#)), Rejection::Invalid("code"));
    assert_eq!(reject(with(r#","code":"a\u0000""#)), Rejection::Invalid("code"));
    assert_eq!(reject(with(r#","timestamp":true"#)), Rejection::Invalid("timestamp"));
    assert_eq!(reject(with(r#","timestamp":null"#)), Rejection::Invalid("timestamp"));
    assert_eq!(reject(with(r#","timestamp":1e20"#)), Rejection::Invalid("timestamp"));
    for nul in [r#""\u0000""#, r#"["\u0000"]"#, r#"{"\u0000":1}"#] {
        let members = format!(r#","properties":{{"p":{nul}}}"#);
        assert_eq!(reject(with(&members)), Rejection::Invalid("properties"));
    }
    assert_eq!(reject(with(r#","properties":{"\u0000":1}"#)), Rejection::Invalid("properties"));
    assert_eq!(reject(with(r#","properties":{"p":1e999}"#)), Rejection::OutOfRange("properties"));
    assert_eq!(reject(with(r#","transaction_id":1e999"#)), Rejection::OutOfRange("transaction_id"));
    let long = format!(r#","code":"{}""#, "x".repeat(8193));
    assert_eq!(reject(with(&long)), Rejection::OutOfRange("code"));
    assert_eq!(decode(None, &Limits::default()), vec![Err(Rejection::Tombstone)]);
    assert_eq!(accept(&with(r#","other":"\u0000""#)).code, "c");
}

#[test]
fn caps_hold_before_numbers_are_read() {
    let limits = Limits { record_bytes_max: 200, depth_max: 3, events_per_record_max: 2 };
    let outcome = |payload: &str| decode(Some(payload.as_bytes()), &limits);
    let large = " ".repeat(201);
    assert_eq!(outcome(&large), vec![Err(Rejection::TooLarge { bytes: 201, limit: 200 })]);
    assert_eq!(outcome("[[[[]]]]"), vec![Err(Rejection::TooDeep(3))]);
    assert_eq!(outcome(&with(r#","properties":{"a":[[]]}"#)), vec![Err(Rejection::TooDeep(3))]);
    assert!(outcome(&with(r#","properties":{"a":[]}"#))[0].is_ok());
    assert_eq!(outcome("[0,0,0]"), vec![Err(Rejection::TooManyEvents(2))]);
    // Numbers that grow in print cannot fill the memory.
    let numbers = vec!["1e300"; 1000].join(",");
    let grown = with(&format!(r#","properties":{{"a":[{numbers}]}}"#));
    assert_eq!(reject(grown), Rejection::OutOfRange("properties"));
}

#[test]
fn items_of_a_list_stand_for_themselves() {
    let list = format!("[{},1,{{}},{}]", with(""), with(r#","code":"d""#));
    let outcomes = decode(Some(list.as_bytes()), &Limits::default());
    assert_eq!(outcomes.len(), 4);
    assert_eq!(outcomes[0].as_ref().unwrap().code, "c");
    assert_eq!(outcomes[1], Err(Rejection::NotAnObject));
    assert_eq!(outcomes[2], Err(Rejection::Mandatory("organization_id")));
    assert_eq!(outcomes[3].as_ref().unwrap().code, "d");
    assert!(decode(Some(b"[]"), &Limits::default()).is_empty());
    // A list that breaks off gives no event at all.
    assert_eq!(reject(format!("[{},", with(""))), Rejection::NotJson(String::new()));
}

#[test]
fn memory_of_one_record_does_not_reach_the_next() {
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    let broken = with(r#","properties":{"a":{"b\n":1,"c":["#);
    let records = [with(r#","properties":{"a":1e1,"b\n":{}}"#), broken, with("")];
    for record in &records {
        decoder.decode(Some(record.as_bytes()), &Limits::default(), &mut |_, outcome| {
            seen.push(outcome.map(|event| event.properties.iter().count()).ok());
        });
    }
    assert_eq!(seen, [Some(2), None, Some(0)]);
}

/// A JSON text of any value, spelled in odd ways.
fn value() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "-?(0|[1-9][0-9]{0,3})(\\.0{1,4})?([eE][+-]?0{0,3}[0-9])?",
        Just("1e400".to_owned()),
        Just("9".repeat(345)),
    ];
    let piece = prop_oneof![
        "[a-z0-9 .:+TZ_-]{0,8}",
        Just("é😀\u{3000}".to_owned()),
        Just(r"\n\t\b\f\r\/\\".to_owned()),
        Just(r#"\""#.to_owned()),
        Just(r"\u00e9".to_owned()),
        Just(r"\ud83d\ude00".to_owned()),
        Just(r"\u0000".to_owned()),
        Just(r"\u001f".to_owned()),
        Just(r"\ud800".to_owned()),
    ];
    let text = prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat());
    let seconds = prop_oneof![
        "[ ]?[+-]?[0-9_]{1,12}(\\.[0-9_]{0,9})?(e[+-]?[0-9]{1,2})?[ ]?",
        concat!(
            "[12][0-9]{3}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-6][0-9]",
            "(\\.[0-9]{1,9})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])"
        ),
        "2024-02-(28|29|30)T23:59:59(Z|)",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("\"http_ruby\"".to_owned()),
        number.clone(),
        number.prop_map(|number| format!("\"{number}\"")),
        seconds.prop_map(|text| format!("\"{text}\"")),
        text.clone().prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let key = prop_oneof![Just("a".to_owned()), Just("bb".to_owned()), text.clone()];
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\" :{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(member, 0..4)
                .prop_map(|members| format!("{{\n{}}}", members.join(","))),
        ]
    })
}

fn record() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "organization_id",
        "transaction_id",
        "code",
        r"\u0063ode",
        "timestamp",
        "external_subscription_id",
        "precise_total_amount_cents",
        "properties",
        "source",
        "other",
    ]);
    let member = (name, value()).prop_map(|(name, value)| format!(r#","{name}":{value}"#));
    let properties = prop::collection::vec(("[a-c]{1,2}", value()), 0..5).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!(r#","properties":{{{}}}"#, members.join(","))
    });
    let event = (prop::collection::vec(member, 0..4), properties)
        .prop_map(|(members, properties)| with(&(members.concat() + &properties)))
        .boxed();
    let list = prop::collection::vec(prop_oneof![4 => event.clone(), 1 => value()], 0..5)
        .prop_map(|items| format!(" [{}]\t", items.join(", ")));
    prop_oneof![6 => event, 2 => list, 1 => value()]
}

/// Bytes put in place of others, to break records in every way.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    let byte = prop::sample::select(b"{}[]\",:\\0-.eu \x00\x1f\xc3n".to_vec());
    let damages = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, byte), 1..3);
    prop_oneof![3 => Just(Vec::new()), 2 => damages]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_fast_decoder_agrees_with_the_strict_one(record in record(), damage in damage()) {
        let mut bytes = record.into_bytes();
        for (index, how, byte) in damage {
            let at = index.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at.max(1)),
            }
        }
        let limits = Limits { record_bytes_max: 4000, depth_max: 5, events_per_record_max: 3 };
        let fast: Vec<_> =
            decode(Some(&bytes), &limits).into_iter().map(without_message).collect();
        let slow: Vec<_> = judge(&bytes, &limits).into_iter().map(without_message).collect();
        prop_assert_eq!(fast, slow, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let limits = Limits::default();
        let fast: Vec<_> =
            decode(Some(&bytes), &limits).into_iter().map(without_message).collect();
        let slow: Vec<_> = judge(&bytes, &limits).into_iter().map(without_message).collect();
        prop_assert_eq!(fast, slow);
    }
}
