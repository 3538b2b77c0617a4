//! Frames: the rules that an account is folded under.

use std::sync::Arc;

use super::shape::Shape;
use crate::core::aggregate::{self, Stint};
use crate::core::catalog::ingestion::Ingestion;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::period::{self, Terms, Window};

/// The lower bound for events of a window: its start without the fraction of a millisecond (4.7).
pub fn floor(window: Window) -> Instant {
    window.from.floor_ms()
}

/// How far an instant lies outside of a window, in microseconds; 0 inside.
pub fn distance(window: Window, at: Instant) -> i64 {
    if at < window.from {
        window.from.micros().saturating_sub(at.micros())
    } else {
        at.micros().saturating_sub(window.to.micros()).max(0)
    }
}

/// A charges window with the length of the period that it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// The window.
    pub window: Window,
    /// Days of the full period, whatever part of it the window covers (3.8).
    pub days: i64,
}

/// The rules that an account is folded under: the active subscription's windows and its plan's
/// shape.
#[derive(Debug)]
pub struct Frame {
    /// Identity of all that decides the totals: equal digests, equal totals.
    pub digest: u64,
    /// The plan's charges, compiled; shared by all accounts on the plan.
    pub shape: Arc<Shape>,
    /// What the windows are computed from.
    pub terms: Terms,
    /// The rules under which events were taken in; none if all count as they were kept.
    pub ingestion: Option<Arc<Ingestion>>,
    /// By charge with a carry of its own, the rows of this external id whose plan holds it (5.9).
    pub stints: Vec<(u16, Vec<Stint>)>,
}

impl Frame {
    /// Bytes in memory, roughly, without what frames share.
    pub fn weight(&self) -> usize {
        let stints = self.stints.iter().map(|(_, own)| size_of_val(own.as_slice()));
        let places = self.stints.capacity() * size_of::<(u16, Vec<Stint>)>();
        size_of::<Self>() + places + stints.sum::<usize>()
    }

    /// The charges window that holds an instant; none outside the calendar or in a skipped hour.
    pub fn window_holding(&self, at: Instant) -> Option<Window> {
        period::containing(&self.terms, at)
    }

    /// Calls `count` with an event as it counts (10.5), unless it is void.
    pub fn settle(&self, code: &str, usage: &Usage<'_>, count: impl FnOnce(&Usage<'_>)) {
        match &self.ingestion {
            None => count(usage),
            Some(ingestion) => ingestion.each(code, usage, count),
        }
    }

    /// The window that holds an instant, if it is one that events are folded into.
    pub fn spell_holding(&self, at: Instant) -> Option<Spell> {
        self.spell(self.window_holding(at)?)
    }

    /// Whether events are folded into this window.
    pub fn folds_into(&self, window: Window) -> bool {
        self.spell(window).is_some()
    }

    /// The length of a window's period; none for windows that events are not folded into. Windows
    /// that they are folded into share no instant.
    pub fn spell(&self, window: Window) -> Option<Spell> {
        if self.window_holding(window.to) != Some(window) {
            return None;
        }
        // Next to a change of zone the window of events may be another than the one that is shown.
        let period = period::current(&self.terms, window.to)?;
        let days = i64::from(period.charges_duration);
        (period.charges == window).then_some(Spell { window, days })
    }

    /// A window as aggregations read it.
    pub fn aggregated(&self, spell: Spell) -> aggregate::Frame<'_> {
        let Spell { window: Window { from, to }, days } = spell;
        aggregate::Frame { from, to, days, zone: &self.terms.zone }
    }

    /// The stretches of time that a charge carries into a window; none for charges without a carry.
    pub fn stretches(&self, charge: u16, window: Window) -> Vec<(Instant, Instant)> {
        let stints = self.stints.iter().find(|(own, _)| *own == charge);
        stints.map_or_else(Vec::new, |(_, stints)| aggregate::stretches(stints, window.from))
    }

    /// The earliest instant whose events decide the totals of a window.
    pub fn reach(&self, window: Window) -> Instant {
        if self.shape.looks_back() { Instant::MIN } else { floor(window) }
    }
}
