//! A service and the list of all its records, moved along together and compared.

use std::cell::Cell;

use odometer::core::catalog::record::Body;
use odometer::core::catalog::{
    BillingTime, Customer, Flag, Interval, Organization, Plan, Status, Subscription,
};
use odometer::core::instant::{Instant, SECOND};
use odometer::core::usage::{Request, Selection};
use odometer::runtime::clock::Stopwatch;
use odometer::runtime::fault::Fault;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::restart_oracle::{Kept, Oracle, Tenant};
use crate::restart_steps::{
    ChargeSpec, EventSpec, METRICS, POISON, RecordSpec, SUBSCRIPTIONS, Step, ZONES, charge, metric,
};
use crate::scenario_seeds::api_key;
use crate::service::{Answer, PATIENCE, TestService};
use crate::usage_inputs::{instant, properties};
use crate::vectors::decimal;

/// The last one appears later.
pub const ORGANIZATIONS: [&str; 2] = ["org-a", "org-b"];
/// The clock at the start: a few days before a month that ends.
const START: &str = "2024-02-20T09:30:00Z";
const HOUR: i64 = 3_600 * SECOND;

/// Settings that decide what happens behind the answers.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub slots: u8,
    pub totals_ms: u64,
    pub checkpoint_ms: u64,
    pub groups_soft_max: usize,
    pub batch_events_max: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            slots: 3,
            totals_ms: 100,
            checkpoint_ms: 3_600_000,
            groups_soft_max: 10_000,
            batch_events_max: 10_000,
        }
    }
}

/// The service with its oracle.
pub struct World {
    pub service: TestService,
    pub oracle: Oracle,
    ids: u128,
    /// Log time of the catalogue.
    catalog_time: Cell<Instant>,
}

impl World {
    pub fn new(tuning: &Tuning, charges: &[ChargeSpec]) -> Self {
        let slots = tuning.slots.to_string();
        let settings = [
            ("store.slots", slots.as_str()),
            ("fold.worker_threads", "2"),
            ("fold.batch_events_max", &tuning.batch_events_max.to_string()),
            ("limits.groups_soft_max", &tuning.groups_soft_max.to_string()),
            ("checkpoint.interval_ms", &tuning.checkpoint_ms.to_string()),
            ("checkpoint.totals_interval_ms", &tuning.totals_ms.to_string()),
        ];
        let now = instant(&json!(START)).unwrap();
        let service = TestService::start(now, &settings);
        let catalog_time = Cell::new(now);
        let mut world = Self { service, oracle: Oracle::default(), ids: 0, catalog_time };
        for (name, charges) in ORGANIZATIONS.into_iter().zip(charges.chunks(6)) {
            let tenant = world.tenant(name, charges);
            let metrics = tenant.metrics.iter().cloned().map(Body::BillableMetric);
            let plans = tenant.plans.iter().cloned().map(Body::Plan);
            let customers = tenant.customers.iter().cloned().map(Body::Customer);
            world.service.put(name, metrics.chain(plans).chain(customers));
            world.oracle.tenants.push(tenant);
        }
        world.appear(0);
        world.subscribe(0, 0, 24 * 45);
        world.subscribe(0, 1, 24 * 5);
        world.subscribe(1, 0, 24 * 100);
        world
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn tenant(&mut self, name: &str, charges: &[ChargeSpec]) -> Tenant {
        let metrics: Vec<_> = (0..METRICS.len()).map(|place| metric(place, self.id())).collect();
        let intervals = [Interval::Monthly, Interval::Weekly];
        let plans = charges.chunks(3).zip(intervals).map(|(charges, interval)| Plan {
            id: self.id(),
            code: format!("plan-{interval:?}"),
            name: String::new(),
            interval,
            amount_cents: 0,
            currency: "EUR".to_owned(),
            pay_in_advance: false,
            bill_charges_monthly: false,
            charges: charges.iter().map(|spec| charge(spec, self.id(), &metrics)).collect(),
            taxes: Vec::new(),
            parent: None,
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        });
        let plans = plans.collect();
        let customers = (0..SUBSCRIPTIONS).map(|number| Customer {
            id: self.id(),
            external_id: format!("customer-{number}"),
            name: None,
            timezone: None,
            currency: None,
            taxes: Vec::new(),
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        });
        let customers: Vec<Customer> = customers.collect();
        let start =
            |customer: &Customer| (customer.external_id.clone(), (self.service.now(), None));
        let moves = customers.iter().map(start).collect();
        let organization = Organization {
            external_id: name.to_owned(),
            id: self.id(),
            name: name.to_owned(),
            timezone: Some("America/New_York".to_owned()),
            default_currency: None,
            taxes: Vec::new(),
            flags: vec![Flag::GranularLifetimeUsage],
            api_keys: vec![api_key(name)],
        };
        Tenant { organization, known: false, metrics, plans, customers, rows: Vec::new(), moves }
    }

    pub fn happen(&mut self, step: &Step) {
        match step {
            Step::Records(records) => self.records(records),
            Step::Clock(hours) => {
                self.service.set_clock(self.service.now().plus_micros(hours * HOUR));
            }
            Step::Appear => self.appear(1),
            Step::Subscribe { organization, subscription, hours } => {
                self.subscribe(*organization, *subscription, *hours);
            }
            Step::Upgrade { organization, subscription } => {
                self.upgrade(*organization, *subscription);
            }
            Step::Terminate { organization, subscription } => {
                let ended = self.terminate(*organization, *subscription);
                self.put(*organization, ended.into_iter().map(Body::Subscription).collect());
            }
            Step::AddCharge { organization, plan, charge } => {
                let id = self.id();
                self.set_charge(*organization, *plan, usize::MAX, charge, id);
            }
            Step::ChangeCharge { organization, plan, place, charge } => {
                let charges = &self.oracle.tenants[*organization].plans[*plan].charges;
                let place = place % charges.len();
                let id = charges[place].id;
                self.set_charge(*organization, *plan, place, charge, id);
            }
            Step::ChangeField { organization } => self.change_field(*organization),
            Step::Zone { organization, subscription, zone } => {
                let customer = &mut self.oracle.tenants[*organization].customers[*subscription];
                customer.timezone = ZONES[*zone].map(str::to_owned);
                let customer = customer.clone();
                let moved = (customer.external_id.clone(), customer.timezone.clone());
                self.put(*organization, vec![Body::Customer(customer)]);
                let change = (self.catalog_time.get(), moved.1.map(String::into_boxed_str));
                self.oracle.tenants[*organization].moves.push((moved.0, change));
            }
            Step::Checkpoint => self.service.running().service.checkpoint().unwrap(),
            Step::Restart => self.same_answers(TestService::restart),
            Step::Crash => self.same_answers(TestService::crash),
            Step::CrashAskedFirst => {
                self.service.counters();
                self.service.running().service.checkpoint().unwrap();
                self.same_answers(|service| service.crash_with(Fault::UnaskedHeld));
                self.service.restart();
            }
        }
    }

    pub fn put(&self, organization: usize, bodies: Vec<Body>) {
        self.catalog_time.set(self.catalog_time.get().max(self.service.now()));
        self.service.put(ORGANIZATIONS[organization], bodies);
    }

    pub fn appear(&mut self, organization: usize) {
        let tenant = &mut self.oracle.tenants[organization];
        tenant.known = true;
        let body = Body::Organization(tenant.organization.clone());
        self.put(organization, vec![body]);
    }

    pub fn records(&mut self, specs: &[RecordSpec]) {
        let now = self.service.now();
        let end = i64::try_from(self.service.end()).unwrap();
        let mut records = Vec::new();
        for (spec, offset) in specs.iter().zip(end..) {
            let record = match spec {
                RecordSpec::One(event) => self.event(event, offset, now).to_string(),
                RecordSpec::List(events) => {
                    let events = events.iter().map(|event| self.event(event, offset, now));
                    Json::Array(events.collect()).to_string()
                }
                RecordSpec::Poison(which) => {
                    self.oracle.rejected += 1;
                    POISON[*which].to_owned()
                }
            };
            records.push(record);
        }
        self.service.append(&records);
    }

    /// The record of an event, which the oracle takes.
    fn event(&mut self, spec: &EventSpec, offset: i64, now: Instant) -> Json {
        let organization = ORGANIZATIONS[spec.organization].to_owned();
        let subscription =
            (spec.subscription < SUBSCRIPTIONS).then(|| format!("sub-{}", spec.subscription));
        let transaction = format!("t{}", spec.transaction);
        let code = METRICS.get(spec.metric).map_or("nothing", |metric| metric.0).to_owned();
        let at = now.plus_micros(spec.seconds * SECOND + spec.micros);
        let micros = at.micros();
        let timestamp = format!("{}.{:06}", micros / SECOND, micros % SECOND);
        let record = json!({
            "organization_id": organization,
            "external_subscription_id": subscription,
            "transaction_id": transaction,
            "code": code,
            "timestamp": timestamp,
            "precise_total_amount_cents": format!("{}.5", spec.value.abs()),
            "properties": spec.properties(),
        });
        self.oracle.take(Kept {
            organization,
            subscription,
            transaction,
            code,
            timestamp: at,
            offset,
            properties: properties(&record["properties"]),
            precise_cents: decimal(&record["precise_total_amount_cents"]),
        });
        record
    }

    pub fn active(&self, organization: usize, subscription: usize) -> Option<usize> {
        let id = format!("sub-{subscription}");
        let rows = &self.oracle.tenants[organization].rows;
        rows.iter().position(|row| row.external_id == id && row.status == Status::Active)
    }

    pub fn subscribe(&mut self, organization: usize, subscription: usize, hours: i64) {
        if self.active(organization, subscription).is_none() {
            let started_at = self.service.now().plus_micros(-hours * HOUR).floor_ms();
            let row = self.row(organization, subscription, started_at);
            self.oracle.tenants[organization].rows.push(row.clone());
            self.put(organization, vec![Body::Subscription(row)]);
        }
    }

    fn row(
        &mut self,
        organization: usize,
        subscription: usize,
        started_at: Instant,
    ) -> Subscription {
        let id = self.id();
        let plan = &self.oracle.tenants[organization].plans[subscription % 2];
        let billing_time =
            if subscription < 2 { BillingTime::Calendar } else { BillingTime::Anniversary };
        Subscription {
            id,
            external_id: format!("sub-{subscription}"),
            customer: format!("customer-{subscription}"),
            plan: plan.id,
            name: None,
            billing_time,
            subscription_at: started_at,
            started_at: Some(started_at),
            ending_at: None,
            terminated_at: None,
            status: Status::Active,
            previous: None,
            // In the order in which they come, whatever the clock shows.
            created_at: Instant(i64::try_from(self.ids).unwrap()),
        }
    }

    fn terminate(&mut self, organization: usize, subscription: usize) -> Option<Subscription> {
        let place = self.active(organization, subscription)?;
        let row = &mut self.oracle.tenants[organization].rows[place];
        row.status = Status::Terminated;
        row.terminated_at = Some(self.service.now());
        Some(row.clone())
    }

    /// The other plan from now on.
    fn upgrade(&mut self, organization: usize, subscription: usize) {
        let Some(before) = self.terminate(organization, subscription) else { return };
        let mut row = self.row(organization, subscription, self.service.now());
        let plans = &self.oracle.tenants[organization].plans;
        row.plan = plans.iter().find(|plan| plan.id != before.plan).unwrap().id;
        row.subscription_at = before.subscription_at;
        row.previous = Some(before.id);
        self.oracle.tenants[organization].rows.push(row.clone());
        self.put(organization, vec![Body::Subscription(before), Body::Subscription(row)]);
    }

    fn set_charge(
        &mut self,
        organization: usize,
        plan: usize,
        place: usize,
        spec: &ChargeSpec,
        id: Uuid,
    ) {
        let tenant = &mut self.oracle.tenants[organization];
        let charge = charge(spec, id, &tenant.metrics);
        let charges = &mut tenant.plans[plan].charges;
        match charges.get_mut(place) {
            Some(known) => *known = charge,
            None => charges.push(charge),
        }
        let plan = tenant.plans[plan].clone();
        self.put(organization, vec![Body::Plan(plan)]);
    }

    fn change_field(&mut self, organization: usize) {
        let metric = &mut self.oracle.tenants[organization].metrics[1];
        let field = if metric.field_name.as_deref() == Some("value") { "other" } else { "value" };
        metric.field_name = Some(field.to_owned());
        let metric = metric.clone();
        self.put(organization, vec![Body::BillableMetric(metric)]);
    }

    /// Does something that must not change a byte of any answer, its tag included.
    fn same_answers(&mut self, change: fn(&mut TestService)) {
        let before = self.answers(&[]);
        change(&mut self.service);
        assert_eq!(self.answers(&[]), before, "after a restart");
    }

    /// Everybody's answers, what is in the log included.
    pub fn answers(&self, query: &[(String, String)]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for organization in ORGANIZATIONS {
            for subscription in 0..SUBSCRIPTIONS {
                answers.push(self.ask(organization, subscription, query));
            }
        }
        answers
    }

    pub fn ask(
        &self,
        organization: &str,
        subscription: usize,
        query: &[(String, String)],
    ) -> Answer {
        let mut all = vec![("external_subscription_id".to_owned(), format!("sub-{subscription}"))];
        all.extend(query.iter().cloned());
        self.service.current_usage(organization, &format!("customer-{subscription}"), &all)
    }

    /// Compares every subscription's answers with those of the oracle, and the counters.
    pub fn verify(&self, when: &str) {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let amount = Some(Selection::MetricCode("amount".to_owned()));
        let eu = vec![("region".to_owned(), vec!["eu".to_owned()])];
        let questions = [
            (vec![], Request::default(), false),
            (vec![pair("group[region]", "eu")], Request { group: eu, ..Request::default() }, false),
            (
                vec![pair("skip_grouping", "true")],
                Request { skip_grouping: true, ..Request::default() },
                false,
            ),
            (
                vec![pair("billable_metric_code", "amount"), pair("full_usage", "true")],
                Request { selection: amount, ..Request::default() },
                true,
            ),
        ];
        for (query, request, full_usage) in questions {
            for tenant in &self.oracle.tenants {
                for subscription in 0..SUBSCRIPTIONS {
                    let name = &tenant.organization.external_id;
                    let answer = self.ask(name, subscription, &query);
                    let what = format!("{name} sub-{subscription} {query:?} after {when}");
                    self.compare(tenant, subscription, (&request, full_usage), &answer, &what);
                }
            }
        }
        self.verify_counters(when);
    }

    /// What became of the records adds up, slot by slot and in all.
    fn verify_counters(&self, when: &str) {
        let expected = self.oracle.counters();
        let watch = Stopwatch::start();
        loop {
            let found = self.service.counters();
            if found == expected {
                return;
            }
            assert!(watch.elapsed() < PATIENCE, "{found:?} but {expected:?} after {when}");
            std::thread::yield_now();
        }
    }

    fn compare(
        &self,
        tenant: &Tenant,
        subscription: usize,
        (request, full_usage): (&Request, bool),
        answer: &Answer,
        what: &str,
    ) {
        if !tenant.known {
            assert_eq!(answer.status, 401, "{what}");
            return;
        }
        let (id, now) = (format!("sub-{subscription}"), self.service.now());
        let has_amount = |row: &Subscription| {
            let plan = tenant.plans.iter().find(|plan| plan.id == row.plan).unwrap();
            plan.charges.iter().any(|charge| charge.metric == tenant.metrics[1].id)
        };
        let active = active_row(tenant, &id, now);
        let expected = match active {
            None => Err(405),
            Some(row) if request.selection.is_some() && !has_amount(row) => Err(404),
            Some(_) => Ok(self.oracle.current_usage(tenant, &id, request, full_usage, now)),
        };
        match expected {
            Err(status) => assert_eq!(answer.status, status, "{what}: {}", answer.body),
            Ok(body) => {
                assert_eq!(answer.status, 200, "{what}: {}", answer.body);
                assert_eq!(Some(answer.json()), body, "{what}");
            }
        }
    }
}

/// The row that a subscription id stands for at an instant.
fn active_row<'t>(tenant: &'t Tenant, id: &str, now: Instant) -> Option<&'t Subscription> {
    let mut rows = tenant.rows.iter().filter(|row| row.external_id == id);
    rows.find(|row| row.status_at(now) == Status::Active)
}
