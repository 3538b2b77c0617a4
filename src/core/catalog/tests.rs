//! Records applied to a book and a directory, read as a script.

use std::sync::Arc;

use uuid::Uuid;

use super::apply::{RowChange, Touched, What, apply};
use super::book::Book;
use super::directory::{Directory, MemoryDirectory};
use super::fixtures;
use super::past::{Kept, Past, Void, replay};
use super::record::{Body, Change, Entity, EntityId, EntityKey, Record};
use super::{
    Aggregation, ApiKey, BillableMetric, BillingTime, Customer, Interval, Organization, Plan,
    Status, Subscription,
};
use crate::core::instant::Instant;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn put(body: Body) -> Change {
    Change::Put(Entity { organization: "acme".into(), body })
}

fn key(id: EntityId) -> EntityKey {
    EntityKey { organization: "acme".into(), id }
}

fn organization(external_id: &str, digests: &[u8]) -> Change {
    let api_keys = digests
        .iter()
        .map(|byte| ApiKey { digest: [*byte; 32], expires_at: None, permissions: None })
        .collect();
    let entity = Organization { external_id: external_id.into(), api_keys, ..Default::default() };
    Change::Put(Entity { organization: external_id.into(), body: Body::Organization(entity) })
}

fn metric(number: u128, code: &str) -> Change {
    put(Body::BillableMetric(fixtures::metric(number, code, Aggregation::Count)))
}

fn plan(number: u128, code: &str, parent: Option<Uuid>) -> Change {
    put(Body::Plan(Plan {
        id: id(number),
        code: code.into(),
        name: code.into(),
        interval: Interval::Monthly,
        amount_cents: 0,
        currency: "EUR".into(),
        pay_in_advance: false,
        bill_charges_monthly: false,
        charges: vec![],
        taxes: vec![],
        parent,
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    }))
}

fn customer(external_id: &str) -> Change {
    put(Body::Customer(Customer {
        id: id(9),
        external_id: external_id.into(),
        name: None,
        timezone: None,
        currency: None,
        taxes: vec![],
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    }))
}

fn subscription(number: u128, external_id: &str, customer: &str) -> Change {
    put(Body::Subscription(Subscription {
        id: id(number),
        external_id: external_id.into(),
        customer: customer.into(),
        plan: id(20),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(0),
        started_at: Some(Instant(0)),
        ending_at: None,
        terminated_at: None,
        status: Status::Active,
        previous: None,
        created_at: Instant(i64::try_from(number).unwrap()),
    }))
}

/// A catalogue that applies one record after the other.
#[derive(Default)]
struct Catalog {
    book: Book,
    directory: MemoryDirectory,
    next: i64,
}

impl Catalog {
    fn apply(&mut self, changes: Vec<Change>) -> Vec<What> {
        self.expect(changes, vec![]).expect("fresh record")
    }

    fn expect(
        &mut self,
        changes: Vec<Change>,
        expects: Vec<(EntityKey, Option<u64>)>,
    ) -> Option<Vec<What>> {
        let record = Record { changes, expects };
        let at = Instant(self.next * 10);
        let outcome = apply(&self.book, &self.directory, record, self.next, at);
        self.book = outcome.book;
        self.next += 1;
        assert_eq!(self.book.version(), u64::try_from(self.next).unwrap());
        let applied = outcome.result.ok()?;
        self.directory.take(&applied.rows);
        Some(applied.touched.into_iter().map(|Touched { what, .. }| what).collect())
    }

    fn metric(&self, code: &str) -> Option<Uuid> {
        Some(self.book.tenant("acme")?.metric(code)?.id)
    }
}

#[test]
fn entities_are_found_by_code_and_id_with_their_version() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[1]), metric(10, "calls")]);
    let touched = catalog.apply(vec![metric(10, "requests")]);
    let both = ["calls", "requests"].map(|code| What::Metric { id: id(10), code: code.into() });
    assert_eq!(touched, both);
    assert_eq!(catalog.metric("calls"), None);
    let tenant = catalog.book.tenant("acme").unwrap();
    let row = tenant.metric("requests").unwrap();
    assert_eq!((row.version, row.log_time), (2, Instant(10)));
    assert_eq!(tenant.organization.version, 1);
}

#[test]
fn an_older_snapshot_does_not_change() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[]), organization("other", &[])]);
    let before = catalog.book.clone();
    catalog.apply(vec![metric(10, "calls")]);
    assert!(before.tenant("acme").unwrap().metrics.is_empty());
    assert_eq!(catalog.book.tenant("acme").unwrap().metrics.len(), 1);
    let other = |book: &Book| Arc::as_ptr(book.tenant("other").unwrap());
    assert_eq!(other(&before), other(&catalog.book), "the other organisation was copied");
}

#[test]
fn a_record_whose_expectation_moved_does_nothing() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[]), metric(10, "calls")]);
    let calls = key(EntityId::BillableMetric(id(10)));
    let absent = key(EntityId::Customer("c".into()));
    assert!(catalog.expect(vec![metric(10, "b")], vec![(calls.clone(), Some(1))]).is_some());
    assert!(catalog.expect(vec![metric(10, "c")], vec![(calls, Some(1))]).is_none());
    assert_eq!(catalog.metric("b"), Some(id(10)));
    assert!(catalog.expect(vec![customer("c")], vec![(absent.clone(), None)]).is_some());
    assert!(catalog.expect(vec![customer("c")], vec![(absent.clone(), None)]).is_none());
    assert!(catalog.expect(vec![customer("c")], vec![(absent, Some(4))]).is_some());
}

#[test]
fn the_version_of_a_deleted_entity_is_none() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[]), plan(20, "basic", None)]);
    let basic = key(EntityId::Plan(id(20)));
    catalog.apply(vec![Change::Delete(basic.clone())]);
    assert_eq!(catalog.book.version_of("acme", &basic.id), None);
    assert!(catalog.expect(vec![plan(20, "basic", None)], vec![(basic, None)]).is_some());
}

#[test]
fn entities_wait_for_their_organization() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![metric(10, "calls")]);
    assert!(catalog.book.tenant("acme").is_none());
    catalog.apply(vec![organization("acme", &[])]);
    assert_eq!(catalog.metric("calls"), Some(id(10)));
    catalog.apply(vec![Change::Delete(key(EntityId::Organization))]);
    assert!(catalog.book.tenant("acme").is_none());
    catalog.apply(vec![organization("acme", &[])]);
    assert_eq!(catalog.metric("calls"), Some(id(10)));
}

#[test]
fn a_private_plan_does_not_hide_its_parent() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[]), plan(20, "basic", None)]);
    catalog.apply(vec![plan(21, "basic", Some(id(20)))]);
    let tenant = catalog.book.tenant("acme").unwrap();
    assert_eq!(tenant.plans.by_code("basic").unwrap().id, id(20));
    assert!(tenant.plan(id(21)).is_some());
}

#[test]
fn keys_move_with_their_organization() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[1, 2])]);
    let owner = |catalog: &Catalog, byte: u8| {
        let (tenant, _) = catalog.book.by_key(&[byte; 32])?;
        Some(tenant.organization.external_id.clone())
    };
    catalog.apply(vec![organization("acme", &[2])]);
    assert_eq!(owner(&catalog, 1), None);
    catalog.apply(vec![organization("zeta", &[2])]);
    assert_eq!(owner(&catalog, 2).as_deref(), Some("zeta"), "the later claim counts");
    catalog.apply(vec![organization("zeta", &[])]);
    assert_eq!(owner(&catalog, 2).as_deref(), Some("acme"), "the other claim is left");
}

#[test]
fn a_book_loads_in_any_order() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[1]), organization("beta", &[1])]);
    catalog.apply(vec![metric(10, "calls"), metric(11, "calls")]);
    catalog.apply(vec![metric(10, "calls")]);
    let bodies = |book: &Book| {
        let mut bodies = vec![];
        for tenant in book.tenants() {
            let row = &tenant.organization;
            let name = row.external_id.clone();
            let organization = Body::Organization((*row.entity).clone());
            bodies.push((name.clone(), organization, row.version, row.log_time));
            for row in tenant.metrics.iter() {
                let body = Body::BillableMetric((*row.entity).clone());
                bodies.push((name.clone(), body, row.version, row.log_time));
            }
        }
        bodies
    };
    for reversed in [false, true] {
        let mut rows = bodies(&catalog.book);
        if reversed {
            rows.reverse();
        }
        let mut book = Book::default();
        for (name, body, version, log_time) in rows {
            book.restore(&name, body, version, log_time);
        }
        for tenant in catalog.book.tenants() {
            book.restore_past(&tenant.organization.external_id, (*tenant.past).clone());
        }
        assert_eq!(book, catalog.book);
    }
}

#[test]
fn subscriptions_are_rows_with_an_index_by_customer() {
    let mut catalog = Catalog::default();
    let touched = catalog.apply(vec![
        organization("acme", &[]),
        customer("c"),
        subscription(31, "s", "c"),
        subscription(30, "s", "c"),
        subscription(32, "t", "c"),
    ]);
    assert!(touched.contains(&What::Subscription("s".into())));
    let rows = |catalog: &Catalog| -> Vec<Uuid> {
        catalog.directory.subscriptions("acme", "s").iter().map(|row| row.id).collect()
    };
    assert_eq!(rows(&catalog), [id(30), id(31)], "in order of creation");
    assert_eq!(catalog.directory.subscriptions_of("acme", "c"), ["s", "t"]);

    // One of the two rows moves to another customer: the first is still linked.
    catalog.apply(vec![subscription(31, "s", "d")]);
    assert_eq!(catalog.directory.subscriptions_of("acme", "c"), ["s", "t"]);
    assert_eq!(catalog.directory.subscriptions_of("acme", "d"), ["s"]);
    let row = |number| key(EntityId::Subscription { external_id: "s".into(), id: id(number) });
    catalog.apply(vec![Change::Delete(row(30))]);
    assert_eq!(catalog.directory.subscriptions_of("acme", "c"), ["t"]);
    catalog.apply(vec![Change::Delete(row(31))]);
    assert!(rows(&catalog).is_empty());
    assert!(catalog.directory.subscriptions_of("acme", "d").is_empty());
}

#[test]
fn changes_within_a_record_build_on_one_another() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[])]);
    let gone = key(EntityId::Customer("c".into()));
    let record = Record {
        changes: vec![customer("c"), Change::Delete(gone.clone()), subscription(30, "s", "c")],
        expects: vec![],
    };
    let outcome = apply(&catalog.book, &catalog.directory, record, 1, Instant(0));
    let applied = outcome.result.unwrap();
    assert!(applied.writes.contains(&(gone, None)));
    assert_eq!(applied.writes.len(), 2);
    let customer =
        RowChange::Customer { organization: "acme".into(), external_id: "c".into(), row: None };
    assert!(applied.rows.contains(&customer));
}

fn evaluated(number: u128, code: &str, expression: Option<&str>) -> Change {
    let Change::Put(Entity { organization, body: Body::BillableMetric(metric) }) =
        metric(number, code)
    else {
        panic!("a metric is put");
    };
    let expression = expression.map(str::to_owned);
    let field_name = Some("total".to_owned());
    let body = Body::BillableMetric(BillableMetric { field_name, expression, ..metric });
    Change::Put(Entity { organization, body })
}

/// Versions of metric 1 and 2, and what the book makes of them: record by record, and replayed.
#[test]
fn the_past_is_the_same_when_it_is_replayed() {
    let mut catalog = Catalog::default();
    catalog.apply(vec![organization("acme", &[])]);
    catalog.apply(vec![evaluated(1, "a", Some("1 + 1")), evaluated(2, "b", None)]);
    catalog.apply(vec![evaluated(1, "a", Some("1 + 1"))]);
    catalog.apply(vec![evaluated(1, "b2", Some("1 + 1")), evaluated(2, "a", Some("  "))]);
    catalog.apply(vec![Change::Delete(key(EntityId::BillableMetric(id(2))))]);
    catalog.apply(vec![evaluated(2, "a", Some("2"))]);
    let past = catalog.book.expressions("acme").expect("there are expressions");
    let versions = |code: &str| -> Vec<Option<u64>> {
        let formula = |at| past.code(code)?.formula(Instant(at)).map(|formula| formula.version);
        [0, 9, 10, 20, 30, 40, 50, 1_000].map(formula).to_vec()
    };
    assert_eq!(versions("a"), [None, None, Some(2), Some(2), None, None, Some(6), Some(6)]);
    let from_the_fourth = [None, None, None, None, Some(4), Some(4), Some(4), Some(4)];
    assert_eq!(versions("b2"), from_the_fourth);
    assert_eq!(past.code("b"), None, "it never had an expression");
    let voids = |past: &Past| past.code("a").map(|code| code.voids.clone());
    let void = Void { upto: Instant(40), version: 5, plans: [].into() };
    assert_eq!(voids(past), Some(vec![void]));

    let metric = |number, code: &str, expression: Option<&str>| {
        let Change::Put(Entity { body: Body::BillableMetric(metric), .. }) =
            evaluated(number, code, expression)
        else {
            panic!("a metric is put");
        };
        Kept::Metric(id(number), Some(Box::new(metric)))
    };
    let kept = [
        (1, Kept::Organization(None)),
        (2, metric(1, "a", Some("1 + 1"))),
        (2, metric(2, "b", None)),
        (3, metric(1, "a", Some("1 + 1"))),
        (4, metric(1, "b2", Some("1 + 1"))),
        (4, metric(2, "a", Some("  "))),
        (5, Kept::Metric(id(2), None)),
        (6, metric(2, "a", Some("2"))),
    ];
    let versions =
        kept.into_iter().rev().map(|(version, kept)| (version, Instant(at(version)), kept));
    assert_eq!(replay(versions.collect(), |_, _| Vec::new()), *past);
}

/// Log time of the record that leads to a version.
fn at(version: u64) -> i64 {
    (i64::try_from(version).unwrap() - 1) * 10
}
