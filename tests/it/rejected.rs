//! Rejected records through the program itself, on real Kafka: listed, shown, and replayed once
//! what was against them is gone, with the process killed in between.

use serde_json::{Value, json};

use crate::gaps::{call, calls, operate, reach, serve, write};
use crate::rig::{Place, Service, brokers, until};

const OPERATOR: &str = "an-operator-of-tests";
const REJECTED: &str = "/odometer/v1/operator/rejected";
/// The bound that is too small at first.
const SMALL: &str = "events.events_per_record_max=2";

fn replay(service: &Service) -> Value {
    let path = format!("{REJECTED}/replay");
    let (status, body, _) = service.post(&path, OPERATOR, &json!({}));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Replays until every record is either replayed or refused.
fn replay_all(service: &Service) -> Value {
    until("slots are past the records", || {
        let told = replay(service);
        (told["waiting"] == 0).then_some(told)
    })
}

/// A place with five calls of two transactions that count, and a record of three events that does
/// not, because it holds too many: one is a copy of what counts, two are new.
fn prepared(name: &str) -> (Place, String) {
    let place = Place::new(name, 1);
    let list = json!([call("late"), call("new"), call("newer")]).to_string();
    let one = |transaction| call(transaction).to_string();
    write(brokers(), &place.events, 0, &one("first"));
    write(brokers(), &place.events, 0, &list);
    write(brokers(), &place.events, 0, &one("late"));
    write(brokers(), &place.events, 0, "no event");
    (place, list)
}

#[test]
fn a_record_that_was_rejected_by_a_bound_is_shown_as_it_came_and_counts_once_later() {
    let (place, list) = prepared("rejected-replay");
    let service = serve(&place, brokers(), &[SMALL]);
    reach(&service, "2.0");
    let (status, body) = until("both are kept", || {
        let (status, body) = service.get(REJECTED, Some(OPERATOR));
        body.contains("\"end\":2").then_some((status, body))
    });
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["rejected"][0]["reason"], "too_many_events", "{told}");
    assert_eq!(told["rejected"][0]["offset"], 1);
    assert_eq!(told["rejected"][1]["reason"], "not_json");
    let (_, bytes) = service.get(&format!("{REJECTED}/0/bytes"), Some(OPERATOR));
    assert_eq!(bytes, list);
    for key in [None, Some("odometer-demo-key"), Some("")] {
        assert_eq!(service.get(REJECTED, key).0, 401, "{key:?}");
    }
    assert_eq!(service.get(&format!("{REJECTED}/9"), Some(OPERATOR)).0, 404);
    let told = replay(&service);
    assert_eq!((&told["replayed"], &told["refused_again"]), (&json!(0), &json!(2)), "{told}");
    assert_eq!(calls(&service), "2.0");
    assert!(service.terminate().0.success());
    let (shown, bytes) = operate(&place, &["rejected", "show", "0", "--bytes"]);
    assert!(shown && bytes == list, "{bytes}");

    let service = serve(&place, brokers(), &[]);
    reach(&service, "2.0");
    let told = replay_all(&service);
    assert_eq!((&told["replayed"], &told["refused_again"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(calls(&service), "4.0");
    // The copy in the record came before the one that counted, and has taken its place.
    assert_eq!(service.metric("odometer_ledger_events{outcome=\"replaced\"}"), 1);
    let told = replay(&service);
    assert_eq!((&told["replayed"], &told["replayed_before"]), (&json!(0), &json!(1)), "{told}");
    assert_eq!(calls(&service), "4.0");
    service.kill();
    let service = serve(&place, brokers(), &[]);
    reach(&service, "4.0");
    assert_eq!(replay_all(&service)["replayed_before"], 1);
    assert_eq!(calls(&service), "4.0");
    assert!(service.terminate().0.success());
    let (listed, told) = operate(&place, &["rejected", "list"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(listed && told["rejected"][0]["replayed_at"].is_string(), "{told}");
    assert!(told["rejected"][1]["replayed_at"].is_null(), "{told}");
}

#[test]
fn a_kill_on_either_side_of_the_commit_of_a_replay_counts_nothing_twice() {
    let (place, _) = prepared("rejected-kill");
    let service = serve(&place, brokers(), &[SMALL]);
    reach(&service, "2.0");
    assert!(service.terminate().0.success());
    for edge in ["commit begins", "commit ends"] {
        let mut command = place.program(&["serve"]);
        command.args(["--set", &format!("http.operator_key={OPERATOR}")]);
        command.env("ODOMETER_TEST_FAULT", "pause_in_commit:400");
        let mut service = Service::start(command);
        until("it is ready", || (service.get("/readyz", None).0 == 200).then_some(()));
        service.skip_lines();
        let url = format!("{}{REJECTED}/replay", service.url);
        // The answer never comes: the process is gone by then.
        let asked = std::thread::spawn(move || {
            let request = ureq::post(url).header("Authorization", format!("Bearer {OPERATOR}"));
            drop(request.send("{}"));
        });
        service.wait_line(edge);
        service.kill();
        asked.join().unwrap();
    }
    let service = serve(&place, brokers(), &[]);
    until("it is ready", || (service.get("/readyz", None).0 == 200).then_some(()));
    let told = replay_all(&service);
    let done = told["replayed"].as_i64().unwrap() + told["replayed_before"].as_i64().unwrap();
    assert_eq!(done, 1, "{told}");
    assert_eq!(calls(&service), "4.0");
}

#[test]
fn without_a_key_there_are_no_routes_of_the_operator() {
    let place = Place::new("rejected-off", 1);
    let service = Service::start(place.program(&["serve"]));
    assert_eq!(service.get(REJECTED, Some(OPERATOR)).0, 404);
    assert_eq!(service.get("/odometer/v1/operator/gaps", Some(OPERATOR)).0, 404);
}
