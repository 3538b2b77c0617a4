//! Prorated recurring charges day by day (aggregation details 11).

use super::frame::Frame;
use super::select::{Sample, samples, samples_since, samples_until, since, sum};
use super::terms::Terms;
use super::unique::{self, Row};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::SECOND;
use crate::core::period::Date;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400 * SECOND;

/// What happened on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Units were added.
    Add,
    /// Units were removed.
    Remove,
    /// A value was added and is gone again.
    AddAndRemoved,
}

impl Action {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::AddAndRemoved => "add_and_removed",
        }
    }
}

/// One entry of the breakdown.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// Local date.
    pub date: Date,
    /// What happened.
    pub action: Action,
    /// Units, signed.
    pub amount: Decimal,
    /// Days for which they are charged.
    pub duration: Decimal,
    /// Days of the full period.
    pub total_duration: i64,
}

/// The entries of a prorated sum or unique count, by date; none for other aggregations.
///
/// `events` in order of (timestamp, position), of all time.
pub fn dated(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Option<Vec<Dated>> {
    let history = terms.history(events);
    match terms.metric.aggregation {
        Aggregation::Sum => Some(by_date(&terms.frame, &samples(&history, terms.field()))),
        Aggregation::UniqueCount => {
            let selected = since(&history, terms.lower());
            let rows = unique::rows::<&str>(&terms.frame, terms.field(), &[], selected);
            Some(by_value(&terms.frame, &rows))
        }
        _ => None,
    }
}

/// Σ of each local date of the window that has valid events, by date.
pub fn date_sums(frame: &Frame<'_>, history: &[Sample<'_>]) -> Vec<(Date, Decimal)> {
    let mut dates: Vec<(Date, Decimal)> = Vec::new();
    for sample in samples_since(history, frame.lower()) {
        let date = frame.zone.date(sample.event.timestamp);
        match dates.last_mut().filter(|(last, _)| *last == date) {
            Some((_, sum)) => *sum += &sample.value,
            None => dates.push((date, sample.value.clone())),
        }
    }
    dates
}

fn by_date(frame: &Frame<'_>, history: &[Sample<'_>]) -> Vec<Dated> {
    // An event at exactly the start is in here and in the window as well, as upstream has it.
    let carried = sum(samples_until(history, frame.from));
    let carried = (!carried.is_zero()).then(|| (frame.zone.date(frame.from), carried));
    let last = frame.zone.date(frame.to);
    let entry = |(date, amount): (Date, Decimal)| Dated {
        date,
        action: if amount.is_negative() { Action::Remove } else { Action::Add },
        amount,
        duration: Decimal::from_i64(i64::from(last.days_since(date)) + 1),
        total_duration: frame.days,
    };
    carried.into_iter().chain(date_sums(frame, history)).map(entry).collect()
}

fn by_value(frame: &Frame<'_>, rows: &[Row<'_>]) -> Vec<Dated> {
    let mut values: Vec<(Option<&str>, Vec<&Row<'_>>)> = Vec::new();
    for row in rows {
        match values.iter_mut().find(|(value, _)| *value == row.value) {
            Some((_, own)) => own.push(row),
            None => values.push((row.value, vec![row])),
        }
    }
    let mut entries: Vec<Dated> =
        values.iter().filter_map(|(_, own)| presence(frame, own)).collect();
    entries.sort_by_key(|entry| entry.date);
    entries
}

/// The one entry of a value, from its operations.
fn presence(frame: &Frame<'_>, rows: &[&Row<'_>]) -> Option<Dated> {
    let (first, last) = (rows.first()?, rows.last()?);
    let (action, at) = match (rows.len() % 2 == 1, first.timestamp < frame.from) {
        (true, _) => (Action::Add, first.timestamp.max(frame.from)),
        (false, true) => (Action::Remove, last.timestamp),
        (false, false) => (Action::AddAndRemoved, first.timestamp),
    };
    let micros = frame.to.micros().saturating_sub(frame.from.micros());
    let days = micros.saturating_add(DAY_MICROS / 2).div_euclid(DAY_MICROS);
    let share = match rows.len() {
        1 | 2 => first.ratio.clone(),
        _ => rows.iter().map(|row| &row.ratio).sum(),
    };
    Some(Dated {
        date: frame.zone.date(at),
        action,
        amount: first.ratio.ceil(0),
        duration: (&Decimal::from_i64(days) * &share).round(0),
        total_duration: frame.days,
    })
}
