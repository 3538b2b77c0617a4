//! Billable metrics over HTTP.

use serde_json::json;

use super::catalogue::check_foreign;
use super::client::start;

const CALLS: &str = r#"{"billable_metric":{"name":"Calls","code":"calls",
    "aggregation_type":"count_agg","field_name":"","recurring":null}}"#;
const GB: &str = r#"{"billable_metric":{"name":"GB","code":"gb","aggregation_type":"sum_agg",
    "description":"Traffic","field_name":"gb","recurring":true,"rounding_function":"ceil",
    "rounding_precision":-1,"expression":"event.properties.mb / 1024","filters":[{"key":"region",
    "values":["us","eu","us",7]},null,{"key":"cloud","values":["aws"]}]}}"#;

#[test]
fn a_metric_is_created_read_changed_and_deleted() {
    let server = start();
    let created = server.post("billable_metrics", GB);
    let id = created.ok()["billable_metric"]["lago_id"].as_str().unwrap().to_owned();
    let body = |name: &str, counters: &str, filters: &str| {
        format!(
            "{{\"billable_metric\":{{\"lago_id\":\"{id}\",\"name\":\"{name}\",\"code\":\"gb\",\
             \"description\":\"Traffic\",\"aggregation_type\":\"sum_agg\",\
             \"weighted_interval\":null,\"recurring\":true,\"rounding_function\":\"ceil\",\
             \"rounding_precision\":-1,\"created_at\":\"2024-03-05T06:07:08Z\",\
             \"field_name\":\"gb\",\"expression\":\"event.properties.mb / 1024\",{counters}\
             \"filters\":[{filters}]}}}}"
        )
    };
    let counters = "\"active_subscriptions_count\":0,\"draft_invoices_count\":0,\"plans_count\":0,";
    let filters = r#"{"key":"region","values":["7","eu","us"]},{"key":"cloud","values":["aws"]}"#;
    assert_eq!(created.body, body("GB", counters, filters));
    assert_eq!(server.read("billable_metrics/gb").body, body("GB", "", filters));
    let path = "billable_metrics/gb";
    let changed = server.put(path, r#"{"billable_metric":{"name":"Volume","filters":[]}}"#);
    assert_eq!(changed.body, body("Volume", counters, ""));
    assert_eq!(server.delete(path).body, changed.body);
    for answer in [server.read(path), server.delete(path), server.put(path, GB)] {
        answer.refused(404, "billable_metric_not_found");
    }
}

#[test]
fn counts_have_no_field_and_weighted_sums_an_interval() {
    let server = start();
    let calls = server.post("billable_metrics", CALLS).ok();
    assert_eq!(calls["billable_metric"]["field_name"], json!(null));
    assert_eq!(calls["billable_metric"]["recurring"], json!(false));
    let weighted = |interval: &str| {
        format!(
            r#"{{"billable_metric":{{"name":"n","code":"w","aggregation_type":"weighted_sum_agg",
                "field_name":"f"{interval}}}}}"#
        )
    };
    let refused = server.post("billable_metrics", &weighted(""));
    refused.invalid(r#"{"weighted_interval":["value_is_invalid"]}"#);
    let refused = server.post("billable_metrics", &weighted(r#","weighted_interval":"hours""#));
    refused.invalid(r#"{"weighted_interval":["value_is_invalid"]}"#);
    let good = server.post("billable_metrics", &weighted(r#","weighted_interval":"seconds""#)).ok();
    assert_eq!(good["billable_metric"]["weighted_interval"], "seconds");
}

#[test]
fn members_are_checked() {
    let server = start();
    let check = |members: &str, details: &str| {
        let body = format!("{{\"billable_metric\":{{{members}}}}}");
        server.post("billable_metrics", &body).invalid(details);
    };
    check(
        r#""x":1"#,
        r#"{"name":["value_is_mandatory"],"code":["value_is_mandatory"],
            "aggregation_type":["value_is_mandatory"]}"#,
    );
    let named = r#""name":"n","code":"c","#;
    for (members, details) in [
        (r#""aggregation_type":"mean_agg""#, r#"{"aggregation_type":["value_is_invalid"]}"#),
        (r#""aggregation_type":"sum_agg""#, r#"{"field_name":["value_is_mandatory"]}"#),
        (
            r#""aggregation_type":"max_agg","field_name":"f","recurring":true"#,
            r#"{"recurring":["not_compatible_with_aggregation_type"]}"#,
        ),
        (
            r#""aggregation_type":"count_agg","recurring":"true","expression":"1 +""#,
            r#"{"recurring":["not_compatible_with_aggregation_type"],
                "expression":["invalid_expression"]}"#,
        ),
        (
            r#""aggregation_type":"count_agg","rounding_function":"up","rounding_precision":"x""#,
            r#"{"rounding_function":["value_is_invalid"],
                "rounding_precision":["value_is_invalid"]}"#,
        ),
        (
            r#""aggregation_type":"count_agg","rounding_function":"round",
                "rounding_precision":101"#,
            r#"{"rounding_precision":["value_is_out_of_range"]}"#,
        ),
        (
            r#""aggregation_type":"count_agg","filters":[{"key":"k","values":[]}]"#,
            r#"{"values":["value_is_mandatory"]}"#,
        ),
        (
            r#""aggregation_type":"count_agg","filters":[{"key":"k","values":["a"]},
                {"values":["a"]}]"#,
            r#"{"key":["value_is_mandatory"]}"#,
        ),
    ] {
        check(&format!("{named}{members}"), details);
    }
    let custom = r#"{"billable_metric":{"aggregation_type":"custom_agg"}}"#;
    server.post("billable_metrics", custom).refused(403, "feature_unavailable");
    server.post("billable_metrics", CALLS).ok();
    server.post("billable_metrics", CALLS).invalid(r#"{"code":["value_already_exist"]}"#);
    server.post("billable_metrics", GB).ok();
    let taken = server.put("billable_metrics/gb", r#"{"billable_metric":{"code":"calls"}}"#);
    taken.invalid(r#"{"code":["value_already_exist"]}"#);
    let custom = server.put("billable_metrics/gb", custom);
    custom.refused(403, "feature_unavailable");
    let named = server.put("billable_metrics/gb", r#"{"billable_metric":{"name":""}}"#);
    named.invalid(r#"{"name":["value_is_mandatory"]}"#);
}

#[test]
fn organisations_see_their_own_metrics() {
    let server = start();
    server.post("billable_metrics", CALLS).ok();
    check_foreign(
        &server,
        "billable_metrics/calls",
        "billable_metric",
        "billable_metric_not_found",
    );
    server.send("OTHER", "POST", "/api/v1/billable_metrics", CALLS).ok();
    server.post("billable_metrics", GB).ok();
    let list = server.read("billable_metrics").ok();
    let codes: Vec<_> =
        list["billable_metrics"].as_array().unwrap().iter().map(|m| m["code"].clone()).collect();
    assert_eq!(codes, [json!("gb"), json!("calls")]);
    assert_eq!(list["billable_metrics"][0]["plans_count"], 0);
    let foreign = server.send("OTHER", "GET", "/api/v1/billable_metrics", "").ok();
    assert_eq!(foreign["meta"]["total_count"], 1);
}

#[test]
fn expressions_are_tried_out() {
    let server = start();
    let path = "billable_metrics/evaluate_expression";
    for (body, value) in [
        (r#"{"expression":"1 + 2"}"#, "3.0"),
        (
            r#"{"expression":"concat(event.code, '-', event.properties.a)","event":{"code":"c",
                "properties":{"a":true}}}"#,
            "c-true",
        ),
        (r#"{"expression":"event.timestamp","event":{"timestamp":1650893379.9}}"#, "1650893379.0"),
        (r#"{"expression":"event.timestamp"}"#, "1709618828.0"),
        (
            r#"{"expression":"event.properties.a * 2","event":{"properties":{"a":"1.5","b":[1]}}}"#,
            "3.0",
        ),
        (
            r#"{"expression":"event.properties.b","event":{"properties":{"b":[1,null,"x",2.50]}}}"#,
            r#"[1, nil, \"x\", 2.5]"#,
        ),
    ] {
        let answer = server.post(path, body);
        let expected = format!("{{\"expression_result\":{{\"value\":\"{value}\"}}}}");
        assert_eq!((answer.status, answer.body), (200, expected), "{body}");
    }
    for (body, details) in [
        ("", r#"{"expression":["value_is_mandatory"]}"#),
        (r#"{"expression":" "}"#, r#"{"expression":["value_is_mandatory"]}"#),
        (r#"{"expression":"1 +","event":1}"#, r#"{"expression":["invalid_expression"]}"#),
        (r#"{"expression":"event.properties.a"}"#, r#"{"event":["invalid_event"]}"#),
        (r#"{"expression":"1","event":{"timestamp":"soon"}}"#, r#"{"event":["invalid_event"]}"#),
    ] {
        server.post(path, body).invalid(details);
    }
    server.read(path).refused(404, "resource_not_found");
    server
        .send("LIMITED", "POST", &format!("/api/v1/{path}"), "")
        .refused(403, "write_action_not_allowed_for_billable_metric");
}
