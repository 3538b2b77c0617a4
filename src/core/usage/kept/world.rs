//! Random buckets for tests: charges of every kind, windows, events, requests.

use proptest::prelude::*;
use uuid::Uuid;

use crate::core::aggregate::{Frame, Stint};
use crate::core::catalog::{
    Aggregation, BillableMetric, Charge, ChargeFilter, PresentationKey, Rounding, RoundingMode,
};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::pricing::{Model, ModelKind};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::usage::{Request, Scan, ScanLimits, UsageError};
use crate::core::value::Value;

pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// 1 March 2024 00:00 in Berlin, the month in which the clocks go forward.
const MARCH: i64 = 1_709_247_600 * SECOND;

/// A kind of price, with what of it decides how a bucket is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Price {
    Standard,
    Graduated,
    Package,
    Volume,
    GraduatedPercentage,
    Dynamic,
    Percentage,
    FreeEvents,
    FreeUnits,
    Free,
    Bounded,
    BoundedFree,
}

impl Price {
    pub const ALL: [Self; 12] = [
        Self::Standard,
        Self::Graduated,
        Self::Package,
        Self::Volume,
        Self::GraduatedPercentage,
        Self::Dynamic,
        Self::Percentage,
        Self::FreeEvents,
        Self::FreeUnits,
        Self::Free,
        Self::Bounded,
        Self::BoundedFree,
    ];

    pub const fn is_percentage(self) -> bool {
        matches!(
            self,
            Self::Percentage
                | Self::FreeEvents
                | Self::FreeUnits
                | Self::Free
                | Self::Bounded
                | Self::BoundedFree
        )
    }

    fn model(self) -> Model {
        let text = |text: &str| Value::Text(text.into());
        let range = |from: &str, to: &str, name: &str, price: &str| {
            let bound = |bound: &str| match bound {
                "" => Value::Null,
                _ => Value::Number(bound.into()),
            };
            Value::Object(vec![
                ("from_value".into(), bound(from)),
                ("to_value".into(), bound(to)),
                (name.into(), text(price)),
                ("flat_amount".into(), text("7")),
            ])
        };
        let table = |name: &str, price: &str| {
            let ranges = [("0", "3", "10"), ("4", "6", "3"), ("7", "", "1.5")];
            let ranges = ranges.map(|(from, to, amount)| range(from, to, price, amount));
            vec![(name.to_owned(), Value::List(ranges.into()))]
        };
        let percentage = |members: &[(&str, &str)]| {
            let member = |(name, amount): &(&str, &str)| {
                let number = *name == "free_units_per_events";
                let value = if number { Value::Number((*amount).into()) } else { text(amount) };
                ((*name).to_owned(), value)
            };
            let common = [("rate", "12.5"), ("fixed_amount", "0.3")];
            common.iter().chain(members).map(member).collect()
        };
        let events = ("free_units_per_events", "3");
        let units = ("free_units_per_total_aggregation", "4.5");
        let (min, max) =
            (("per_transaction_min_amount", "0.4"), ("per_transaction_max_amount", "1.1"));
        let (kind, properties) = match self {
            Self::Standard => (ModelKind::Standard, vec![("amount".to_owned(), text("2.5"))]),
            Self::Graduated => (ModelKind::Graduated, table("graduated_ranges", "per_unit_amount")),
            Self::Volume => (ModelKind::Volume, table("volume_ranges", "per_unit_amount")),
            Self::GraduatedPercentage => {
                (ModelKind::GraduatedPercentage, table("graduated_percentage_ranges", "rate"))
            }
            Self::Package => (
                ModelKind::Package,
                vec![
                    ("amount".to_owned(), text("5")),
                    ("package_size".to_owned(), Value::Number("2".into())),
                    ("free_units".to_owned(), Value::Number("1".into())),
                ],
            ),
            Self::Dynamic => (ModelKind::Dynamic, Vec::new()),
            Self::Percentage => (ModelKind::Percentage, percentage(&[])),
            Self::FreeEvents => (ModelKind::Percentage, percentage(&[events])),
            Self::FreeUnits => (ModelKind::Percentage, percentage(&[units])),
            Self::Free => (ModelKind::Percentage, percentage(&[events, units])),
            Self::Bounded => (ModelKind::Percentage, percentage(&[min, max])),
            Self::BoundedFree => (ModelKind::Percentage, percentage(&[events, units, min, max])),
        };
        Model::from_properties(kind, &Value::Object(properties))
    }
}

/// What decides how a bucket is kept, keys aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    pub aggregation: &'static str,
    pub price: Price,
    pub recurring: bool,
    pub prorated: bool,
    pub in_advance: bool,
}

impl Line {
    pub fn aggregation(&self) -> Aggregation {
        Aggregation::from_name(self.aggregation).unwrap()
    }

    /// Every combination that the catalogue accepts (5.1, 5.10, 6.2).
    pub fn all() -> Vec<Self> {
        let mut lines = Vec::new();
        for aggregation in [
            "count_agg",
            "sum_agg",
            "max_agg",
            "unique_count_agg",
            "weighted_sum_agg",
            "latest_agg",
        ] {
            for price in Price::ALL {
                for flags in 0..8 {
                    let [recurring, prorated, in_advance] =
                        [flags & 1 > 0, flags & 2 > 0, flags & 4 > 0];
                    let line = Self { aggregation, price, recurring, prorated, in_advance };
                    if line.is_accepted() {
                        lines.push(line);
                    }
                }
            }
        }
        lines
    }

    fn is_accepted(&self) -> bool {
        let sums = matches!(self.aggregation(), Aggregation::Sum | Aggregation::UniqueCount);
        let recurs = sums || self.aggregation() == Aggregation::WeightedSum;
        let tiers = matches!(self.price, Price::Volume | Price::Graduated);
        let prorates = self.price == Price::Standard || (tiers && !self.in_advance);
        let counts = sums || self.aggregation() == Aggregation::Count;
        let percentage =
            matches!(self.price, Price::GraduatedPercentage) || self.price.is_percentage();
        (!self.recurring || recurs)
            && (!self.prorated || (sums && self.recurring && prorates))
            && (!self.in_advance || (counts && self.price != Price::Volume))
            && (self.price != Price::Dynamic || self.aggregation() == Aggregation::Sum)
            && !(percentage && self.aggregation() == Aggregation::Latest)
    }
}

/// A property: kind and text.
pub type Sent = Option<(Kind, &'static str)>;

/// One event.
#[derive(Clone, Debug)]
pub struct Happened {
    pub timestamp: Instant,
    /// Its place in the logs, coarse; its index in the list decides among equals.
    pub log_time: i64,
    pub members: [(&'static str, Sent); 5],
    pub cents: Option<&'static str>,
}

/// Everything else that a figure depends on.
#[derive(Clone, Debug)]
pub struct World {
    pub zone: Zone,
    /// Start, end and length in days of two windows in sequence.
    pub windows: [(Instant, Instant, i64); 2],
    pub stints: Vec<Stint>,
    pub group_keys: Vec<&'static str>,
    pub presentation_keys: Vec<&'static str>,
    pub filtered: bool,
    pub rounding: Option<Rounding>,
    pub request: Request,
    pub happened: Vec<Happened>,
}

impl World {
    pub fn metric(&self, line: Line) -> BillableMetric {
        BillableMetric {
            id: Uuid::from_u128(100),
            code: "calls".into(),
            name: "API calls".into(),
            description: None,
            aggregation: line.aggregation(),
            field_name: (line.aggregation() != Aggregation::Count).then(|| "value".into()),
            recurring: line.recurring,
            rounding: self.rounding,
            expression: None,
            filters: Vec::new(),
            created_at: Instant(0),
        }
    }

    pub fn charge(&self, line: Line) -> Charge {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let model = line.price.model();
        let filter = ChargeFilter {
            id: Uuid::from_u128(2),
            invoice_display_name: None,
            values: vec![("kind".into(), vec!["odd".into()])],
            model: model.clone(),
            properties: Value::Null,
            pricing_group_keys: Vec::new(),
            created_at: Instant(0),
        };
        let shown =
            |key: &&str| PresentationKey { value: (*key).to_owned(), display_in_invoice: false };
        Charge {
            id: Uuid::from_u128(1),
            code: "charge".into(),
            metric: Uuid::from_u128(100),
            invoice_display_name: None,
            model,
            properties: Value::Null,
            pricing_group_keys: owned(&self.group_keys),
            presentation_group_keys: self.presentation_keys.iter().map(shown).collect(),
            pay_in_advance: line.in_advance,
            prorated: line.prorated,
            invoiceable: true,
            min_amount_cents: 0,
            accepts_target_wallet: false,
            pricing_unit: None,
            taxes: Vec::new(),
            filters: if self.filtered { vec![filter] } else { Vec::new() },
            created_at: Instant(0),
        }
    }

    pub fn frame(&self, window: usize) -> Frame<'_> {
        let (from, to, days) = self.windows[window];
        Frame { from, to, days, zone: &self.zone }
    }

    pub fn properties(&self) -> Vec<PropertiesBuf> {
        let packed = |happened: &Happened| {
            let mut properties = PropertiesBuf::new();
            for (key, sent) in &happened.members {
                if let Some((kind, text)) = sent {
                    properties.push(key, *kind, text);
                }
            }
            properties
        };
        self.happened.iter().map(packed).collect()
    }

    /// The events in order of (timestamp, position).
    pub fn usages<'p>(&self, properties: &'p [PropertiesBuf]) -> Vec<Usage<'p>> {
        let usage = |((happened, properties), offset): ((&Happened, &'p PropertiesBuf), i64)| {
            let log_time = Instant(happened.log_time);
            Usage {
                timestamp: happened.timestamp,
                position: Position { log_time, offset, ..Position::default() },
                transaction: "t",
                properties: properties.as_ref(),
                precise_cents: happened.cents.and_then(Decimal::parse_numeric),
            }
        };
        let mut usages: Vec<Usage<'_>> =
            self.happened.iter().zip(properties).zip(0..).map(usage).collect();
        usages.sort_by_key(|usage| (usage.timestamp, usage.position));
        usages
    }

    pub fn scan<'a>(
        &'a self,
        window: usize,
        events: &'a [Usage<'a>],
    ) -> Scan<
        'a,
        impl Fn(&BillableMetric) -> Result<&'a [Usage<'a>], UsageError>,
        impl Fn(&Charge) -> Vec<Stint>,
    > {
        Scan {
            events: move |_: &BillableMetric| Ok(events),
            stints: |_: &Charge| self.stints.clone(),
            frame: self.frame(window),
            current_usage: true,
            fewer_days: 0,
            limits: ScanLimits::NONE,
        }
    }
}

fn text(text: &'static str) -> Sent {
    Some((Kind::Text, text))
}

fn number(text: &'static str) -> Sent {
    Some((Kind::Number, text))
}

fn value() -> impl Strategy<Value = Sent> {
    let rare = vec![
        None,
        Some((Kind::Null, "")),
        text(""),
        text("  "),
        text("abc"),
        text("1e3"),
        Some((Kind::Bool, "true")),
        Some((Kind::Bool, "false")),
        Some((Kind::Tree, "[]")),
        number("0"),
        text("123456789012345678901234567890.5"),
    ];
    let common = vec![
        text("1"),
        number("1"),
        text("1.0"),
        text("2"),
        number("-2.50"),
        text("3"),
        text("12.345"),
        number("0.1"),
        text("-1"),
        number("7"),
    ];
    prop_oneof![1 => prop::sample::select(rare), 4 => prop::sample::select(common)]
}

fn key() -> impl Strategy<Value = Sent> {
    let values = vec![
        None,
        text("eu"),
        text("eu"),
        text("us"),
        text(""),
        Some((Kind::Null, "")),
        number("1"),
    ];
    prop::sample::select(values.into_iter().chain([text("1"), text("eu")]).collect::<Vec<_>>())
}

fn happened() -> impl Strategy<Value = Happened> {
    let operation =
        prop::sample::select(vec![None, None, text("add"), text("remove"), text("drop")]);
    let kind = prop::sample::select(vec![None, None, text("odd")]);
    let members = (value(), operation, key(), key(), kind);
    let cents = prop::sample::select(vec![None, Some("10.1"), Some("901.90"), Some("-3")]);
    // Hours around both windows, and the instants at their bounds.
    let hours = prop_oneof![
        8 => (-40 * 24_i64..75 * 24).prop_map(|hour| hour * HOUR),
        3 => (0_i64..6).prop_map(|hour| (10 * 24 + hour) * HOUR),
        1 => prop::sample::select(vec![-SECOND, -1_000, -999, -1, 0, 1, SECOND]),
        1 => (-3_i64..4).prop_map(|micros| 31 * DAY - HOUR + micros),
    ];
    (hours, 0_i64..60, members, cents).prop_map(|(after, log_time, members, cents)| Happened {
        timestamp: Instant(MARCH + after),
        log_time,
        members: [
            ("value", members.0),
            ("operation_type", members.1),
            ("cloud", members.2),
            ("region", members.3),
            ("kind", members.4),
        ],
        cents,
    })
}

fn windows() -> impl Strategy<Value = (Zone, [(Instant, Instant, i64); 2], Instant)> {
    let zones = vec!["Europe/Berlin", "UTC", "America/New_York"];
    (prop::sample::select(zones), 0_i64..20, prop::sample::select(vec![0, 0, 250, 1_000, 1_500]))
        .prop_map(|(zone, skipped, micros)| {
            let zone = Zone::parse(zone).unwrap();
            let month = |months: usize| {
                let days = [0, 31, 61];
                let date = zone.date(Instant(MARCH + 12 * HOUR));
                let first = crate::core::period::Date::from_days(date.days() + days[months]);
                zone.midnight(first)
            };
            // A first window may begin on any day, with a fraction of a second.
            let skips = skipped >= 12;
            let from =
                if skips { month(0).plus_micros((skipped - 5) * DAY + micros) } else { month(0) };
            let first = (from, month(1).plus_micros(-1), 31);
            let second = (month(1), month(2).plus_micros(-1), 30);
            (zone, [first, second], from)
        })
}

fn request() -> impl Strategy<Value = Request> {
    let asked = |key: &str, value: &str| vec![(key.to_owned(), vec![value.to_owned()])];
    let groups = vec![
        Vec::new(),
        Vec::new(),
        Vec::new(),
        asked("cloud", "eu"),
        asked("region", "1"),
        asked("kind", "odd"),
        asked("user", "1"),
    ];
    let shown = vec![None, None, Some(vec!["region".to_owned()]), Some(Vec::new())];
    (prop::sample::select(groups), prop::sample::select(shown), prop::bool::weighted(0.2)).prop_map(
        |(group, presentation, skip_grouping)| Request {
            group,
            presentation,
            skip_grouping,
            ..Request::default()
        },
    )
}

pub fn world() -> impl Strategy<Value = World> {
    let roundings = [None, Some((RoundingMode::Round, 1)), Some((RoundingMode::Ceil, 0))];
    let rounding = prop::sample::select(roundings.to_vec());
    let group_keys = vec![vec![], vec![], vec!["cloud"], vec!["cloud"], vec!["region", "cloud"]];
    let shown = vec![vec![], vec![], vec!["region"], vec!["cloud"]];
    let keys = (prop::sample::select(group_keys), prop::sample::select(shown), any::<bool>());
    let stints = (0_i64..60, any::<bool>(), any::<bool>());
    let rest = (windows(), keys, rounding, stints, request());
    (rest, prop::collection::vec(happened(), 0..40)).prop_map(|(rest, happened)| {
        let ((zone, windows, from), keys, rounding, (age, has_previous, twice), request) = rest;
        let started_at = Instant(from.micros().min(MARCH - age * DAY));
        let started_at = if from.micros() > MARCH + 2 * DAY { from } else { started_at };
        let mut stints = vec![Stint { started_at, ended_at: None, has_previous }];
        if twice {
            let begun = started_at.plus_micros(-20 * DAY);
            let ended_at = Some(started_at.plus_micros(-5 * DAY));
            stints.insert(0, Stint { started_at: begun, ended_at, has_previous });
        }
        World {
            zone,
            windows,
            stints,
            group_keys: keys.0,
            presentation_keys: keys.1,
            filtered: keys.2,
            rounding: rounding.map(|(mode, precision)| Rounding { mode, precision }),
            request,
            happened,
        }
    })
}
