//! Where events went, told by a whole service; usage of many subscriptions at once; figures that
//! are refused because they would be old.

use odometer::core::instant::{Instant, SECOND};
use odometer::core::position::Source;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use crate::scenario_seeds::Seeds;
use crate::service::{Answer, TestService};

/// 15 March 2024, noon.
const NOW: Instant = Instant(1_710_504_000_000_000);
const MARCH: i64 = 1_710_000_000;
const FEBRUARY: i64 = 1_707_000_000;
/// Before the subscription began, on 10 January.
const NEW_YEAR: i64 = 1_704_100_000;

/// A service with organisations that count calls twice, once by region and zone, and sum sizes.
fn service(organizations: &[&str]) -> TestService {
    let service = TestService::start(NOW, &[("store.slots", "8")]);
    for (name, number) in organizations.iter().zip(1..) {
        let subscription = |id: &str, customer: &str| {
            json!({"external_id": id, "external_customer_id": customer, "plan_code": "p",
                   "started_at": "2024-01-10T00:00:00Z", "status": "active"})
        };
        let case = json!({"id": name, "setup": {
            "billable_metrics": [
                {"code": "calls", "aggregation_type": "count_agg", "field_name": null,
                 "filters": [{"key": "region", "values": ["eu", "us"]}]},
                {"code": "sizes", "aggregation_type": "sum_agg", "field_name": "size"},
                {"code": "seats", "aggregation_type": "unique_count_agg", "field_name": "user",
                 "recurring": true},
            ],
            "customers": [{"external_id": "c", "currency": "EUR"},
                          {"external_id": "d", "currency": "EUR"}],
            "plans": [{"code": "p", "interval": "monthly", "amount_cents": 0, "charges": [
                {"billable_metric_code": "calls", "charge_model": "standard", "code": "plain",
                 "id": "1", "properties": {"amount": "1"}},
                {"billable_metric_code": "calls", "charge_model": "standard", "code": "split",
                 "id": "2", "properties": {"amount": "1", "pricing_group_keys": ["zone"]},
                 "filters": [{"values": {"region": ["eu"]}, "properties": {"amount": "2"}}]},
                {"billable_metric_code": "sizes", "charge_model": "standard", "code": "sizes",
                 "id": "3", "properties": {"amount": "2"}},
                {"billable_metric_code": "seats", "charge_model": "standard", "code": "seats",
                 "id": "4", "properties": {"amount": "2"}},
            ]}],
            "subscriptions": [subscription("s", "c"), subscription("t", "c"),
                              subscription("u", "d")],
        }});
        for (organization, bodies) in Seeds::new(&case, number).setup {
            service.put(&organization, bodies);
        }
    }
    service
}

fn event(id: &str, code: &str, timestamp: i64, properties: &Json) -> Json {
    json!({"transaction_id": id, "external_subscription_id": "s", "code": code,
           "timestamp": timestamp, "properties": properties})
}

fn send(service: &TestService, key: &str, event: &Json) {
    let answer = service.post(key, "/api/v1/events", &json!({ "event": event }));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn ask(service: &TestService, key: &str, id: &str, query: &str) -> Answer {
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
    service.get(key, &format!("/odometer/v1/events/{id}/story{query}"))
}

/// The copies that a story tells of the subscription's event.
fn copies(service: &TestService, key: &str, id: &str) -> Vec<Json> {
    let answer = ask(service, key, id, "?external_subscription_id=s");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["story"]["copies"].as_array().unwrap().clone()
}

/// The only copy.
#[track_caller]
fn copy(service: &TestService, id: &str) -> Json {
    let mut copies = copies(service, "acme", id);
    assert_eq!(copies.len(), 1, "{copies:?}");
    copies.remove(0)
}

/// What each charge made of an event, by its code.
fn fates(copy: &Json) -> Vec<(String, String, Json)> {
    let fate = |fate: &Json| {
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        (text(&fate["charge"]["code"]), text(&fate["fate"]), fate["buckets"].clone())
    };
    copy["fates"].as_array().unwrap().iter().map(fate).collect()
}

#[test]
fn an_applied_event_is_told_charge_by_charge() {
    let mut service = service(&["acme"]);
    let send = |event: &Json| send(&service, "acme", event);
    send(&event("eu", "calls", MARCH, &json!({"region": "eu", "zone": "a"})));
    send(&event("us", "calls", MARCH, &json!({"region": "us", "zone": "a"})));
    send(&event("size", "sizes", MARCH, &json!({"size": "2.50"})));
    send(&event("seat", "seats", FEBRUARY, &json!({"user": "ann"})));
    let check = |service: &TestService| {
        let eu = copy(service, "eu");
        assert_eq!((&eu["outcome"], &eu["reason"]), (&json!("applied"), &Json::Null));
        assert_eq!(eu["position"], "odometer_events-0:0");
        assert_eq!(eu["window"]["from_datetime"], "2024-03-01T00:00:00Z");
        assert_eq!(eu["window"]["relation"], "current");
        assert_eq!(eu["subscription"]["external_customer_id"], "c");
        let told = fates(&eu);
        let names: Vec<_> = told.iter().map(|(code, fate, _)| (&**code, &**fate)).collect();
        assert_eq!(names, [("plain", "applied"), ("split", "applied")]);
        assert_eq!(told[0].2, json!([{"filter": null, "grouped_by": {}}]));
        assert_eq!(told[1].2[0]["filter"]["values"], json!({"region": ["eu"]}));
        let us = fates(&copy(service, "us"));
        assert_eq!(us[1].2, json!([{"filter": null, "grouped_by": {"zone": "a"}}]));
        let size = copy(service, "size");
        assert_eq!(size["fates"][0]["value"], "2.5");
        let seat = copy(service, "seat");
        assert_eq!(seat["outcome"], "applied");
        assert_eq!(seat["fates"][0]["fate"], "carried");
        assert_eq!(seat["fates"][0]["operation"], "add");
    };
    check(&service);
    service.restart();
    check(&service);
    service.crash();
    check(&service);
}

#[test]
fn every_reason_for_a_zero_is_told() {
    let service = service(&["acme"]);
    let one = json!({"size": 1});
    for (id, code, at, properties, outcome) in [
        ("word", "sizes", MARCH, json!({"size": "1e3"}), "not_numeric"),
        ("none", "sizes", MARCH, json!({}), "not_numeric"),
        ("past", "sizes", FEBRUARY, one.clone(), "outside_window"),
        ("future", "sizes", MARCH + 40 * 86_400, one.clone(), "outside_window"),
        ("early", "sizes", NEW_YEAR, one.clone(), "before_subscription"),
        ("strange", "unheard", MARCH, one.clone(), "waiting"),
    ] {
        send(&service, "acme", &event(id, code, at, &properties));
        let copy = copy(&service, id);
        assert_eq!(copy["outcome"], outcome, "{copy}");
        assert!(copy["reason"].is_string(), "{copy}");
    }
    let relation = |id: &str| copy(&service, id)["window"]["relation"].clone();
    assert_eq!((relation("past"), relation("future")), (json!("past"), json!("future")));
    assert_eq!(copy(&service, "past")["window"]["to_datetime"], "2024-02-29T23:59:59Z");
    assert_eq!(copy(&service, "strange")["waiting_for"], json!(["billable_metric"]));
    let mut homeless = event("homeless", "unheard", MARCH, &one);
    homeless["external_subscription_id"] = json!("nobody");
    send(&service, "acme", &homeless);
    let told = ask(&service, "acme", "homeless", "").json();
    let waiting = &told["story"]["copies"][0]["waiting_for"];
    assert_eq!(*waiting, json!(["subscription", "billable_metric"]));
    homeless["external_subscription_id"] = Json::Null;
    send(&service, "acme", &homeless);
    let told = ask(&service, "acme", "homeless", "").json();
    let outcomes: Vec<&Json> =
        told["story"]["copies"].as_array().unwrap().iter().map(|own| &own["outcome"]).collect();
    assert_eq!(outcomes, ["waiting", "no_subscription_id"]);
}

#[test]
fn what_waits_for_a_metric_is_applied_once_that_exists() {
    let service = service(&["acme"]);
    send(&service, "acme", &event("early", "later", MARCH, &json!({})));
    assert_eq!(copy(&service, "early")["waiting_for"], json!(["billable_metric"]));
    let metric = json!({"billable_metric": {
        "name": "Later", "code": "later", "aggregation_type": "count_agg"}});
    let made = service.post("acme", "/api/v1/billable_metrics", &metric);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(copy(&service, "early")["waiting_for"], json!(["charge"]));
    let charge = json!({"charge": {
        "billable_metric_id": made.json()["billable_metric"]["lago_id"], "code": "later",
        "charge_model": "standard", "properties": {"amount": "1"}}});
    let made = service.post("acme", "/api/v1/plans/p/charges", &charge);
    assert_eq!(made.status, 200, "{made:?}");
    let told = copy(&service, "early");
    assert_eq!((&told["outcome"], &told["waiting_for"]), (&json!("applied"), &json!([])));
    assert_eq!(told["fates"][0]["charge"]["code"], "later");
}

#[test]
fn of_copies_the_first_is_told_and_refused_ones_beside_it() {
    let service = service(&["acme", "other"]);
    let record = |organization: &str, size: Json, at: Json| {
        let mut event = event("twice", "sizes", MARCH, &json!({ "size": size }));
        event["organization_id"] = json!(organization);
        event["timestamp"] = at;
        event.to_string()
    };
    service.append(&[
        record("acme", json!(0), json!("soon")),
        record("acme", json!(1), json!(MARCH)),
        record("acme", json!(2), json!(MARCH)),
        record("other", json!(3), json!("never")),
        "[7]".to_owned(),
    ]);
    assert_eq!(service.counters().duplicate, 1);
    service.running().service.checkpoint().unwrap();
    let told = copies(&service, "acme", "twice");
    let [applied, lost, refused] = &told[..] else { panic!("{told:?}") };
    assert_eq!(applied["outcome"], "applied");
    assert_eq!(applied["position"], "odometer_events-0:1");
    assert_eq!(lost["outcome"], "duplicate");
    assert_eq!(lost["position"], "odometer_events-0:2");
    assert_eq!(lost["duplicate_of"], json!({"position": "odometer_events-0:1", "index": 0}));
    assert_eq!(applied["fates"][0]["value"], "1.0");
    assert_eq!(refused["outcome"], "rejected");
    assert_eq!((&refused["reason"], &refused["index"]), (&json!("invalid_format"), &json!(0)));
    assert_eq!(refused["position"], "odometer_events-0:0");
    // The other organisation sees its own record and nothing else.
    let told = copies(&service, "other", "twice");
    let [refused] = &told[..] else { panic!("{told:?}") };
    assert_eq!(refused["position"], "odometer_events-0:3");
}

#[test]
fn organizations_do_not_see_each_others_stories() {
    let service = service(&["acme", "other"]);
    send(&service, "acme", &event("mine", "calls", MARCH, &json!({})));
    let missing = ask(&service, "other", "mine", "");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["code"], "event_story_not_found");
    assert_eq!(missing.body, ask(&service, "other", "nobodys", "").body);
    assert_eq!(ask(&service, "acme", "mine", "?external_subscription_id=t").status, 404);
    assert_eq!(ask(&service, "nobody", "mine", "").status, 401);
    let path = "/odometer/v1/customers/c/usage";
    assert_eq!(
        service.get("acme", path).json()["usages"][0]["body"]["customer_usage"]["charges_usage"][0]
            ["units"],
        "1.0"
    );
    let other = service.get("other", path).json();
    assert!(!other.to_string().contains("\"units\":\"1.0\""), "{other}");
}

#[derive(Deserialize)]
struct Many<'a> {
    #[serde(borrow)]
    usages: Vec<One<'a>>,
}

#[derive(Deserialize)]
struct One<'a> {
    status: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Statuses and bodies, to the byte.
fn elements(answer: &Answer) -> Vec<(u16, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let many: Many<'_> = serde_json::from_str(&answer.body).unwrap();
    many.usages.iter().map(|one| (one.status, one.body.get().to_owned())).collect()
}

#[test]
fn many_usages_are_the_single_ones_to_the_byte() {
    let service = service(&["acme"]);
    for (n, subscription) in (0..30).zip(["s", "t", "u"].into_iter().cycle()) {
        let code = ["calls", "sizes", "seats"][n % 7 % 3];
        let properties = json!({"size": n, "user": n % 4, "region": "eu", "zone": n % 2});
        let mut event = event(&format!("e{n}"), code, MARCH, &properties);
        event["external_subscription_id"] = json!(subscription);
        send(&service, "acme", &event);
    }
    let pairs = [
        ("c", Some("s")),
        ("d", None),
        ("c", Some("t")),
        ("d", Some("u")),
        ("c", None),
        ("nobody", None),
        ("d", Some("s")),
        ("c", Some("s")),
    ];
    for query in
        ["", "?apply_taxes=false", "?charge_code=split&skip_grouping=true", "?charge_code=x"]
    {
        let queries: Vec<Json> = pairs
            .iter()
            .map(|(customer, subscription)| {
                json!({"external_customer_id": customer, "external_subscription_id": subscription})
            })
            .collect();
        let path = format!("/odometer/v1/usage/query{query}");
        let many = service.post("acme", &path, &json!({ "queries": queries }));
        let single = |(customer, subscription): &(&str, Option<&str>)| {
            let join = if query.is_empty() { "?" } else { "&" };
            let subscription = subscription
                .map_or(String::new(), |id| format!("{join}external_subscription_id={id}"));
            let path = format!("/api/v1/customers/{customer}/current_usage{query}{subscription}");
            let answer = service.get("acme", &path);
            (answer.status, answer.body)
        };
        let expected: Vec<_> = pairs.iter().map(single).collect();
        assert_eq!(elements(&many), expected, "{query}");
        let customer = service.get("acme", &format!("/odometer/v1/customers/c/usage{query}"));
        assert_eq!(elements(&customer), [expected[0].clone(), expected[2].clone()], "{query}");
    }
}

#[test]
fn figures_that_would_be_old_are_refused() {
    let service = service(&["acme"]);
    send(&service, "acme", &event("e", "calls", MARCH, &json!({})));
    let single = "/api/v1/customers/c/current_usage?external_subscription_id=s&max_staleness=";
    let fresh = service.get("acme", &format!("{single}0"));
    assert_eq!(fresh.status, 200, "{fresh:?}");
    // A partition that has records which nobody has read: their age is that of the epoch.
    service.running().service.shared.ends.follow(Source::new(0, 7), 5);
    let old = service.get("acme", &format!("{single}1000"));
    assert_eq!((old.status, old.json()["code"].as_str()), (503, Some("too_stale")), "{old:?}");
    let lag = NOW.micros() / (SECOND / 1000);
    assert_eq!(service.get("acme", &format!("{single}{lag}")).status, 200);
    assert_eq!(service.get("acme", &format!("{single}{}", lag - 1)).status, 503);
    let many = service.get("acme", "/odometer/v1/customers/c/usage?max_staleness=1000");
    assert_eq!(elements(&many)[0], (503, old.body));
    let unknown = "&min_offset=odometer_events-3:1";
    let unknown = service.get("acme", &format!("{single}{lag}{unknown}"));
    assert_eq!(unknown.status, 422, "{unknown:?}");
    assert_eq!(unknown.json()["error_details"], json!({"min_offset": ["invalid_format"]}));
}

#[test]
fn the_command_line_tells_the_same_story() {
    let service = service(&["acme"]);
    send(&service, "acme", &event("a b", "calls", MARCH, &json!({"region": "eu"})));
    let url = format!("http://{}", service.running().address);
    let run = |id: &str, key: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_odometer"))
            .args(["explain", "event", id, "--subscription", "s", "--url", &url])
            .env("ODOMETER_API_KEY", key)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (told, words, _) = run("a b", "acme");
    assert!(told && words.starts_with("event a b\n\napplied (odometer_events-0:0, index 0)\n"));
    assert!(words.contains("charge split (standard, count_agg): applied"), "{words}");
    let (told, _, error) = run("nothing", "acme");
    assert!(!told && error.contains("neither the ledger nor"), "{error}");
    let (told, _, error) = run("a b", "wrong");
    assert!(!told && error.contains("401"), "{error}");
}
