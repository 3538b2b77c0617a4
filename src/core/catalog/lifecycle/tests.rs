//! Requests for one external id, played one after the other.

use uuid::Uuid;

use super::*;
use crate::core::catalog::Interval;
use crate::core::period::text;

const NEW_YORK: &str = "America/New_York";

fn at(text: &str) -> Instant {
    text::parse(text).expect("an instant")
}

fn plan(number: u128, interval: Interval, amount_cents: i64) -> Plan {
    Plan {
        id: Uuid::from_u128(number),
        code: format!("plan-{number}"),
        name: String::new(),
        interval,
        amount_cents,
        currency: "EUR".to_owned(),
        pay_in_advance: false,
        bill_charges_monthly: false,
        charges: Vec::new(),
        taxes: Vec::new(),
        parent: None,
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    }
}

/// The rows of one external id while time goes by.
struct Life {
    rows: Vec<Versioned<Subscription>>,
    plans: Vec<Plan>,
    zone: Zone,
    next_id: u128,
}

impl Life {
    fn new(zone: &str) -> Self {
        let plans = vec![
            plan(1, Interval::Monthly, 1_000),
            plan(2, Interval::Weekly, 300),
            plan(3, Interval::Yearly, 11_999),
            plan(4, Interval::Yearly, 12_000),
        ];
        Self { rows: Vec::new(), plans, zone: Zone::parse(zone).expect("a zone"), next_id: 0 }
    }

    fn decide(
        &mut self,
        now: &str,
        decide: impl FnOnce(&Situation<'_>) -> Result<Decided, Refused>,
    ) -> Result<Subscription, Refused> {
        let plans = |id| self.plans.iter().find(|plan| plan.id == id);
        let situation =
            Situation { rows: &self.rows, plans: &plans, zone: &self.zone, now: at(now) };
        let decided = decide(&situation)?;
        for row in decided.writes {
            self.rows.retain(|other| other.id != row.id);
            self.rows.push(Versioned::new(row, 1, Instant(0)));
            self.rows.sort_by_key(|row| (row.created_at, row.id));
        }
        Ok(decided.shown)
    }

    fn create(
        &mut self,
        now: &str,
        plan: u128,
        change: impl FnOnce(&mut Creation<'_>),
    ) -> Result<Subscription, Refused> {
        self.next_id += 1;
        let plan = self.plans.iter().find(|p| p.id.as_u128() == plan).expect("a plan").clone();
        let mut creation = Creation {
            id: Uuid::from_u128(100 + self.next_id),
            external_id: "sub",
            customer: "acme",
            plan: &plan,
            name: None,
            billing_time: None,
            subscription_at: None,
            ending_at: None,
        };
        change(&mut creation);
        self.decide(now, |situation| create(&creation, situation))
    }

    /// Status and number of plan of every row at an instant.
    fn statuses(&self, now: &str) -> Vec<(u128, Status)> {
        self.rows.iter().map(|row| (row.plan.as_u128(), row.status_at(at(now)))).collect()
    }

    /// The plan that serves at an instant.
    fn serving(&self, now: &str) -> Option<u128> {
        serving(&self.rows, at(now)).map(|row| row.plan.as_u128())
    }
}

#[test]
fn a_first_subscription_begins_today_earlier_or_later() {
    // (subscription_at, status, start); it is March 15th, 22:00 in New York.
    let cases = [
        (None, Status::Active, "2025-03-16T02:00:00Z"),
        (Some("2025-03-16T03:59:00Z"), Status::Active, "2025-03-16T03:59:00Z"),
        (Some("2025-01-10T08:00:00Z"), Status::Active, "2025-01-10T08:00:00Z"),
        (Some("2025-03-16T04:00:00Z"), Status::Pending, "2025-03-16T04:00:00Z"),
        (Some("2025-04-01T20:00:00Z"), Status::Pending, "2025-04-01T04:00:00Z"),
    ];
    for (subscription_at, status, start) in cases {
        let mut life = Life::new(NEW_YORK);
        let shown = life.create("2025-03-16T02:00:00Z", 1, |creation| {
            creation.subscription_at = subscription_at.map(at);
        });
        let shown = shown.expect("created");
        assert_eq!((shown.status, shown.started_at), (status, Some(at(start))));
        assert_eq!(shown.status_at(at(start)), Status::Active, "it begins by itself");
    }
}

#[test]
fn a_backdated_start_waits_for_the_end_of_the_row_before() {
    let mut life = Life::new("UTC");
    life.create("2025-01-01T00:00:00Z", 1, |_| ()).expect("created");
    life.decide("2025-02-10T12:00:00Z", terminate).expect("terminated");
    let again = life.create("2025-03-01T00:00:00Z", 1, |creation| {
        creation.subscription_at = Some(at("2025-02-01T00:00:00Z"));
    });
    let again = again.expect("created");
    assert_eq!(again.started_at, Some(at("2025-02-10T12:00:00Z")));
    assert_eq!(again.subscription_at, at("2025-02-01T00:00:00Z"));
    assert_eq!(again.previous, None);
}

#[test]
fn an_upgrade_takes_effect_at_once() {
    let mut life = Life::new("UTC");
    let first = life.create("2025-01-05T00:00:00Z", 1, |creation| {
        creation.billing_time = Some(BillingTime::Anniversary);
        creation.ending_at = Some(Some(at("2026-01-01T00:00:00Z")));
    });
    let first = first.expect("created");
    // 300 cents a week are 15,600 a year, more than 12,000.
    let next = life.create("2025-03-16T02:00:00Z", 2, |_| ()).expect("upgraded");
    assert_eq!(next.previous, Some(first.id));
    assert_eq!(next.subscription_at, first.subscription_at);
    assert_eq!(next.billing_time, BillingTime::Anniversary);
    assert_eq!(next.ending_at, first.ending_at);
    assert_eq!(next.started_at, Some(at("2025-03-16T02:00:00Z")));
    assert_eq!(life.rows[0].terminated_at, Some(at("2025-03-16T02:00:00.003Z")));
    let now = "2025-03-16T02:00:00Z";
    assert_eq!(life.statuses(now), [(1, Status::Terminated), (2, Status::Active)]);
}

#[test]
fn an_equal_price_is_an_upgrade_and_a_lower_one_a_downgrade() {
    let mut life = Life::new("UTC");
    life.create("2025-01-05T00:00:00Z", 1, |_| ()).expect("created");
    let shown = life.create("2025-03-16T00:00:00Z", 4, |_| ()).expect("upgraded");
    assert_eq!(shown.plan.as_u128(), 4);
    let shown = life.create("2025-03-17T00:00:00Z", 3, |_| ()).expect("downgraded");
    assert_eq!(shown.plan.as_u128(), 4, "the current one is shown");
    assert_eq!(life.serving("2025-12-31T23:59:59Z"), Some(4));
    assert_eq!(life.serving("2026-01-01T00:00:00Z"), Some(3));
}

#[test]
fn a_downgrade_waits_for_the_end_of_the_period() {
    let mut life = Life::new(NEW_YORK);
    life.create("2025-01-05T12:00:00Z", 2, |_| ()).expect("created");
    life.create("2025-03-12T12:00:00Z", 1, |_| ()).expect("downgraded");
    // The week ends on Sunday the 16th.
    let (before, after) = ("2025-03-17T03:59:59.999Z", "2025-03-17T04:00:00Z");
    assert_eq!(life.statuses(before), [(2, Status::Active), (1, Status::Pending)]);
    assert_eq!(life.statuses(after), [(2, Status::Terminated), (1, Status::Active)]);
    assert_eq!(life.serving(before), Some(2));
    assert_eq!(life.serving(after), Some(1));
}

#[test]
fn a_waiting_downgrade_gives_way() {
    let downgraded = || {
        let mut life = Life::new("UTC");
        life.create("2025-01-05T12:00:00Z", 2, |_| ()).expect("created");
        life.create("2025-03-12T12:00:00Z", 1, |_| ()).expect("downgraded");
        life
    };
    let (now, later) = ("2025-03-13T00:00:00Z", "2025-06-01T00:00:00Z");
    let canceled = |life: &Life| life.rows[1].status == Status::Canceled;

    let mut life = downgraded();
    life.decide(now, terminate).expect("terminated");
    assert!(canceled(&life));
    assert_eq!(life.serving(later), None);

    let mut life = downgraded();
    let shown = life.decide(now, cancel).expect("canceled");
    assert_eq!((shown.status, shown.started_at), (Status::Canceled, None));
    assert_eq!(life.serving(later), Some(2), "the one before goes on");

    let mut life = downgraded();
    life.create(now, 3, |_| ()).expect("downgraded to another plan");
    assert!(canceled(&life));
    assert_eq!(life.serving(later), Some(3));

    let mut life = downgraded();
    life.plans.push(plan(5, Interval::Monthly, 9_000));
    life.create(now, 5, |_| ()).expect("upgraded");
    assert!(canceled(&life));
    assert_eq!(life.serving(later), Some(5));
}

#[test]
fn a_repetition_changes_nothing() {
    let mut life = Life::new("UTC");
    let first = life.create("2025-01-05T12:00:00Z", 1, |_| ()).expect("created");
    let again = life.create("2025-02-05T12:00:00Z", 1, |creation| {
        creation.name = Some("another");
    });
    assert_eq!(again, Ok(first.clone()));
    let mut private = plan(6, Interval::Monthly, 1_000);
    private.parent = Some(first.plan);
    life.plans.push(private);
    let change = Update { plan: Some(Uuid::from_u128(6)), ..Update::default() };
    let row = life.rows[0].entity.clone();
    life.decide("2025-02-06T00:00:00Z", |situation| update(&row, &change, situation))
        .expect("charges are overridden");
    life.create("2025-02-07T00:00:00Z", 1, |_| ()).expect("the same plan still");
    assert_eq!(life.statuses("2025-02-07T00:00:00Z"), [(6, Status::Active)]);
}

#[test]
fn an_external_id_that_is_active_is_taken() {
    let mut life = Life::new("UTC");
    life.create("2025-01-05T12:00:00Z", 1, |creation| {
        creation.ending_at = Some(Some(at("2025-03-01T00:00:00Z")));
    })
    .expect("created");
    let other = |creation: &mut Creation<'_>| creation.customer = "other";
    assert_eq!(life.create("2025-02-01T00:00:00Z", 1, other), Err(Refused::Taken));
    let shown = life.create("2025-03-01T00:00:00Z", 1, other).expect("the first one has ended");
    assert_eq!(shown.customer, "other");
}

#[test]
fn a_subscription_that_begins_later_can_change_before_it_does() {
    let mut life = Life::new("UTC");
    life.create("2025-01-05T12:00:00Z", 1, |creation| {
        creation.subscription_at = Some(at("2025-02-01T10:00:00Z"));
    })
    .expect("created");
    let shown = life.create("2025-01-06T00:00:00Z", 3, |creation| {
        creation.name = Some("cheaper");
    });
    let shown = shown.expect("the plan is exchanged");
    assert_eq!((shown.plan.as_u128(), shown.status), (3, Status::Pending));
    assert_eq!(shown.name.as_deref(), Some("cheaper"));
    assert_eq!(life.rows.len(), 1);

    let move_to = |begins: &str| Update { subscription_at: Some(at(begins)), ..Update::default() };
    let later = move_to("2025-03-01T10:00:00Z");
    let shown = life.decide("2025-01-07T00:00:00Z", |s| update(&s.rows[0], &later, s));
    assert_eq!(shown.map(|row| row.started_at), Ok(Some(at("2025-03-01T00:00:00Z"))));
    let today = move_to("2025-01-08T06:00:00Z");
    let shown = life.decide("2025-01-08T00:00:00Z", |s| update(&s.rows[0], &today, s));
    assert_eq!(shown.map(|row| row.status), Ok(Status::Active));
    let shown = life.decide("2025-01-09T00:00:00Z", |s| update(&s.rows[0], &later, s));
    assert_eq!(shown.map(|row| row.subscription_at), Ok(at("2025-01-08T06:00:00Z")));
}

#[test]
fn what_is_not_there_cannot_end() {
    let mut life = Life::new("UTC");
    let now = "2025-01-05T12:00:00Z";
    assert_eq!(life.decide(now, terminate), Err(Refused::NotFound));
    assert_eq!(life.decide(now, cancel), Err(Refused::NotFound));
    life.create(now, 1, |creation| creation.subscription_at = Some(at("2025-02-01T00:00:00Z")))
        .expect("created");
    assert_eq!(life.decide(now, terminate), Err(Refused::NotFound), "it has not begun");
    let shown = life.decide(now, cancel).expect("canceled");
    assert_eq!(shown.status, Status::Canceled);
    let row = shown;
    let change = Update::default();
    let shown = life.decide(now, |situation| update(&row, &change, situation));
    assert_eq!(shown, Err(Refused::NotFound));
}

#[test]
fn an_end_lies_ahead() {
    for (ending_at, right) in [
        ("2025-01-05T23:59:59Z", false),
        ("2025-01-06T00:00:00Z", false),
        ("2025-01-07T00:00:00Z", true),
    ] {
        let mut life = Life::new("UTC");
        let shown = life.create("2025-01-05T12:00:00Z", 1, |creation| {
            creation.subscription_at = Some(at("2025-01-06T10:00:00Z"));
            creation.ending_at = Some(Some(at(ending_at)));
        });
        assert_eq!(shown.is_ok(), right, "{ending_at}");
        if right {
            assert_eq!(life.serving("2025-01-06T12:00:00Z"), Some(1));
            assert_eq!(life.serving(ending_at), None, "it ends by itself");
            let change = Update { ending_at: Some(None), ..Update::default() };
            let row = life.rows[0].entity.clone();
            life.decide("2025-01-06T12:00:00Z", |s| update(&row, &change, s)).expect("changed");
            assert_eq!(life.serving(ending_at), Some(1), "no longer");
        }
    }
}

#[test]
fn several_active_rows_have_one_that_serves() {
    let mut life = Life::new("UTC");
    life.create("2025-01-05T12:00:00Z", 1, |_| ()).expect("created");
    let mut stray = (*life.rows[0].entity).clone();
    (stray.id, stray.customer) = (Uuid::from_u128(900), "other".to_owned());
    stray.created_at = at("2025-01-06T00:00:00Z");
    life.rows.push(Versioned::new(stray.clone(), 2, Instant(0)));
    let holder =
        |life: &Life| serving(&life.rows, at("2025-02-01T00:00:00Z")).map(|row| row.id.as_u128());
    assert_eq!(holder(&life), Some(101), "the first one holds the id");
    stray.previous = Some(Uuid::from_u128(101));
    life.rows[1] = Versioned::new(stray, 2, Instant(0));
    assert_eq!(holder(&life), Some(900), "a successor takes over");
    let mut first = (*life.rows[0].entity).clone();
    first.previous = Some(Uuid::from_u128(900));
    life.rows[0] = Versioned::new(first, 2, Instant(0));
    assert!(holder(&life).is_some(), "links in a circle end somewhere");
}
