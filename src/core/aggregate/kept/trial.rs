//! Random events of one bucket and the order in which they arrive, for the tests of machines.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::ordered::Amount;
use crate::core::aggregate::Terms;
use crate::core::aggregate::select::numeric;
use crate::core::aggregate::sheet::{DAY, HOUR, Sheet};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::period::Zone;
use crate::core::properties::{Kind, PropertiesBuf};

/// First day of March 2024: clocks change in its course, on both halves of the globe.
pub const MARCH: i64 = 19_783;
/// How many later events may overtake one. Less than what stays unfolded.
const OVERTAKEN_MAX: usize = 50;
/// How many events there are at most: enough for several folds.
const EVENTS_MAX: usize = 300;

/// Events of a bucket, its terms, and how far each event is behind when it arrives.
#[derive(Clone)]
pub struct Trial {
    pub sheet: Sheet,
    pub days: i64,
    pub delays: Vec<usize>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<_> =
            self.sheet.lines.iter().map(|(at, properties)| (at.0, properties.as_ref())).collect();
        write!(f, "{} {:?} {lines:?} {:?}", self.sheet.from, self.sheet.zone.name(), self.delays)
    }
}

impl Trial {
    /// Numbers at the start of days of a window from 1 March 2024 on.
    pub fn of_days(aggregation: Aggregation, days: i64, values: &[(&str, i64)]) -> Self {
        let mut sheet = Sheet::new(aggregation, MARCH, days, &[]);
        for (value, day) in values {
            let mut properties = PropertiesBuf::new();
            properties.push("v", Kind::Text, value);
            sheet.lines.push((Instant((MARCH + day) * DAY), properties));
        }
        Self { sheet, days, delays: Vec::new() }
    }

    /// Runs a check over the events in order of (timestamp, position) up to the window's end, and
    /// over the same in order of arrival.
    pub fn check(
        &self,
        check: impl Fn(&Terms<'_>, &[&Usage<'_>], &[&Usage<'_>]) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        self.sheet.with(|terms, events| {
            let mut terms = terms.clone();
            terms.frame.days = self.days;
            let events = terms.history(events);
            let delay = |at: usize| at + self.delays.get(at).copied().unwrap_or(0);
            let mut arrivals: Vec<(usize, &Usage<'_>)> =
                events.iter().enumerate().map(|(at, event)| (delay(at), *event)).collect();
            arrivals.sort_by_key(|(arrival, _)| *arrival);
            let arrivals: Vec<&Usage<'_>> = arrivals.into_iter().map(|(_, event)| event).collect();
            check(&terms, &events, &arrivals)
        })
    }
}

/// A small number with up to two decimals, of either sign.
pub fn number() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        3 => (-30_i128..60).prop_map(|value| Decimal::from_i128(value, 0)),
        1 => (-900_i128..2_000).prop_map(|value| Decimal::from_i128(value, 2)),
    ]
}

/// The field of an event: mostly a number, now and then nothing or no number, and then an
/// operation.
fn properties() -> impl Strategy<Value = PropertiesBuf> {
    let value = prop_oneof![
        8 => number().prop_map(|value| Some((Kind::Text, value.to_string()))),
        1 => Just(Some((Kind::Text, "none".to_owned()))),
        1 => Just(Some((Kind::Null, String::new()))),
        1 => Just(None),
    ];
    value.prop_map(|value| {
        let mut properties = PropertiesBuf::new();
        if let Some((kind, text)) = value {
            properties.push("v", kind, &text);
        }
        properties
    })
}

/// Events from some time before the window to some time after it.
fn lines(
    properties: impl Strategy<Value = PropertiesBuf>,
) -> impl Strategy<Value = Vec<(Instant, PropertiesBuf)>> {
    // Few distinct moments, so that some coincide, and some fall on the window's first instant.
    let at = prop_oneof![
        6 => (-24_i64 * 5..24 * 36).prop_map(|hour| hour * HOUR),
        2 => (-5_i64..36).prop_map(|day| day * DAY),
        1 => 0_i64..31 * DAY,
    ];
    let line = (at, properties).prop_map(|(at, own)| (Instant(MARCH * DAY + at), own));
    prop::collection::vec(line, 0..EVENTS_MAX)
}

/// A trial of numbers in some zone and a window that may be shorter than its period.
pub fn trial(aggregation: Aggregation) -> impl Strategy<Value = Trial> {
    trial_of(aggregation, properties())
}

/// The same with these properties.
pub fn trial_of(
    aggregation: Aggregation,
    properties: impl Strategy<Value = PropertiesBuf>,
) -> impl Strategy<Value = Trial> {
    let zone = prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Santiago", "Asia/Tokyo"]);
    let delays = prop_oneof![
        1 => Just(Vec::new()),
        2 => prop::collection::vec(0..OVERTAKEN_MAX, EVENTS_MAX),
    ];
    (lines(properties), zone, 0_i64..20, delays).prop_map(move |(lines, zone, skipped, delays)| {
        let mut sheet = Sheet::new(aggregation, MARCH + skipped, 31 - skipped, &[]);
        sheet.zone = Zone::parse(zone).unwrap();
        sheet.lines = lines;
        Trial { sheet, days: 31, delays }
    })
}

/// The valid ones of these events, as machines take them.
pub fn amounts(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Vec<Amount> {
    let amount = |event: &&Usage<'_>| {
        let value = numeric(event, terms.field())?;
        Some(Amount { at: (event.timestamp, event.position), value })
    };
    events.iter().filter_map(amount).collect()
}

/// A state comes back from its bytes, and cut or damaged bytes are no reason to panic.
pub fn check_bytes<T: PartialEq + std::fmt::Debug>(
    state: &T,
    write: impl Fn(&T, &mut Vec<u8>),
    read: impl Fn(&mut &[u8]) -> Option<T>,
) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    write(state, &mut out);
    let mut rest = &out[..];
    let found = read(&mut rest);
    prop_assert_eq!(found.as_ref(), Some(state));
    prop_assert!(rest.is_empty());
    for at in (0..out.len()).step_by(out.len() / 20 + 1) {
        prop_assert_eq!(read(&mut &out[..at]), None);
        let mut damaged = out.clone();
        damaged[at] ^= 0xff;
        read(&mut &damaged[..]);
    }
    Ok(())
}
