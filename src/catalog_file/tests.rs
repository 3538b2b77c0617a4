//! Files that are read, compared and applied.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;
use crate::core::catalog::apply::apply;
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::{Directory, MemoryDirectory};
use crate::core::catalog::record::{Body, Change, Entity, Record};
use crate::core::catalog::{Interval, Status};
use crate::core::instant::{Instant, SECOND};
use crate::core::period::text;
use crate::log::catalog::{decode_record, encode_record};

fn at(text: &str) -> Instant {
    text::parse(text).unwrap()
}

fn read(text: &str) -> Desired {
    parse(text, Path::new("/")).unwrap_or_else(|problems| panic!("{}", show(&problems)))
}

fn show(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The problems of a file.
fn problems(text: &str) -> String {
    match parse(text, Path::new("/")) {
        Ok(_) => String::new(),
        Err(problems) => show(&problems),
    }
}

/// A catalogue that records are appended to, through the codec.
struct Catalog {
    book: Book,
    directory: MemoryDirectory,
    now: Instant,
    next: i64,
}

impl Catalog {
    fn new() -> Self {
        let now = at("2024-06-01T00:00:00Z");
        Self { book: Book::default(), directory: MemoryDirectory::default(), now, next: 0 }
    }

    fn append(&mut self, record: &Record) {
        let record = decode_record(&encode_record(record)).unwrap();
        let outcome = apply(&self.book, &self.directory, record, self.next, self.now);
        self.next += 1;
        self.book = outcome.book;
        self.directory.take(&outcome.result.expect("a fresh record").rows);
    }

    fn put(&mut self, body: Body) {
        let entity = Entity { organization: "demo".into(), body };
        self.append(&Record { changes: vec![Change::Put(entity)], expects: vec![] });
    }

    fn diff(&self, text: &str, prune: bool) -> Result<ApplyPlan, Vec<Problem>> {
        diff(&read(text), &self.book, &self.directory, Options { now: self.now, prune })
    }

    /// Applies a file and gives what it changed.
    fn apply(&mut self, text: &str) -> Vec<String> {
        self.apply_with(text, false)
    }

    fn apply_with(&mut self, text: &str, prune: bool) -> Vec<String> {
        let plan = self.diff(text, prune).unwrap();
        let lines = plan.lines.iter().map(ToString::to_string).collect();
        for record in plan.into_records() {
            self.append(&record);
        }
        self.now = self.now.plus_micros(SECOND);
        lines
    }
}

#[test]
fn the_example_is_right_and_is_applied_once() {
    let mut catalog = Catalog::new();
    let first = catalog.apply(EXAMPLE);
    assert_eq!(first.len(), 13);
    assert_eq!(first[0], "+ organization demo");
    assert!(first.contains(&"+ billable_metric api_calls".to_owned()));
    assert_eq!(catalog.apply(EXAMPLE), Vec::<String>::new());

    let key: [u8; 32] = Sha256::digest("odometer-demo-key").into();
    let (tenant, _) = catalog.book.by_key(&key).expect("the documented key");
    assert_eq!(tenant.organization.taxes.len(), 1);
    let scale = tenant.plans.by_code("scale").unwrap();
    assert_eq!(scale.interval, Interval::Monthly);
    let tokens = tenant.metric("tokens").unwrap().id;
    let grouped = scale.charges.iter().find(|charge| charge.metric == tokens).unwrap();
    assert_eq!(grouped.pricing_group_keys, ["model"]);
    assert!(scale.charges.is_sorted_by_key(|charge| charge.id));
    let row = &catalog.directory.subscriptions("demo", "subscription_paris")[0];
    assert_eq!(row.started_at, Some(at("2024-01-15T00:00:00Z")));
    assert_eq!(row.plan, scale.id);
}

#[test]
fn the_only_remark_on_the_example_is_about_its_key() {
    let remarks = lint(&read(EXAMPLE));
    assert_eq!(remarks.len(), 1, "{}", show(&remarks));
    assert!(remarks[0].message.contains("demo key"));
}

#[test]
fn identifiers_never_change() {
    // Stored data refers to them: a new spelling of the derivation would orphan all of it.
    let expected = "8978b92e-e610-571d-a6c3-609eac65c1dc";
    assert_eq!(derived_id(&["demo", "billable_metric", "api_calls"]).to_string(), expected);
    assert_ne!(derived_id(&["ab", "c"]), derived_id(&["a", "bc"]));
}

#[test]
fn a_change_names_what_differs() {
    let mut catalog = Catalog::new();
    catalog.apply(EXAMPLE);
    let before = catalog.book.tenant("demo").unwrap().plans.by_code("scale").unwrap().clone();
    let text = EXAMPLE
        .replace("amount_cents: 4900", "amount_cents: 5900")
        .replace("\"0.0015\"", "\"0.0016\"")
        .replace("timezone: Asia/Tokyo", "timezone: Asia/Seoul");
    assert_eq!(
        catalog.apply(&text),
        [
            "~ plan scale: amount_cents, charge api_calls: properties",
            "~ customer \
          customer_tokyo: timezone"
        ]
    );
    let after = catalog.book.tenant("demo").unwrap().plans.by_code("scale").unwrap();
    assert_eq!(after.created_at, before.created_at);
    let ids = |plan: &Plan| plan.charges.iter().map(|charge| charge.id).collect::<Vec<_>>();
    assert_eq!(ids(after), ids(&before));
}

const SMALL: &str = "
organizations:
  - external_id: demo
    default_currency: EUR
    timezone: Europe/Paris
    billable_metrics:
      - { code: calls, aggregation_type: count_agg }
    plans:
      - code: basic
        interval: monthly
        charges:
          - { billable_metric_code: calls, charge_model: standard, properties: { amount: \"1\" } }
    customers:
      - { external_id: c }
    subscriptions:
      - { external_id: s, external_customer_id: c, plan_code: basic, subscription_at: 2024-01-01 }
";

#[test]
fn what_the_file_does_not_have_is_left_alone_unless_pruned() {
    let mut catalog = Catalog::new();
    catalog.apply(EXAMPLE);
    let without = SMALL
        .replace("external_id: c }", "external_id: customer_paris }")
        .replace("external_customer_id: c,", "external_customer_id: customer_paris,");
    let lines = catalog.apply(&without);
    assert!(lines.iter().all(|line| !line.starts_with('-')), "{lines:?}");
    assert!(catalog.book.tenant("demo").unwrap().metric("tokens").is_some());
    let lines = catalog.apply_with(&without, true);
    for gone in ["subscription subscription_paris", "plan scale", "billable_metric tokens"] {
        assert!(lines.contains(&format!("- {gone}")), "{gone}: {lines:?}");
    }
    let tenant = catalog.book.tenant("demo").unwrap();
    assert_eq!((tenant.plans.len(), tenant.metrics.len(), tenant.taxes.len()), (1, 1, 0));
    assert_eq!(catalog.apply_with(&without, true), Vec::<String>::new());
}

#[test]
fn entities_that_others_created_keep_their_identifiers() {
    let mut catalog = Catalog::new();
    let mut theirs = read(SMALL).organizations.remove(0);
    theirs.metrics[0].id = Uuid::from_u128(1);
    theirs.plans[0].id = Uuid::from_u128(2);
    theirs.plans[0].charges[0].id = Uuid::from_u128(3);
    theirs.plans[0].charges[0].metric = Uuid::from_u128(1);
    catalog.put(Body::Organization(theirs.organization));
    catalog.put(Body::BillableMetric(theirs.metrics.remove(0)));
    catalog.put(Body::Plan(theirs.plans.remove(0)));
    assert_eq!(catalog.apply(SMALL), ["+ customer c", "+ subscription s"]);
    let row = &catalog.directory.subscriptions("demo", "s")[0];
    assert_eq!(row.plan, Uuid::from_u128(2));
}

#[test]
fn a_file_may_refer_to_what_the_catalogue_has() {
    let subscriptions = "
organizations:
  - external_id: demo
    default_currency: EUR
    timezone: Europe/Paris
    subscriptions:
      - { external_id: t, external_customer_id: c, plan_code: basic, subscription_at: 2024-01-01 }
";
    let mut catalog = Catalog::new();
    let missing = show(&catalog.diff(subscriptions, false).unwrap_err());
    assert!(missing.contains("plan `basic` is neither in the file nor in the catalogue"));
    assert!(missing.contains("customer `c` is neither"));
    catalog.apply(SMALL);
    assert_eq!(catalog.apply(subscriptions), ["+ subscription t"]);
    let lines = catalog.apply_with(subscriptions, true);
    assert!(!lines.contains(&"- plan basic".to_owned()), "a plan in use is pruned: {lines:?}");
}

#[test]
fn a_subscription_of_a_later_day_is_pending_until_then() {
    let mut catalog = Catalog::new();
    let text = SMALL.replace("2024-01-01", "2024-06-10T12:00:00Z");
    catalog.apply(&text);
    let row = catalog.directory.subscriptions("demo", "s")[0].clone();
    assert_eq!(row.status, Status::Pending);
    assert_eq!(row.started_at, Some(at("2024-06-09T22:00:00Z")), "midnight in Paris");
    catalog.now = at("2024-07-01T00:00:00Z");
    assert_eq!(catalog.apply(&text), Vec::<String>::new(), "the passing of time is no change");
}

#[test]
fn an_ended_subscription_is_left_alone() {
    let mut catalog = Catalog::new();
    catalog.apply(SMALL);
    let mut row = (*catalog.directory.subscriptions("demo", "s")[0].entity).clone();
    row.status = Status::Terminated;
    row.terminated_at = Some(at("2024-05-01T00:00:00Z"));
    catalog.put(Body::Subscription(row));
    assert_eq!(catalog.apply(SMALL), ["! subscription s: is terminated and left alone"]);
}

#[test]
fn all_problems_are_reported_together_with_hints() {
    let text = "
organizations:
  - external_id: demo
    timezone: Europe/Pariss
    colour: red
    api_keys:
      - { sha256: abc }
      - { key_file: nowhere/key }
    taxes:
      - { code: vat, rate: much }
    billable_metrics:
      - { code: calls, aggregation_type: cuont_agg }
      - { code: bytes, aggregation_type: sum_agg }
      - { code: 42, aggregation_type: count_agg, recurring: true }
      - { code: fine, aggregation_type: count_agg, filters: [{ key: region, values: [eu] }] }
    plans:
      - code: basic
        interval: monthy
        amount_currency: EUX
        charges:
          - { billable_metric_code: fin, charge_model: standard }
          - billable_metric_code: fine
            charge_model: standard
            properties: { amount: 0.5, amuont: \"1\" }
            prorated: true
            filters:
              - { values: { region: [us] }, properties: { amount: \"1\" } }
    subscriptions:
      - { external_id: s, external_customer_id: c, plan_code: basic }
";
    let found = problems(text);
    for expected in [
        "organizations[0]: unknown key `colour`; hint: known keys",
        "organizations[0].timezone: unknown time zone `Europe/Pariss`",
        "api_keys[0].sha256: must be 64 hexadecimal digits",
        "api_keys[1].key_file: cannot read /nowhere/key",
        "taxes[0].rate: `much` is no percentage",
        "[0].aggregation_type: unknown `cuont_agg`; hint: did you mean `count_agg`?",
        "billable_metrics[1].field_name: is mandatory for sum_agg",
        "billable_metrics[2].code: must be a text; hint: put it in quotes: \"42\"",
        "billable_metrics[2].recurring: count_agg cannot carry over",
        "plans[0].interval: unknown `monthy`; hint: did you mean `monthly`?",
        "plans[0].amount_currency: unknown currency `EUX`",
        "charges[0].billable_metric_code: unknown billable metric `fin`; hint: did you mean \
         `fine`?",
        "charges[1].properties: `amuont` means nothing to the model standard; hint: did you mean \
         `amount`?",
        "charges[1].properties.amount: invalid_amount; hint: write a decimal in quotes",
        "charges[1].prorated: invalid_billable_metric_or_charge_model",
        "charges[1].filters[0].values: value_is_invalid; hint: billable metric `fine` declares \
         region: eu",
        "subscriptions[0].subscription_at: is missing",
    ] {
        assert!(found.contains(expected), "missing: {expected}\nfound:\n{found}");
    }
}

#[test]
fn an_expression_has_to_parse() {
    let with = |expression: &str| {
        let line = format!("- code: api_calls\n        expression: {expression}");
        EXAMPLE.replacen("- code: api_calls", &line, 1)
    };
    let desired = read(&with("event.properties.cpu * 2"));
    let metrics = &desired.organizations[0].metrics;
    let metric = metrics.iter().find(|metric| metric.code == "api_calls").expect("the metric");
    assert_eq!(metric.expression.as_deref(), Some("event.properties.cpu * 2"));
    assert!(problems(&with("event.properties.cpu ** 2")).contains("unexpected text at byte"));
}

#[test]
fn yaml_that_is_none_names_the_line() {
    let found = problems("organizations:\n  - external_id: [\n");
    assert!(found.contains("line"), "{found}");
    assert!(problems("a: 1\na: 2").contains("duplicate"), "{}", problems("a: 1\na: 2"));
    assert!(problems("").contains("must be a mapping"));
}

#[test]
fn texts_that_look_like_other_values_stay_texts() {
    let text = SMALL.replace("external_id: c }", "external_id: c, name: no }");
    let desired = read(&text);
    assert_eq!(desired.organizations[0].customers[0].name.as_deref(), Some("no"));
}

#[test]
fn names_that_stand_twice_are_refused() {
    let twice = SMALL.replace(
        "- { external_id: c }",
        "- { external_id: c }\n      - { external_id: c, name: other }",
    );
    assert!(problems(&twice).contains("customers: customer `c` stands here twice"));
}

#[test]
fn a_key_may_lie_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "secret\n").unwrap();
    let text = SMALL.replace(
        "default_currency: EUR",
        "default_currency: EUR\n    api_keys: [{ key_file: key, permissions: { customer_usage: \
         [read] } }]",
    );
    let desired = parse(&text, folder.path()).unwrap();
    let key = &desired.organizations[0].organization.api_keys[0];
    assert_eq!(key.digest, <[u8; 32]>::from(Sha256::digest("secret")));
    let granted = ("customer_usage".to_owned(), "read".to_owned());
    assert_eq!(key.permissions, Some(vec![granted]));
}

#[test]
fn lint_sees_filters_that_count_twice() {
    let filters = |list: &str| {
        let text = SMALL
            .replace(
                "aggregation_type: count_agg }",
                "aggregation_type: count_agg, filters: [{ key: region, values: [eu, us, jp] }, \
                 { key: cloud, values: [aws, gcp] }] }",
            )
            .replace(
                "properties: { amount: \"1\" } }",
                &format!("properties: {{ amount: \"1\" }}, filters: [{list}] }}"),
            );
        let remarks = lint(&read(&text));
        remarks.iter().filter(|remark| remark.path.contains("charge")).count()
    };
    let one =
        |values: &str| format!("{{ values: {{ {values} }}, properties: {{ amount: \"1\" }} }}");
    let two = |left: &str, right: &str| filters(&format!("{}, {}", one(left), one(right)));
    assert_eq!(two("region: [eu]", "region: [us]"), 0);
    assert_eq!(two("region: [eu]", "region: [eu], cloud: [aws]"), 0);
    assert_eq!(two("region: [eu]", "region: [__ALL_FILTER_VALUES__]"), 0);
    assert_eq!(two("region: [eu]", "cloud: [aws]"), 1);
    assert_eq!(two("region: [eu, us]", "region: [us, jp]"), 1);
    assert_eq!(two("region: [eu, us]", "region: [us, eu]"), 1);
}
