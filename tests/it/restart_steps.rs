//! What may happen to a service, and random stretches of it.

use odometer::core::catalog::check::{filter_values, presentation_group_keys, pricing_group_keys};
use odometer::core::catalog::{Aggregation, BillableMetric, Charge, ChargeFilter, MetricFilter};
use odometer::core::instant::Instant;
use odometer::core::pricing::{Model, ModelKind};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::trees::to_value;

/// Subscriptions per organisation.
pub const SUBSCRIPTIONS: usize = 4;
/// Metrics per organisation: code, aggregation, field, whether it recurs.
pub const METRICS: [(&str, Aggregation, Option<&str>, bool); 8] = [
    ("calls", Aggregation::Count, None, false),
    ("amount", Aggregation::Sum, Some("value"), false),
    ("peak", Aggregation::Max, Some("value"), false),
    ("users", Aggregation::UniqueCount, Some("user"), false),
    ("level", Aggregation::Latest, Some("value"), false),
    ("load", Aggregation::WeightedSum, Some("value"), true),
    ("seats", Aggregation::Sum, Some("value"), true),
    ("logins", Aggregation::UniqueCount, Some("user"), true),
];
/// Places of the metrics `amount` and `seats`.
const AMOUNT: usize = 1;
const SEATS: usize = 6;
/// Zones that a customer may move to; none is the organisation's.
pub const ZONES: [Option<&str>; 4] =
    [None, Some("Europe/Berlin"), Some("America/Sao_Paulo"), Some("Pacific/Auckland")];

/// A charge in a few numbers, each taken modulo what there is.
#[derive(Clone, Debug)]
pub struct ChargeSpec {
    pub metric: usize,
    pub model: usize,
    pub filters: usize,
    pub groups: usize,
    pub shown: bool,
    pub prorated: bool,
    pub in_advance: bool,
}

/// An event in a few numbers.
#[derive(Clone, Debug)]
pub struct EventSpec {
    pub organization: usize,
    /// The last one stands for none.
    pub subscription: usize,
    pub transaction: usize,
    /// The last one stands for a code that nothing knows.
    pub metric: usize,
    /// From the clock.
    pub seconds: i64,
    pub micros: i64,
    pub value: i64,
    pub region: usize,
    pub team: usize,
    pub user: usize,
}

/// One record of the log of events.
#[derive(Clone, Debug)]
pub enum RecordSpec {
    One(EventSpec),
    List(Vec<EventSpec>),
    Poison(usize),
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    Records(Vec<RecordSpec>),
    /// Hours, usually forward.
    Clock(i64),
    /// The second organisation appears.
    Appear,
    /// A subscription begins, so many hours ago.
    Subscribe {
        organization: usize,
        subscription: usize,
        hours: i64,
    },
    Upgrade {
        organization: usize,
        subscription: usize,
    },
    Terminate {
        organization: usize,
        subscription: usize,
    },
    AddCharge {
        organization: usize,
        plan: usize,
        charge: ChargeSpec,
    },
    /// A charge becomes another one under the same id.
    ChangeCharge {
        organization: usize,
        plan: usize,
        place: usize,
        charge: ChargeSpec,
    },
    /// The metric `amount` reads another field, or the first one again.
    ChangeField {
        organization: usize,
    },
    Zone {
        organization: usize,
        subscription: usize,
        zone: usize,
    },
    Checkpoint,
    Restart,
    Crash,
    /// A crash after a checkpoint, and a start at which accounts are back before their slots, which
    /// come when they are asked for.
    CrashAskedFirst,
}

pub fn charge_spec() -> impl Strategy<Value = ChargeSpec> {
    let numbers = (0..METRICS.len(), 0..7_usize, 0..4_usize, 0..4_usize);
    let flags = (proptest::bool::weighted(0.2), any::<bool>(), proptest::bool::weighted(0.2));
    (numbers, flags).prop_map(
        |((metric, model, filters, groups), (shown, prorated, in_advance))| ChargeSpec {
            metric,
            model,
            filters,
            groups,
            shown,
            prorated,
            in_advance,
        },
    )
}

fn event() -> impl Strategy<Value = EventSpec> {
    const DAY: i64 = 86_400;
    let when = prop_oneof![
        8 => -12 * DAY..3 * DAY,
        2 => -90 * DAY..-12 * DAY,
        2 => 3 * DAY..60 * DAY,
        1 => -900 * DAY..-390 * DAY,
    ];
    let names = (
        prop_oneof![3 => Just(0_usize), 1 => Just(1_usize)],
        0..=SUBSCRIPTIONS,
        0..150_usize,
        0..=METRICS.len(),
    );
    let values = (-20..80_i64, 0..4_usize, 0..4_usize, 0..5_usize);
    (names, when, 0..1_000_000_i64, values).prop_map(|(names, seconds, micros, values)| {
        let (organization, subscription, transaction, metric) = names;
        let (value, region, team, user) = values;
        EventSpec {
            organization,
            subscription,
            transaction,
            metric,
            seconds,
            micros,
            value,
            region,
            team,
            user,
        }
    })
}

fn record() -> impl Strategy<Value = RecordSpec> {
    prop_oneof![
        20 => event().prop_map(RecordSpec::One),
        2 => prop::collection::vec(event(), 0..4).prop_map(RecordSpec::List),
        1 => (0..POISON.len()).prop_map(RecordSpec::Poison),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let whose = || (0..2_usize, 0..SUBSCRIPTIONS);
    let plan = || (0..2_usize, 0..2_usize);
    prop_oneof![
        14 => prop::collection::vec(record(), 1..30).prop_map(Step::Records),
        4 => (1..500_i64).prop_map(Step::Clock),
        1 => (-48..0_i64).prop_map(Step::Clock),
        1 => Just(Step::Appear),
        2 => (whose(), 0..1500_i64).prop_map(|((organization, subscription), hours)| {
            Step::Subscribe { organization, subscription, hours }
        }),
        1 => whose().prop_map(|(organization, subscription)| {
            Step::Upgrade { organization, subscription }
        }),
        1 => whose().prop_map(|(organization, subscription)| {
            Step::Terminate { organization, subscription }
        }),
        1 => (plan(), charge_spec()).prop_map(|((organization, plan), charge)| {
            Step::AddCharge { organization, plan, charge }
        }),
        2 => (plan(), 0..4_usize, charge_spec()).prop_map(|((organization, plan), place, charge)| {
            Step::ChangeCharge { organization, plan, place, charge }
        }),
        1 => (0..2_usize).prop_map(|organization| Step::ChangeField { organization }),
        1 => (whose(), 0..ZONES.len()).prop_map(|((organization, subscription), zone)| {
            Step::Zone { organization, subscription, zone }
        }),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Restart),
        2 => Just(Step::Crash),
        2 => Just(Step::CrashAskedFirst),
    ]
}

/// Records that hold no event; each is refused once.
pub const POISON: [&str; 4] = [
    "no json",
    r#"{"organization_id":"org-a","transaction_id":"t","code":"calls"}"#,
    "[[",
    r#"{"organization_id":"org-a","code":"calls","timestamp":1709000000}"#,
];

impl EventSpec {
    pub fn properties(&self) -> Json {
        let mut properties = json!({"other": self.value % 7});
        match self.value % 9 {
            0 => {}
            1 => properties["value"] = json!("much"),
            2 => properties["value"] = json!(self.value),
            _ => properties["value"] = json!(format!("{}.25", self.value)),
        }
        for (key, names, place) in [
            ("region", ["eu", "us", "asia", ""], self.region),
            ("team", ["a", "b", "c", ""], self.team),
        ] {
            if !names[place].is_empty() {
                properties[key] = json!(names[place]);
            }
        }
        if self.user > 0 {
            properties["user"] = json!(format!("u{}", self.user));
        }
        if self.value < 0 {
            properties["operation_type"] = json!("remove");
        }
        properties
    }
}

/// A metric of the table.
pub fn metric(place: usize, id: Uuid) -> BillableMetric {
    let (code, aggregation, field, recurring) = METRICS[place];
    let filter = |key: &str, values: &[&str]| MetricFilter {
        key: key.to_owned(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    BillableMetric {
        id,
        code: code.to_owned(),
        name: code.to_owned(),
        description: None,
        aggregation,
        field_name: field.map(str::to_owned),
        recurring,
        rounding: None,
        expression: None,
        filters: vec![filter("region", &["eu", "us"]), filter("team", &["a", "b"])],
        created_at: Instant(0),
    }
}

/// The charge of a specification: anything that could not be saved is bent to what could.
pub fn charge(spec: &ChargeSpec, id: Uuid, metrics: &[BillableMetric]) -> Charge {
    let sums = matches!(spec.metric, AMOUNT | SEATS);
    let (kind, mut properties) = match spec.model {
        0 => (ModelKind::Graduated, ranges("graduated_ranges", "per_unit_amount")),
        1 => (ModelKind::Volume, volume()),
        2 => (ModelKind::Package, json!({"amount": "3", "package_size": 10, "free_units": 5})),
        3 => (ModelKind::Percentage, json!({"rate": "2.5", "fixed_amount": "0.1"})),
        4 => (
            ModelKind::Percentage,
            json!({"rate": "2.5", "fixed_amount": "0.1", "free_units_per_events": 2,
                "per_transaction_max_amount": "1.5", "per_transaction_min_amount": "0.2"}),
        ),
        5 if sums => (ModelKind::Dynamic, json!({})),
        _ => (ModelKind::Standard, json!({"amount": "0.13"})),
    };
    // Percentages are not for latest values, nor for weighted sums with bounds.
    let bare = spec.metric == 4 || spec.metric == 5;
    let (kind, mut properties) = if kind == ModelKind::Percentage && bare {
        (ModelKind::Standard, json!({"amount": "0.5"}))
    } else {
        (kind, std::mem::take(&mut properties))
    };
    let of_filter = properties.clone();
    properties["pricing_group_keys"] =
        [json!([]), json!(["team"]), json!(["region", "team"]), json!(["user"])][spec.groups]
            .clone();
    if spec.shown {
        properties["presentation_group_keys"] = json!([{"value": "user"}]);
    }
    let properties = to_value(&properties);
    let prorates =
        matches!(spec.metric, 6 | 7) && matches!(kind, ModelKind::Standard | ModelKind::Graduated);
    let payable = matches!(spec.metric, 0 | 1 | 3 | 6 | 7) && kind != ModelKind::Volume;
    let values: &[Json] = &[
        json!({"region": ["eu"]}),
        json!({"region": ["eu"], "team": ["a"]}),
        json!({"team": ["__ALL_FILTER_VALUES__"]}),
    ];
    let filters = values.iter().take(spec.filters).zip(1_u128..).map(|(values, number)| {
        let mut own = of_filter.clone();
        if number == 2 {
            own["pricing_group_keys"] = json!(["user"]);
        }
        let own = to_value(&own);
        ChargeFilter {
            id: Uuid::from_u128(id.as_u128() << 8 | number),
            invoice_display_name: None,
            values: filter_values(&to_value(values)),
            model: Model::from_properties(kind, &own),
            pricing_group_keys: pricing_group_keys(&own),
            properties: own,
            created_at: Instant(i64::try_from(number).unwrap()),
        }
    });
    Charge {
        id,
        code: format!("charge_{id}"),
        metric: metrics[spec.metric].id,
        invoice_display_name: None,
        model: Model::from_properties(kind, &properties),
        pricing_group_keys: pricing_group_keys(&properties),
        presentation_group_keys: presentation_group_keys(&properties),
        pay_in_advance: spec.in_advance && payable,
        prorated: spec.prorated && prorates && !(spec.in_advance && kind != ModelKind::Standard),
        invoiceable: true,
        min_amount_cents: 0,
        accepts_target_wallet: false,
        pricing_unit: None,
        taxes: Vec::new(),
        filters: filters.collect(),
        properties,
        echo: odometer::core::catalog::Echo::default(),
        created_at: Instant(0),
    }
}

fn ranges(name: &str, price: &str) -> Json {
    json!({name: [
        {"from_value": 0, "to_value": 10, price: "0.5", "flat_amount": "1"},
        {"from_value": 11, "to_value": null, price: "0.25", "flat_amount": "0"},
    ]})
}

fn volume() -> Json {
    ranges("volume_ranges", "per_unit_amount")
}
