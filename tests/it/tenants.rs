//! Two organisations on one service: whatever the one asks about the other's objects, it is told
//! what it would be told about objects that never were.
//!
//! The routes come from the description of the running service, so a route that nobody thought of
//! here fails.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use ureq::http::Request;

use crate::rig::{PATIENCE, Service, until};

/// How a route could be led to somebody else's objects.
enum Way {
    /// It needs no key and tells nothing of anybody.
    Open,
    /// It is about the caller's organisation, or about nothing that is kept.
    Own,
    /// By the variables of its path; the body that is sent along.
    Path(&'static str),
    /// By what is written in the query or in the body: each is sent with the other's names in the
    /// place of the words in brackets.
    Names(&'static [&'static str]),
}

const CHANGE: &str = r#"{"{root}":{"name":"x","invoice_display_name":"x","rate":1}}"#;
const EVENT: &str = r#"{"event":{"transaction_id":"{new}",
                "external_subscription_id":"{subscription}","code":"{metric}",
                "timestamp":1709618828}}"#;
const EVENTS: &str = r#"{"events":[{"transaction_id":"{new}",
                "external_subscription_id":"{subscription}","code":"{metric}",
                "timestamp":1709618828}]}"#;

/// Every operation of the service.
const WAYS: [(&str, &str, Way); 53] = [
    ("GET", "/api/v1/organizations", Way::Own),
    ("PUT", "/api/v1/organizations", Way::Own),
    ("POST", "/api/v1/taxes", Way::Names(&[r#"{"tax":{"name":"{new}","code":"{tax}","rate":1}}"#])),
    ("GET", "/api/v1/taxes", Way::Own),
    ("GET", "/api/v1/taxes/{code}", Way::Path("")),
    ("PUT", "/api/v1/taxes/{code}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/taxes/{code}", Way::Path("")),
    (
        "POST",
        "/api/v1/billable_metrics",
        Way::Names(&[r#"{"billable_metric":{"name":"{new}","code":"{metric}",
                "aggregation_type":"count_agg"}}"#]),
    ),
    ("GET", "/api/v1/billable_metrics", Way::Own),
    ("POST", "/api/v1/billable_metrics/evaluate_expression", Way::Own),
    ("GET", "/api/v1/billable_metrics/{code}", Way::Path("")),
    ("PUT", "/api/v1/billable_metrics/{code}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/billable_metrics/{code}", Way::Path("")),
    (
        "POST",
        "/api/v1/customers",
        Way::Names(&[
            r#"{"customer":{"external_id":"{new}","tax_codes":["{tax}"]}}"#,
            r#"{"customer":{"external_id":"{customer}","name":"x"}}"#,
        ]),
    ),
    ("GET", "/api/v1/customers", Way::Own),
    ("GET", "/api/v1/customers/{external_customer_id}", Way::Path("")),
    ("DELETE", "/api/v1/customers/{external_customer_id}", Way::Path("")),
    (
        "POST",
        "/api/v1/plans",
        Way::Names(&[
            r#"{"plan":{"name":"x","code":"{new}","interval":"monthly",
                "amount_cents":0,"amount_currency":"EUR","tax_codes":["{tax}"]}}"#,
            r#"{"plan":{"name":"x","code":"{new}","interval":"monthly",
                "amount_cents":0,"amount_currency":"EUR",
                "charges":[{"billable_metric_id":"{metric_id}",
                "charge_model":"standard","properties":{"amount":"1"}}]}}"#,
            r#"{"plan":{"name":"x","code":"{plan}","interval":"monthly",
                "amount_cents":0,"amount_currency":"EUR"}}"#,
        ]),
    ),
    ("GET", "/api/v1/plans", Way::Own),
    ("GET", "/api/v1/plans/{code}", Way::Path("")),
    ("PUT", "/api/v1/plans/{code}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/plans/{code}", Way::Path("")),
    ("POST", "/api/v1/plans/{code}/charges", Way::Path(CHANGE)),
    ("GET", "/api/v1/plans/{code}/charges", Way::Path("")),
    ("GET", "/api/v1/plans/{code}/charges/{charge_code}", Way::Path("")),
    ("PUT", "/api/v1/plans/{code}/charges/{charge_code}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/plans/{code}/charges/{charge_code}", Way::Path("")),
    ("POST", "/api/v1/plans/{code}/charges/{charge_code}/filters", Way::Path(CHANGE)),
    ("GET", "/api/v1/plans/{code}/charges/{charge_code}/filters", Way::Path("")),
    ("GET", "/api/v1/plans/{code}/charges/{charge_code}/filters/{id}", Way::Path("")),
    ("PUT", "/api/v1/plans/{code}/charges/{charge_code}/filters/{id}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/plans/{code}/charges/{charge_code}/filters/{id}", Way::Path("")),
    ("GET", "/api/v1/subscriptions/{external_id}/charges", Way::Path("")),
    ("GET", "/api/v1/subscriptions/{external_id}/charges/{charge_code}", Way::Path("")),
    ("PUT", "/api/v1/subscriptions/{external_id}/charges/{charge_code}", Way::Path(CHANGE)),
    (
        "POST",
        "/api/v1/subscriptions/{external_id}/charges/{charge_code}/filters",
        Way::Path(CHANGE),
    ),
    ("GET", "/api/v1/subscriptions/{external_id}/charges/{charge_code}/filters", Way::Path("")),
    (
        "GET",
        "/api/v1/subscriptions/{external_id}/charges/{charge_code}/filters/{id}",
        Way::Path(""),
    ),
    (
        "PUT",
        "/api/v1/subscriptions/{external_id}/charges/{charge_code}/filters/{id}",
        Way::Path(CHANGE),
    ),
    (
        "POST",
        "/api/v1/subscriptions",
        Way::Names(&[
            r#"{"subscription":{"external_customer_id":"{customer}",
                "plan_code":"{plan}","external_id":"{new}"}}"#,
            r#"{"subscription":{"external_customer_id":"beta_customer",
                "plan_code":"{plan}","external_id":"{new}"}}"#,
            r#"{"subscription":{"external_customer_id":"beta_customer",
                "plan_code":"beta_plan","external_id":"{subscription}"}}"#,
        ]),
    ),
    (
        "GET",
        "/api/v1/subscriptions",
        Way::Names(&["?external_customer_id={customer}", "?plan_code={plan}", "?status[]=active"]),
    ),
    ("GET", "/api/v1/customers/{external_customer_id}/subscriptions", Way::Path("")),
    ("GET", "/api/v1/subscriptions/{external_id}", Way::Path("")),
    ("PUT", "/api/v1/subscriptions/{external_id}", Way::Path(CHANGE)),
    ("DELETE", "/api/v1/subscriptions/{external_id}", Way::Path("")),
    (
        "GET",
        "/api/v1/customers/{external_customer_id}/current_usage",
        Way::Path("?external_subscription_id={subscription}"),
    ),
    (
        "GET",
        "/api/v1/customers/{external_customer_id}/projected_usage",
        Way::Path("?external_subscription_id={subscription}"),
    ),
    ("POST", "/api/v1/events", Way::Names(&[EVENT])),
    (
        "GET",
        "/api/v1/events",
        Way::Names(&["?external_subscription_id={subscription}", "?code={metric}"]),
    ),
    ("POST", "/api/v1/events/batch", Way::Names(&[EVENTS])),
    ("GET", "/api/v1/events/{transaction_id}", Way::Path("")),
    ("POST", "/api/v1/events/estimate_fees", Way::Names(&[EVENT])),
    ("POST", "/api/v1/events/estimate_instant_fees", Way::Names(&[EVENT])),
];
/// The same, of those that came later.
const MORE_WAYS: [(&str, &str, Way); 13] = [
    (
        "GET",
        "/api/v1/customers/{external_customer_id}/past_usage",
        Way::Path("?external_subscription_id={subscription}"),
    ),
    ("GET", "/api/v1/subscriptions/{external_id}/lifetime_usage", Way::Path("")),
    (
        "PUT",
        "/api/v1/subscriptions/{external_id}/lifetime_usage",
        Way::Path(r#"{"{root}":{"external_historical_usage_amount_cents":5}}"#),
    ),
    (
        "GET",
        "/odometer/v1/events/{transaction_id}/story",
        Way::Path("?external_subscription_id={subscription}"),
    ),
    ("GET", "/odometer/v1/customers/{external_customer_id}/usage", Way::Path("")),
    (
        "POST",
        "/odometer/v1/usage/query",
        Way::Names(&[
            r#"{"queries":[{"external_customer_id":"{customer}",
                "external_subscription_id":"{subscription}"}]}"#,
            r#"{"queries":[{"external_customer_id":"beta_customer",
                "external_subscription_id":"{subscription}"}]}"#,
        ]),
    ),
    ("POST", "/api/v1/events/batch_estimate_instant_fees", Way::Names(&[EVENTS])),
    ("GET", "/livez", Way::Open),
    ("GET", "/readyz", Way::Open),
    ("GET", "/metrics", Way::Open),
    ("GET", "/openapi.json", Way::Open),
    ("GET", "/docs", Way::Open),
    ("GET", "/docs/{file}", Way::Open),
];

/// The two organisations; every name of theirs begins so.
const ALPHA: &str = "alpha";
const BETA: &str = "beta";
/// An id that nobody has.
const NOBODY: &str = "11111111-2222-4333-8444-555555555555";
/// The kinds of things that have names.
const KINDS: [&str; 9] =
    ["tax", "metric", "metric_id", "customer", "plan", "charge", "filter", "subscription", "event"];

/// Names of an organisation's things, by kind.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn unknown() -> Self {
        let name = |kind: &&'static str| {
            let is_id = matches!(*kind, "filter" | "metric_id");
            (*kind, if is_id { NOBODY.to_owned() } else { format!("nobody_{kind}") })
        };
        Self(KINDS.iter().map(name).collect())
    }

    fn of(&self, kind: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| *own == kind);
        &found.unwrap_or_else(|| panic!("{kind} has no name")).1
    }

    /// Puts the names into the places of a text.
    fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (kind, name)| text.replace(&format!("{{{kind}}}"), name))
    }

    /// A body that names them as one that names those of the other does.
    fn forget(&self, body: &str, other: &Self) -> String {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(body.to_owned(), |body, ((_, own), (_, other))| body.replace(own, other))
    }
}

struct World {
    service: Service,
    agent: ureq::Agent,
    made: std::cell::Cell<u32>,
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut file = String::from("organizations:\n");
        for name in [ALPHA, BETA] {
            std::fs::write(folder.path().join(format!("{name}.key")), format!("{name}-key"))
                .unwrap();
            write!(
                file,
                "  - external_id: {name}\n    name: {name} Inc\n    api_keys:\n      \
                 - key_file: {name}.key\n"
            )
            .unwrap();
        }
        let path = folder.path().join("catalog.yaml");
        std::fs::write(&path, file).unwrap();
        let mut command = crate::scenario::program(&folder);
        command.args(["--set", &format!("catalog.file={}", path.display())]);
        let service = Service::start(command);
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().into();
        Self { service, agent, made: std::cell::Cell::new(0), _folder: folder }
    }

    /// The answer; a request that comes too early is sent again.
    fn ask(&self, who: &str, method: &str, target: &str, body: &str) -> (u16, String) {
        until("an answer other than not ready", || {
            let request = Request::builder()
                .method(method)
                .uri(format!("{}{target}", self.service.url))
                .header("Authorization", format!("Bearer {who}-key"));
            let mut response = self.agent.run(request.body(body.to_owned()).unwrap()).unwrap();
            let text = response.body_mut().read_to_string().unwrap();
            (!text.contains("\"not_ready\"")).then(|| (response.status().as_u16(), text))
        })
    }

    /// A name that nobody has used.
    fn new_name(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("new_{}", self.made.get())
    }

    #[track_caller]
    fn make(&self, who: &str, path: &str, body: &Json) -> Json {
        let (status, text) = self.ask(who, "POST", &format!("/api/v1/{path}"), &body.to_string());
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// One thing of each kind.
    fn furnish(&self, who: &'static str) -> Names {
        let name = |kind: &str| format!("{who}_{kind}");
        self.make(who, "taxes", &json!({"tax": {"name": "n", "code": name("tax"), "rate": 5}}));
        let metric = self.make(
            who,
            "billable_metrics",
            &json!({"billable_metric": {
                "name": "n", "code": name("metric"), "aggregation_type": "count_agg",
                "filters": [{"key": "region", "values": ["eu", "us"]}],
            }}),
        );
        let metric_id = metric["billable_metric"]["lago_id"].as_str().unwrap().to_owned();
        self.make(who, "customers", &json!({"customer": {"external_id": name("customer")}}));
        let plan = self.make(
            who,
            "plans",
            &json!({"plan": {
                "name": "n", "code": name("plan"), "interval": "monthly", "amount_cents": 1,
                "amount_currency": "EUR", "pay_in_advance": false,
                "charges": [{
                    "billable_metric_id": metric_id, "code": name("charge"),
                    "charge_model": "standard", "pay_in_advance": true,
                    "properties": {"amount": "1"},
                    "filters": [{"values": {"region": ["eu"]}, "properties": {"amount": "2"}}],
                }],
            }}),
        );
        let filter = plan["plan"]["charges"][0]["filters"][0]["lago_id"].as_str().unwrap();
        self.make(
            who,
            "subscriptions",
            &json!({"subscription": {
                "external_customer_id": name("customer"), "plan_code": name("plan"),
                "external_id": name("subscription"),
            }}),
        );
        self.make(
            who,
            "events",
            &json!({"event": {
                "transaction_id": name("event"), "code": name("metric"),
                "external_subscription_id": name("subscription"),
                "properties": {"region": "eu"},
            }}),
        );
        let named = |kind: &&'static str| {
            let name = match *kind {
                "metric_id" => metric_id.clone(),
                "filter" => filter.to_owned(),
                _ => name(kind),
            };
            (*kind, name)
        };
        Names(KINDS.iter().map(named).collect())
    }
}

/// The kinds that the variables of a path name: told by the word before each.
fn kinds(path: &str) -> Vec<&'static str> {
    let segments: Vec<&str> = path.split('/').collect();
    let variables = segments.windows(2).filter(|pair| pair[1].starts_with('{'));
    let kind = |pair: &[&str]| match pair[0] {
        "taxes" => "tax",
        "billable_metrics" => "metric",
        "customers" => "customer",
        "plans" => "plan",
        "charges" => "charge",
        "filters" => "filter",
        "subscriptions" => "subscription",
        "events" => "event",
        other => panic!("{path}: what does a variable after {other} name?"),
    };
    variables.map(kind).collect()
}

/// A path whose variables name the things of these organisations, one each.
fn target(path: &str, owners: &[&Names]) -> String {
    let kinds = kinds(path);
    let mut names = kinds.iter().zip(owners).map(|(kind, owner)| owner.of(kind));
    let segment = |segment: &str| {
        let is_variable = segment.starts_with('{');
        if is_variable { names.next().unwrap().to_owned() } else { segment.to_owned() }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn sent(template: &str, names: &Names, fresh: &str, root: &str) -> (String, String) {
    let filled = names.fill(template).replace("{new}", fresh).replace("{root}", root);
    match filled.strip_prefix('?') {
        Some(_) => (filled, String::new()),
        None => (String::new(), filled),
    }
}

/// The root key of what an operation reads.
fn root_of(operation: &Json) -> String {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    schema["required"][0].as_str().unwrap_or_default().to_owned()
}

/// Every object of an organisation as its owner sees it.
fn view(world: &World, names: &Names) -> Vec<(u16, String)> {
    let all = WAYS.iter().chain(&MORE_WAYS);
    // What tells its own moment, or how far the log is, changes by itself.
    let moves = ["/story", "/lifetime_usage", "/usage"];
    let reads = all.filter(|(method, path, _)| {
        *method == "GET" && !moves.iter().any(|moving| path.ends_with(moving))
    });
    let own = reads.filter(|(_, _, way)| matches!(way, Way::Path(_))).map(|(_, path, way)| {
        let mut target = target(path, &vec![names; kinds(path).len()]);
        if let Way::Path(query) = way {
            target += &names.fill(query);
        }
        world.ask(ALPHA, "GET", &target, "")
    });
    own.collect()
}

fn way_of(method: &str, path: &str) -> &'static Way {
    let mut all = WAYS.iter().chain(&MORE_WAYS);
    let found = all.find(|(own, at, _)| (*own, *at) == (method, path));
    let missing = || panic!("{method} {path} has no test with two organisations");
    &found.unwrap_or_else(missing).2
}

#[test]
fn foreign_objects_are_like_none_on_every_route() {
    let world = World::start();
    let (alpha, beta, nobody) = (world.furnish(ALPHA), world.furnish(BETA), Names::unknown());
    let (_, document) = world.ask(BETA, "GET", "/openapi.json", "");
    let document: Json = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<(String, &str, &Json)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods
                .map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        })
        .collect();
    let known = WAYS.len() + MORE_WAYS.len();
    assert_eq!(operations.len(), known, "the table holds what is not there any more");
    let before = view(&world, &alpha);
    for (status, body) in &before {
        assert!(*status == 200 || body.contains("projected_usage_not_enabled"), "{status} {body}");
    }
    // What the path names comes first: what is asked by name makes things of the same names.
    for (method, path, operation) in &operations {
        let Way::Path(template) = way_of(method, path) else { continue };
        let count = kinds(path).len();
        for place in 0..count {
            let ask = |other: &Names| {
                let owners: Vec<&Names> =
                    (0..count).map(|at| if at < place { &beta } else { other }).collect();
                let (query, body) = sent(template, other, "x", &root_of(operation));
                world.ask(BETA, method, &(target(path, &owners) + &query), &body)
            };
            let (foreign, none) = (ask(&alpha), ask(&nobody));
            // Past usage of nobody is an empty list (specification 8.1).
            let empty = path.ends_with("/past_usage") && none.1.contains(r#""total_count":0"#);
            assert!(empty || !(200..300).contains(&none.0), "{method} {path}: {none:?}");
            assert_eq!((foreign.0, alpha.forget(&foreign.1, &nobody)), none, "{method} {path}");
        }
    }
    // Reads first: what is asked by name afterwards makes things of alpha's names that are beta's.
    let (reads, writes): (Vec<_>, Vec<_>) = operations
        .iter()
        .partition(|(method, path, _)| method == "GET" || path.ends_with("/query"));
    for (method, path, operation) in reads.into_iter().chain(writes) {
        let templates: &[&str] = match way_of(method, path) {
            Way::Names(templates) => templates,
            Way::Own if method == "GET" => &[""],
            Way::Open | Way::Own | Way::Path(_) => continue,
        };
        for template in templates {
            let ask = |other: &Names| {
                let (query, body) = sent(template, other, &world.new_name(), &root_of(operation));
                world.ask(BETA, method, &format!("{path}{query}"), &body)
            };
            let (foreign, none) = (ask(&alpha), ask(&nobody));
            assert_eq!(foreign.0, none.0, "{method} {path}: {foreign:?}, {none:?}");
            let makes = method != "GET" && !path.ends_with("/query");
            if foreign.0 == 200 && makes {
                continue;
            }
            let told = alpha.forget(&foreign.1, &nobody);
            assert_eq!(told, none.1, "{method} {path} {template}");
            assert!(*method != "GET" || !told.contains(&format!("{ALPHA} Inc")), "{path}: {told}");
        }
    }
    assert_eq!(view(&world, &alpha), before, "what is alpha's is as it was");
}
