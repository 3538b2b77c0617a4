//! Random buckets for tests: charges of every kind, windows, events, requests.

use proptest::prelude::*;

use super::lines::Line;
use crate::core::aggregate::{Frame, Records, Stint};
use crate::core::catalog::{
    BillableMetric, Charge, PresentationKey, Rounding, RoundingMode, fixtures,
};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::usage::{Quantities, Request, Scan, ScanLimits};

pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// 1 March 2024 00:00 in Berlin, the month in which the clocks go forward.
const MARCH: i64 = 1_709_247_600 * SECOND;

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
    /// Nothing special, and nothing happened.
    pub fn plain() -> Self {
        Self {
            zone: Zone::UTC,
            windows: [(Instant(0), Instant(DAY), 1), (Instant(DAY + 1), Instant(2 * DAY), 1)],
            stints: Vec::new(),
            group_keys: Vec::new(),
            presentation_keys: Vec::new(),
            filtered: false,
            rounding: None,
            request: Request::default(),
            happened: Vec::new(),
        }
    }

    pub fn metric(&self, line: Line) -> BillableMetric {
        BillableMetric {
            recurring: line.recurring,
            rounding: self.rounding,
            ..fixtures::metric(100, "calls", line.aggregation())
        }
    }

    pub fn charge(&self, line: Line) -> Charge {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let model = line.price.model();
        let filter = fixtures::filter(2, ("kind", "odd"), model.clone());
        let shown =
            |key: &&str| PresentationKey { value: (*key).to_owned(), display_in_invoice: false };
        Charge {
            pricing_group_keys: owned(&self.group_keys),
            presentation_group_keys: self.presentation_keys.iter().map(shown).collect(),
            pay_in_advance: line.in_advance,
            prorated: line.prorated,
            filters: if self.filtered { vec![filter] } else { Vec::new() },
            ..fixtures::charge(1, 100, model)
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

    pub fn scan<'a>(&'a self, window: usize, events: &'a [Usage<'a>]) -> impl Quantities + 'a {
        Scan {
            events: move |_: &BillableMetric| Ok(events),
            stints: |_: &Charge| self.stints.clone(),
            frame: self.frame(window),
            current_usage: true,
            fewer_days: 0,
            records: Records::Replay,
            limits: ScanLimits::NONE,
        }
    }
}

#[allow(clippy::unnecessary_wraps)] // it is one of the ways to send a property
fn text(text: &'static str) -> Sent {
    Some((Kind::Text, text))
}

#[allow(clippy::unnecessary_wraps)] // as above
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

/// One event around the windows, or inside the first one if `inside`.
fn happened(inside: bool) -> impl Strategy<Value = Happened> {
    let operation =
        prop::sample::select(vec![None, None, text("add"), text("remove"), text("drop")]);
    let kind = prop::sample::select(vec![None, None, text("odd")]);
    let members = (value(), operation, key(), key(), kind);
    let cents = prop::sample::select(vec![None, Some("10.1"), Some("901.90"), Some("-3")]);
    // Hours around both windows, and the instants at their bounds.
    let days = if inside { -2..34_i64 } else { -40..75 };
    let hours = prop_oneof![
        8 => (days.start * 24..days.end * 24).prop_map(|hour| hour * HOUR),
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

/// How many events, and how they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A few, anywhere, with positions that have nothing to do with their time.
    Small,
    /// More in a window than are kept unfolded, received in the order of their time, and a request
    /// that asks for nothing special.
    Large,
}

pub fn world(size: Size) -> impl Strategy<Value = World> {
    let (large, count) = match size {
        Size::Small => (false, 0..40),
        Size::Large => (true, 160..240),
    };
    let roundings = [None, Some((RoundingMode::Round, 1)), Some((RoundingMode::Ceil, 0))];
    let rounding = prop::sample::select(roundings.to_vec());
    let group_keys = vec![vec![], vec![], vec!["cloud"], vec!["cloud"], vec!["region", "cloud"]];
    let shown = vec![vec![], vec![], vec!["region"], vec!["cloud"]];
    let keys = (prop::sample::select(group_keys), prop::sample::select(shown), any::<bool>());
    let stints = (0_i64..60, any::<bool>(), any::<bool>());
    let rest = (windows(), keys, rounding, stints, request());
    (rest, prop::collection::vec(happened(large), count)).prop_map(move |(rest, mut happened)| {
        let ((zone, windows, from), keys, rounding, (age, has_previous, twice), mut request) = rest;
        if large {
            request = Request::default();
            for own in &mut happened {
                own.log_time = own.timestamp.micros();
            }
            happened.sort_by_key(|own| own.timestamp);
        }
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
