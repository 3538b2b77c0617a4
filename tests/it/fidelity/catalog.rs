//! Random catalogues of one organisation.

use odometer::core::catalog::check::{presentation_group_keys, pricing_group_keys};
use odometer::core::catalog::{
    Aggregation, BillableMetric, BillingTime, Charge, ChargeFilter, Customer, Flag, MetricFilter,
    Organization, Plan, PricingUnit, Rounding, RoundingMode, Status, Subscription, Tax,
};
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use odometer::core::instant::Instant;
use odometer::core::pricing::{Model, ModelKind};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::cell::{Cell, INTERVALS};
use super::dice::Dice;
use super::prices;
use crate::oracle::Tenant;
use crate::trees::to_value;

/// Zones with and without summer time, its changes at midnight and by half an hour among them.
pub const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Havana",
    "Pacific/Kiritimati",
    "Asia/Beirut",
    "America/Los_Angeles",
    "Africa/Casablanca",
];
const CURRENCIES: [&str; 7] = ["EUR", "USD", "EUR", "JPY", "KWD", "CLF", "HUF"];
/// Tax rates in percent.
const RATES: [&str; 5] = ["20", "5.5", "19.6", "0", "8.875"];
/// Keys that split usage.
const KEYS: [&str; 3] = ["team", "region", "user"];
/// What metrics declare: `__ALL_FILTER_VALUES__` stands for these.
pub const DECLARED: [(&str, [&str; 3]); 2] =
    [("region", ["eu", "us", "1"]), ("cloud", ["aws", "gcp", "azure"])];
const ALL: &str = "__ALL_FILTER_VALUES__";
const HOUR: i64 = 3_600_000_000;

/// Makes what a catalogue holds. Ids ascend in the order in which things are made.
pub struct Maker<'d> {
    pub dice: &'d mut Dice,
    ids: u64,
}

impl<'d> Maker<'d> {
    pub fn new(dice: &'d mut Dice) -> Self {
        Self { dice, ids: 0 }
    }

    fn id(&mut self) -> Uuid {
        // Not in the order of creation: charges are listed by id.
        self.ids += 1;
        let high = self.dice.below(200) as u64;
        Uuid::from_u128(u128::from((high << 32) | self.ids))
    }

    /// A catalogue at a moment. The first charge is of the given cell.
    pub fn tenant(&mut self, cell: Cell, now: i64) -> Tenant {
        let taxes = RATES.map(|rate| Tax {
            id: self.id(),
            code: format!("tax_{rate}"),
            name: rate.to_owned(),
            rate: Double::parse_literal(rate).unwrap(),
            description: None,
            created_at: Instant(self.dice.within(0, 3)),
        });
        let mut tenant = Tenant {
            organization: Organization {
                external_id: String::new(),
                id: self.id(),
                name: "case".to_owned(),
                timezone: self.dice.percent(60).then(|| (*self.dice.pick(&ZONES)).to_owned()),
                default_currency: None,
                taxes: Vec::new(),
                flags: vec![Flag::GranularLifetimeUsage, Flag::EventsTargetingWallets],
                api_keys: Vec::new(),
            },
            taxes: taxes.to_vec(),
            metrics: Vec::new(),
            plans: Vec::new(),
            customers: Vec::new(),
            rows: Vec::new(),
        };
        tenant.organization.taxes = self.taxes(&tenant, 50);
        let count = 1 + self.dice.below(3);
        let plan = self.plan(&mut tenant, cell, count);
        tenant.plans.push(plan);
        let interval = *self.dice.pick(&INTERVALS);
        let plan = self.plan(&mut tenant, Cell { interval, ..cell }, 1);
        tenant.plans.push(plan);
        for number in 0..2 {
            let customer = self.customer(&tenant, number);
            tenant.customers.push(customer);
        }
        self.subscribe(&mut tenant, now);
        tenant
    }

    pub fn taxes(&mut self, tenant: &Tenant, chance: usize) -> Vec<Uuid> {
        if !self.dice.percent(chance) {
            return Vec::new();
        }
        let ids: Vec<Uuid> = tenant.taxes.iter().map(|tax| tax.id).collect();
        self.dice.some(&ids, 3)
    }

    fn customer(&mut self, tenant: &Tenant, number: usize) -> Customer {
        Customer {
            id: self.id(),
            external_id: format!("customer-{number}"),
            name: None,
            timezone: self.dice.percent(50).then(|| (*self.dice.pick(&ZONES)).to_owned()),
            currency: None,
            taxes: self.taxes(tenant, 20),
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        }
    }

    fn plan(&mut self, tenant: &mut Tenant, cell: Cell, charges: usize) -> Plan {
        let mut plan = Plan {
            id: self.id(),
            code: format!("plan_{}", tenant.plans.len()),
            name: "plan".to_owned(),
            interval: cell.interval,
            amount_cents: 0,
            currency: (*self.dice.pick(&CURRENCIES)).to_owned(),
            pay_in_advance: self.dice.percent(50),
            bill_charges_monthly: self.dice.percent(30),
            charges: Vec::new(),
            taxes: self.taxes(tenant, 20),
            parent: None,
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        };
        for number in 0..charges {
            let charge = if number == 0 { self.charge(tenant, cell) } else { self.any(tenant) };
            plan.charges.push(charge);
        }
        plan
    }

    /// A charge of any kind.
    pub fn any(&mut self, tenant: &mut Tenant) -> Charge {
        let cells = Cell::allowed();
        let cell = *self.dice.pick(&cells);
        self.charge(tenant, cell)
    }

    /// A charge of this cell, on a metric that fits it.
    fn charge(&mut self, tenant: &mut Tenant, cell: Cell) -> Charge {
        let fits = |metric: &&BillableMetric| {
            metric.aggregation == cell.aggregation && (metric.recurring || !cell.prorated)
        };
        let known = tenant.metrics.iter().find(fits).cloned();
        let metric = if let Some(metric) = known.filter(|_| self.dice.percent(60)) {
            metric
        } else {
            let metric = self.metric(tenant.metrics.len(), cell);
            tenant.metrics.push(metric.clone());
            metric
        };
        let id = self.id();
        let unit = self.dice.percent(15);
        let rate = *self.dice.pick(&["0.5", "1", "10", "1.2345"]);
        let count = [0, 0, 0, 1, 2, 3, 3][self.dice.below(7)];
        let bounded = self.dice.percent(30);
        let filters = (0..count).map(|n| self.filter(cell, n, bounded)).collect();
        let mut properties = self.properties(cell, bounded);
        if cell.grouped {
            properties["pricing_group_keys"] = json!(self.keys());
        }
        if self.dice.percent(35) {
            let keys = self.dice.some(&["user", "zone", "team"], 2);
            let keys: Vec<Json> = keys.into_iter().map(|key| json!({ "value": key })).collect();
            properties["presentation_group_keys"] = json!(keys);
        }
        let properties = to_value(&properties);
        Charge {
            id,
            code: format!("charge_{}", id.as_u128()),
            metric: metric.id,
            invoice_display_name: self.dice.percent(20).then(|| "Shown".to_owned()),
            model: Model::from_properties(cell.model, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            presentation_group_keys: presentation_group_keys(&properties),
            pay_in_advance: cell.in_advance,
            prorated: cell.prorated,
            invoiceable: true,
            min_amount_cents: 0,
            accepts_target_wallet: self.dice.percent(8),
            pricing_unit: unit.then(|| PricingUnit {
                code: "credits".to_owned(),
                short_name: "CR".to_owned(),
                conversion_rate: Decimal::parse_literal(rate).unwrap(),
            }),
            taxes: self.taxes(tenant, 25),
            filters,
            properties,
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        }
    }

    fn properties(&mut self, cell: Cell, bounded: bool) -> Json {
        let mut properties = prices::properties(self.dice, cell.model);
        let weighted = cell.aggregation == Aggregation::WeightedSum;
        if cell.model == ModelKind::Percentage && bounded && !weighted {
            prices::bound(self.dice, &mut properties);
        }
        properties
    }

    fn keys(&mut self) -> Vec<&'static str> {
        let mut keys = self.dice.some(&KEYS, 2);
        if keys.is_empty() {
            keys.push(*self.dice.pick(&KEYS));
        }
        keys
    }

    fn filter(&mut self, cell: Cell, number: i64, bounded: bool) -> ChargeFilter {
        let mut values = Vec::new();
        for (key, declared) in DECLARED {
            if self.dice.percent(75) {
                let mut own = self.dice.some(&declared, 2);
                own.sort_unstable();
                if own.is_empty() {
                    own.push(if self.dice.percent(50) { ALL } else { declared[0] });
                }
                let own = own.into_iter().map(str::to_owned).collect();
                values.push((key.to_owned(), own));
            }
        }
        if values.is_empty() {
            values.push(("region".to_owned(), vec!["eu".to_owned()]));
        }
        let mut properties = self.properties(cell, bounded);
        if self.dice.percent(40) {
            properties["pricing_group_keys"] = json!(self.keys());
        }
        let properties = to_value(&properties);
        ChargeFilter {
            id: self.id(),
            invoice_display_name: self.dice.percent(30).then(|| "A part".to_owned()),
            values,
            model: Model::from_properties(cell.model, &properties),
            pricing_group_keys: pricing_group_keys(&properties),
            properties,
            created_at: Instant(number),
        }
    }

    fn metric(&mut self, number: usize, cell: Cell) -> BillableMetric {
        let recurs = matches!(
            cell.aggregation,
            Aggregation::Sum | Aggregation::UniqueCount | Aggregation::WeightedSum
        );
        let modes = [RoundingMode::Round, RoundingMode::Ceil, RoundingMode::Floor];
        let field = match cell.aggregation {
            Aggregation::Count => None,
            Aggregation::UniqueCount => Some("item"),
            _ => Some(*self.dice.pick(&["value", "value", "other"])),
        };
        let filter = |(key, values): (&str, [&str; 3])| MetricFilter {
            key: key.to_owned(),
            values: values.map(str::to_owned).to_vec(),
        };
        BillableMetric {
            id: self.id(),
            code: format!("metric_{number}"),
            name: (*self.dice.pick(&["Calls", "calls", "Seats", "a metric", "Zeta"])).to_owned(),
            description: None,
            aggregation: cell.aggregation,
            field_name: field.map(str::to_owned),
            recurring: recurs && (cell.prorated || self.dice.percent(50)),
            rounding: self.dice.percent(25).then(|| Rounding {
                mode: *self.dice.pick(&modes),
                precision: *self.dice.pick(&[0, 0, 1, 2, -1]),
            }),
            expression: None,
            filters: DECLARED.map(filter).to_vec(),
            created_at: Instant(0),
        }
    }

    /// The first subscription, with rows before it or beside it.
    fn subscribe(&mut self, tenant: &mut Tenant, now: i64) {
        let ago = *self.dice.pick(&[0, 1, 24 * 3, 24 * 20, 24 * 80, 24 * 400]);
        let started = now - ago * HOUR - self.dice.within(0, 24 * HOUR);
        let mut row = self.row(tenant, 0, 0, started);
        if self.dice.percent(35) {
            let plan = usize::from(self.dice.percent(50));
            let first = started - self.dice.within(HOUR, 24 * 200 * HOUR);
            let mut before = self.row(tenant, 0, plan, first);
            before.status = Status::Terminated;
            before.terminated_at = Some(Instant(self.dice.within(first, started)));
            if self.dice.percent(60) {
                row.previous = Some(before.id);
            }
            tenant.rows.push(before);
        }
        tenant.rows.push(row);
        if self.dice.percent(30) {
            let start = now - self.dice.within(0, 24 * 100 * HOUR);
            let other = self.row(tenant, 1, 1, start);
            tenant.rows.push(other);
        }
        if self.dice.percent(10) {
            tenant.rows.last_mut().unwrap().ending_at = Some(Instant(now + 24 * 10 * HOUR));
        }
    }

    /// An active row of the subscription with this number.
    pub fn row(
        &mut self,
        tenant: &Tenant,
        number: usize,
        plan: usize,
        started_at: i64,
    ) -> Subscription {
        let started_at = Instant(started_at).floor_ms();
        let earlier = self.dice.within(0, 24 * 400 * HOUR);
        let anchor =
            if self.dice.percent(50) { started_at } else { Instant(started_at.0 - earlier) };
        let times = [BillingTime::Calendar, BillingTime::Anniversary];
        Subscription {
            id: self.id(),
            external_id: format!("sub-{number}"),
            customer: format!("customer-{}", number.min(1)),
            plan: tenant.plans[plan].id,
            name: None,
            billing_time: *self.dice.pick(&times),
            subscription_at: anchor.floor_ms(),
            started_at: Some(started_at),
            ending_at: None,
            terminated_at: None,
            status: Status::Active,
            previous: None,
            created_at: Instant(i64::try_from(self.ids).unwrap()),
        }
    }
}
