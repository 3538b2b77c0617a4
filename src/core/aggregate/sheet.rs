//! A sheet of events to aggregate, for tests.

use super::*;
use crate::core::catalog::{BillableMetric, fixtures};
use crate::core::decimal::Decimal;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::properties::{Kind, PropertiesBuf};

pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// An event: day and hour since the epoch (1 January 1970 is day 0), and its properties. Texts that
/// start with `#` are sent as numbers.
pub type Line<'a> = ((i64, i64), &'a [(&'a str, &'a str)]);

#[derive(Clone)]
pub struct Sheet {
    pub zone: Zone,
    pub metric: BillableMetric,
    pub prorated: bool,
    pub pay_in_advance: bool,
    pub keys: Vec<String>,
    pub presentation: Vec<String>,
    pub from: i64,
    pub days: i64,
    pub allowance: Allowance,
    pub stints: Vec<Stint>,
    pub lines: Vec<(Instant, PropertiesBuf)>,
}

impl Sheet {
    /// A window of so many days from day `from` on, in UTC.
    pub fn new(aggregation: Aggregation, from: i64, days: i64, lines: &[Line<'_>]) -> Self {
        let field_name = Some("v".into());
        let metric = BillableMetric { field_name, ..fixtures::metric(0, "", aggregation) };
        let line = |((day, hour), members): &Line<'_>| {
            let mut properties = PropertiesBuf::new();
            for (key, text) in *members {
                match text.strip_prefix('#') {
                    Some(number) => properties.push(key, Kind::Number, number),
                    None => properties.push(key, Kind::Text, text),
                }
            }
            (Instant(day * DAY + hour * HOUR), properties)
        };
        Self {
            zone: Zone::UTC,
            metric,
            prorated: false,
            pay_in_advance: false,
            keys: Vec::new(),
            presentation: Vec::new(),
            from,
            days,
            allowance: Allowance::default(),
            stints: Vec::new(),
            lines: lines.iter().map(line).collect(),
        }
    }

    pub fn recurring(mut self) -> Self {
        self.metric.recurring = true;
        self
    }

    pub fn prorated(mut self) -> Self {
        self.prorated = true;
        self.recurring()
    }

    pub fn in_advance(mut self) -> Self {
        self.pay_in_advance = true;
        self
    }

    pub fn grouped(mut self, key: &str) -> Self {
        self.keys.push(key.into());
        self
    }

    pub fn with<T>(&self, run: impl FnOnce(&Terms<'_>, &[&Usage<'_>]) -> T) -> T {
        let mut usages: Vec<Usage<'_>> = self
            .lines
            .iter()
            .zip(0..)
            .map(|((timestamp, properties), offset)| Usage {
                timestamp: *timestamp,
                position: Position { offset, ..Position::default() },
                transaction: "",
                properties: properties.as_ref(),
                precise_cents: None,
            })
            .collect();
        usages.sort_by_key(|usage| (usage.timestamp, usage.position));
        let events: Vec<&Usage<'_>> = usages.iter().collect();
        let frame = Frame {
            from: Instant(self.from * DAY),
            to: Instant((self.from + self.days) * DAY - 1),
            days: self.days,
            zone: &self.zone,
        };
        let stretches = stretches(&self.stints, frame.from);
        let terms = Terms {
            metric: &self.metric,
            prorated: self.prorated,
            pay_in_advance: self.pay_in_advance,
            current_usage: true,
            dynamic: false,
            frame,
            fewer_days: 0,
            max_timestamp: None,
            group_keys: &self.keys,
            presentation_keys: &self.presentation,
            only: None,
            allowance: self.allowance.clone(),
            trigger: None,
            records: Records::Replay,
            carry: Carry::Stretches(&stretches),
            bypass: false,
        };
        run(&terms, &events)
    }

    /// Per group: values, priced units, shown units, count.
    pub fn figures(&self) -> Vec<[String; 4]> {
        let text = |value: &Option<Box<str>>| value.as_deref().unwrap_or("null").to_owned();
        let row = |figures: &Figures| {
            let group = figures.group.as_ref();
            [
                group.map_or_else(String::new, |group| {
                    group.0.iter().map(text).collect::<Vec<_>>().join("/")
                }),
                figures.units.decstr(),
                figures.current_units.as_ref().map_or_else(String::new, Decimal::decstr),
                figures.count.decstr(),
            ]
        };
        self.with(|terms, events| aggregate(terms, events).groups.iter().map(row).collect())
    }

    pub fn whole(&self) -> [String; 4] {
        self.figures().remove(0)
    }
}
