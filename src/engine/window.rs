//! The totals of one window of one account.

use super::account::Folding;
use super::draft::Draft;
use super::frame::{Frame, Spell, floor};
use super::noted::Noted;
use super::totals::Cells;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::period::Window;

/// Totals of one window. Those of recurring metrics cover all events up to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowTotals {
    /// The window.
    pub spell: Spell,
    /// What came since a scan for this window began; none if no scan is under way.
    pub building: Option<Box<Noted>>,
    /// What its buckets have received.
    pub cells: Cells,
}

impl WindowTotals {
    /// A window with these totals.
    pub const fn of(spell: Spell, cells: Cells) -> Self {
        Self { spell, building: None, cells }
    }

    /// A window that is about to be scanned.
    pub fn to_be_scanned(spell: Spell) -> Self {
        Self { spell, building: Some(Box::default()), cells: Cells::default() }
    }

    /// Hands over the cells to be repaired, and notes later events until they are back.
    pub fn open_for_repair(&mut self, frame: &Frame) -> Draft {
        self.building = Some(Box::default());
        Draft::repair(frame, self.spell, std::mem::take(&mut self.cells))
    }

    /// The window.
    pub const fn window(&self) -> Window {
        self.spell.window
    }

    /// First instant of its events.
    pub fn floor(&self) -> Instant {
        floor(self.spell.window)
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let noted = self.building.as_ref().map_or(0, |noted| noted.weight());
        size_of::<Self>() + noted + self.cells.weight()
    }

    /// Whether the totals are what a scan would give now.
    pub fn is_complete(&self, frame: &Frame) -> bool {
        self.building.is_none() && !self.needs_repair(frame)
    }

    /// Whether events came too late for what is kept.
    pub fn needs_repair(&self, frame: &Frame) -> bool {
        self.cells.needs_repair(frame, self.spell)
    }

    /// Counts an event that lies in the window, or before it for metrics that look back.
    pub fn fold(&mut self, frame: &Frame, code: &str, usage: &Usage<'_>, folding: &mut Folding) {
        match &mut self.building {
            Some(noted) => noted.note(code, usage),
            None => self.cells.fold(frame, self.spell, code, usage, folding),
        }
    }

    /// Takes what a scan found, or the cells back that were not repaired, and folds what was noted
    /// meanwhile. Returns whether that went; if too much was noted, the scan is of no use.
    pub fn install(&mut self, frame: &Frame, scanned: Cells, folding: &mut Folding) -> bool {
        let noted = self.building.take().unwrap_or_default();
        let Some(events) = noted.events() else { return false };
        self.cells = scanned;
        for event in events {
            self.cells.fold(frame, self.spell, &event.code, &event.usage(), folding);
        }
        true
    }
}
