//! One case: an organisation, what happens to it round by round, and what is asked.

use odometer::core::catalog::{Aggregation, Interval, Status};
use odometer::core::instant::Instant;
use odometer::core::pricing::ModelKind;
use uuid::Uuid;

use super::catalog::{Maker, ZONES};
use super::cell::Cell;
use super::dice::Dice;
use super::events::{Sent, events, stream};
use super::questions::question;
use crate::oracle::{Question, Tenant};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2017-01-01T00:00:00Z, and the days from which cases choose: Brazil had summer time then.
const FIRST_DAY: i64 = 1_483_228_800 * SECOND;
const DAYS: i64 = 3_300;

/// Rounds of a long case.
const ROUNDS_LONG: usize = 4;

/// What has happened up to one moment.
#[derive(Clone, Debug)]
pub struct Round {
    /// The catalogue from now on; none while the organisation is unknown.
    pub tenant: Option<Tenant>,
    /// Records that come in.
    pub events: Vec<Sent>,
    /// What the clock shows.
    pub now: i64,
    /// What is asked after all that.
    pub questions: Vec<Question>,
}

/// An organisation from its first record to its last question.
#[derive(Clone, Debug)]
pub struct Case {
    /// The number that it was made with.
    pub number: u64,
    /// What its first charge covers.
    pub cell: Cell,
    pub rounds: Vec<Round>,
}

impl Case {
    /// The case with this number.
    pub fn generate(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, number);
        let cells = Cell::allowed();
        let cell = cells[usize::try_from(number).unwrap() % cells.len()];
        let mut now = FIRST_DAY + dice.within(0, DAYS) * DAY + dice.within(0, DAY);
        if dice.percent(10) {
            now = now.div_euclid(DAY) * DAY;
        }
        let mut maker = Maker::new(&mut dice);
        let mut tenant = maker.tenant(cell, now);
        let mut rounds: Vec<Round> = Vec::new();
        let mut seen = Vec::new();
        let late = maker.dice.percent(10);
        for at in 0..2 + maker.dice.below(2) {
            if at > 0 {
                now += match maker.dice.below(6) {
                    0 => 0,
                    1 => -maker.dice.within(0, 3 * DAY),
                    2..=3 => maker.dice.within(0, 2 * DAY),
                    _ => maker.dice.within(0, 45 * DAY),
                };
                for _ in 0..maker.dice.below(3) {
                    change(&mut maker, &mut tenant, now);
                }
            }
            let shown = if late && at == 0 { None } else { Some(tenant.clone()) };
            let events = events(maker.dice, &tenant, now, &mut seen);
            let count = 1 + maker.dice.below(3);
            let mut questions = vec![Question::plain()];
            questions.extend((0..count).map(|_| question(maker.dice, &tenant)));
            rounds.push(Round { tenant: shown, events, now, questions });
        }
        Self { number, cell, rounds }
    }

    /// The case with this number in which very many events come in order, and some much later, to a
    /// charge of which the order matters.
    pub fn long(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, number);
        let mut cells = Cell::allowed();
        cells.retain(|cell| {
            let tiers = cell.prorated && cell.model == ModelKind::Graduated;
            !cell.in_advance
                && match cell.aggregation {
                    Aggregation::WeightedSum => cell.model == ModelKind::Standard,
                    Aggregation::Sum => tiers || cell.model == ModelKind::Percentage,
                    _ => false,
                }
        });
        let cell = *dice.pick(&cells);
        let now = FIRST_DAY + dice.within(0, DAYS) * DAY + dice.within(0, DAY);
        let tenant = Maker::new(&mut dice).tenant(cell, now);
        let records = stream(&mut dice, &tenant, now, ROUNDS_LONG);
        let rounds = (0..).zip(records).map(|(at, events)| Round {
            tenant: Some(tenant.clone()),
            events,
            now: now + at * MINUTE,
            questions: vec![Question::plain()],
        });
        Self { number, cell, rounds: rounds.collect() }
    }

    /// The same case under other ids, so that it can run beside itself.
    pub fn renumbered(&self, high: u64) -> Self {
        let mut case = self.clone();
        for round in &mut case.rounds {
            if let Some(tenant) = &mut round.tenant {
                renumber(tenant, high);
            }
            for question in &mut round.questions {
                let id = question.charge_id.as_deref().and_then(|id| Uuid::parse_str(id).ok());
                if let Some(mut id) = id {
                    under(&mut id, high);
                    question.charge_id = Some(id.to_string());
                }
            }
        }
        case
    }
}

fn under(id: &mut Uuid, high: u64) {
    let low = id.as_u128() & u128::from(u64::MAX);
    *id = Uuid::from_u128((u128::from(high) << 64) | low);
}

fn renumber(tenant: &mut Tenant, high: u64) {
    let all = |ids: &mut Vec<Uuid>| ids.iter_mut().for_each(|id| under(id, high));
    under(&mut tenant.organization.id, high);
    all(&mut tenant.organization.taxes);
    tenant.taxes.iter_mut().for_each(|tax| under(&mut tax.id, high));
    tenant.metrics.iter_mut().for_each(|metric| under(&mut metric.id, high));
    for plan in &mut tenant.plans {
        under(&mut plan.id, high);
        all(&mut plan.taxes);
        for charge in &mut plan.charges {
            under(&mut charge.id, high);
            under(&mut charge.metric, high);
            all(&mut charge.taxes);
            charge.filters.iter_mut().for_each(|filter| under(&mut filter.id, high));
        }
    }
    for customer in &mut tenant.customers {
        under(&mut customer.id, high);
        all(&mut customer.taxes);
    }
    for row in &mut tenant.rows {
        under(&mut row.id, high);
        under(&mut row.plan, high);
        row.previous.iter_mut().for_each(|id| under(id, high));
    }
}

/// Something that may change in a running organisation.
fn change(maker: &mut Maker<'_>, tenant: &mut Tenant, now: i64) {
    match maker.dice.below(16) {
        0 => {
            let zone = *maker.dice.pick(&ZONES);
            tenant.customers[0].timezone = Some(zone.to_owned());
        }
        1 => {
            let zone = *maker.dice.pick(&ZONES);
            tenant.organization.timezone = Some(zone.to_owned());
        }
        2..=4 => {
            // Another charge in the place of one, under its id.
            let at = maker.dice.below(tenant.plans[0].charges.len());
            let id = tenant.plans[0].charges[at].id;
            let mut charge = maker.any(tenant);
            charge.id = id;
            tenant.plans[0].charges[at] = charge;
        }
        5 if tenant.plans[0].charges.len() < 4 => {
            let charge = maker.any(tenant);
            tenant.plans[0].charges.push(charge);
        }
        6 if tenant.plans[0].charges.len() > 1 => {
            let at = maker.dice.below(tenant.plans[0].charges.len());
            tenant.plans[0].charges.remove(at);
        }
        7 => {
            let charges = &mut tenant.plans[0].charges;
            let at = maker.dice.below(charges.len());
            let filters = &mut charges[at].filters;
            if !filters.is_empty() {
                let filter = maker.dice.below(filters.len());
                filters.remove(filter);
            }
        }
        8 => {
            let at = maker.dice.below(tenant.metrics.len());
            let metric = &mut tenant.metrics[at];
            if metric.field_name.as_deref() == Some("value") {
                metric.field_name = Some("other".to_owned());
            }
            metric.rounding = None;
        }
        9 => tenant.plans[0].taxes = maker.taxes(tenant, 80),
        10 => {
            let at = maker.dice.below(tenant.taxes.len());
            tenant.taxes.remove(at);
            if tenant.taxes.is_empty() {
                tenant.organization.taxes.clear();
            }
        }
        11 => back_date(maker, tenant),
        12..=13 => begin_anew(maker, tenant, now),
        14 => {
            let plan = &mut tenant.plans[0];
            plan.bill_charges_monthly = !plan.bill_charges_monthly;
            plan.interval = *maker.dice.pick(&[Interval::Yearly, Interval::Monthly]);
        }
        _ => {
            tenant.customers[0].taxes = maker.taxes(tenant, 70);
        }
    }
}

/// The running row has begun earlier than was said.
fn back_date(maker: &mut Maker<'_>, tenant: &mut Tenant) {
    let rows = &mut tenant.rows;
    let before = rows.iter().filter(|row| row.external_id == "sub-0");
    let ended = before.filter_map(|row| row.terminated_at).max();
    let row =
        rows.iter_mut().find(|row| row.external_id == "sub-0" && row.status == Status::Active);
    if let Some(row) = row {
        let start = row.started_at.unwrap().plus_micros(-maker.dice.within(0, 40 * DAY));
        let start = ended.map_or(start, |ended| start.max(ended.plus_micros(SECOND)));
        row.started_at = Some(start.floor_ms());
    }
}

/// A new row with the same external id, as after a change of plan or a new start.
fn begin_anew(maker: &mut Maker<'_>, tenant: &mut Tenant, now: i64) {
    let active = |row: &&mut odometer::core::catalog::Subscription| {
        row.external_id == "sub-0" && row.status == Status::Active
    };
    let Some(row) = tenant.rows.iter_mut().find(active) else { return };
    if row.started_at.unwrap() >= Instant(now - SECOND) {
        return;
    }
    row.status = Status::Terminated;
    row.terminated_at = Some(Instant(now - SECOND));
    let (before, anchor, time) = (row.id, row.subscription_at, row.billing_time);
    let plan = maker.dice.below(2);
    let mut next = maker.row(tenant, 0, plan, now);
    if maker.dice.percent(60) {
        next.previous = Some(before);
        next.subscription_at = anchor;
        next.billing_time = time;
    }
    if maker.dice.percent(20) {
        next.status = Status::Pending;
        next.started_at = Some(Instant(now + HOUR).floor_ms());
    }
    tenant.rows.push(next);
}
