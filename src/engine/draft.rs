//! Totals that are being folded from the ledger: those of a window of which nothing is kept, or
//! those that met an event too late for what their buckets keep.

use super::account::Folding;
use super::frame::{Frame, Spell, floor};
use super::totals::Cells;
use crate::core::aggregate::kept::{Recipe, Repair};
use crate::core::event::Usage;
use crate::core::instant::Instant;

/// The totals of one window on their way to what a scan gives. Fed with the events of the account
/// from [`Draft::from`] to the end of the window, in order of (timestamp, position).
#[derive(Clone, Debug)]
pub struct Draft {
    from: Instant,
    cells: Cells,
    /// What each cell needs; none if nothing was kept.
    needs: Option<Vec<Option<Repair>>>,
}

impl Draft {
    /// Of a window of which nothing is kept.
    pub fn anew(frame: &Frame, spell: Spell) -> Self {
        Self { from: frame.reach(spell.window), cells: Cells::default(), needs: None }
    }

    /// Of cells of which some need repair. They are left as they are until [`Draft::begin`].
    pub fn repair(frame: &Frame, spell: Spell, cells: Cells) -> Self {
        let needs: Vec<Option<Repair>> =
            cells.0.iter().map(|cell| cell.repair(frame, spell)).collect();
        let from = needs.iter().zip(&cells.0).filter_map(|(need, cell)| {
            let recipe = frame.shape.recipe(cell.charge, cell.bucket);
            Some(match (*need)? {
                Repair::From(at) => at,
                Repair::Anew if recipe.is_some_and(Recipe::looks_back) => Instant::MIN,
                Repair::Anew => floor(spell.window),
            })
        });
        let from = from.min().unwrap_or(spell.window.to);
        Self { from, cells, needs: Some(needs) }
    }

    /// The first instant whose events are needed.
    pub const fn from(&self) -> Instant {
        self.from
    }

    /// Takes the cells that need it back to where their events begin.
    pub fn begin(&mut self, frame: &Frame, spell: Spell) {
        let needs = self.needs.iter().flatten();
        for (cell, _) in self.cells.0.iter_mut().zip(needs).filter(|(_, need)| need.is_some()) {
            cell.rewind(frame, spell);
        }
    }

    /// Takes the next event.
    pub fn fold(
        &mut self,
        frame: &Frame,
        spell: Spell,
        code: &str,
        usage: &Usage<'_>,
        folding: &mut Folding,
    ) {
        match &self.needs {
            None => self.cells.fold(frame, spell, code, usage, folding),
            Some(needs) => self.cells.mend(needs, (frame, spell), code, usage, folding),
        }
    }

    /// The cells as they are before [`Draft::begin`], if they were kept.
    pub fn untouched(self) -> Option<Cells> {
        self.needs.map(|_| self.cells)
    }

    /// The cells after the last event, and how many were given up: those that go by the order of
    /// position, if it is so far from that of time that they still need repair.
    pub fn finish(mut self, frame: &Frame, spell: Spell) -> (Cells, usize) {
        let given_up = self.cells.settle(frame, spell);
        (self.cells, given_up)
    }
}
