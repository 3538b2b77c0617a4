//! The totals of one window: a cell per bucket that has received something.

use super::account::Folding;
use super::frame::{Frame, Spell, floor};
use crate::core::aggregate::kept::{Content, Recipe, Span};
use crate::core::event::Usage;
use crate::core::matching::Bucket;

/// Cells up to which room is made one by one: most of millions of windows have no more.
const FEW: usize = 4;

/// One bucket of one charge.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index of the charge in the plan.
    pub charge: u16,
    /// Which of its buckets.
    pub bucket: Bucket,
    /// What it has received.
    pub content: Content,
}

impl Cell {
    fn needs_repair(&self, frame: &Frame, spell: Spell) -> bool {
        let Some(recipe) = frame.shape.recipe(self.charge, self.bucket) else { return false };
        let stretches = frame.stretches(self.charge, spell.window);
        let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
        self.content.needs_repair(recipe, &span)
    }
}

/// The cells of one window, in ascending order of charge and bucket. A missing cell is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells(pub Vec<Cell>);

impl Cells {
    /// What a bucket has received; none for nothing.
    pub fn get(&self, charge: u16, bucket: Bucket) -> Option<&Content> {
        self.find(charge, bucket).ok().map(|at| &self.0[at].content)
    }

    /// Counts an event in every bucket that it belongs to. It lies in the window, or before it:
    /// then it counts for metrics that look back.
    pub fn fold(
        &mut self,
        frame: &Frame,
        spell: Spell,
        code: &str,
        usage: &Usage<'_>,
        folding: &mut Folding,
    ) {
        let before = usage.timestamp < floor(spell.window);
        let Folding { caps, key, buckets } = folding;
        frame.shape.each(code, usage, buckets, |charge, bucket, recipe| {
            if before && !recipe.looks_back() {
                return;
            }
            let stretches = frame.stretches(charge, spell.window);
            let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
            let content = self.content(charge, bucket, || Content::new(recipe));
            content.add(recipe, &span, *caps, key, usage);
        });
    }

    /// Whether an event came too late for what some bucket keeps: it has to be scanned again.
    pub fn needs_repair(&self, frame: &Frame, spell: Spell) -> bool {
        self.0.iter().any(|cell| cell.needs_repair(frame, spell))
    }

    /// Leaves buckets that still need to be scanned to whoever asks. So it is with those that go by
    /// the order of position, if that is far from the order of time.
    pub fn give_up(&mut self, frame: &Frame, spell: Spell) {
        for cell in &mut self.0 {
            if cell.needs_repair(frame, spell) {
                cell.content = Content::new(&Recipe::Scanned);
            }
        }
    }

    /// The cells of a later window, given that nothing has happened in it nor since this one ended;
    /// none if only a scan tells what they carry over.
    pub fn roll(&self, frame: &Frame, old: Spell, new: Spell) -> Option<Self> {
        let mut rolled = Vec::new();
        for Cell { charge, bucket, content } in &self.0 {
            let recipe = frame.shape.recipe(*charge, *bucket);
            let Some(recipe) = recipe.filter(|recipe| recipe.looks_back()) else { continue };
            let stretches = [old, new].map(|spell| frame.stretches(*charge, spell.window));
            let span = |spell, stretches| Span { frame: frame.aggregated(spell), stretches };
            let (from, to) = (span(old, &stretches[0]), span(new, &stretches[1]));
            let content = content.roll(recipe, &from, &to)?;
            rolled.push(Cell { charge: *charge, bucket: *bucket, content });
        }
        Some(Self(rolled))
    }

    /// A copy to read figures from. It leaves behind what only further events need.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let copy = |cell: &Cell| Cell { content: cell.content.snapshot(), ..*cell };
        Self(self.0.iter().map(copy).collect())
    }

    fn find(&self, charge: u16, bucket: Bucket) -> Result<usize, usize> {
        self.0.binary_search_by(|cell| (cell.charge, cell.bucket).cmp(&(charge, bucket)))
    }

    fn content(
        &mut self,
        charge: u16,
        bucket: Bucket,
        make: impl FnOnce() -> Content,
    ) -> &mut Content {
        let at = self.find(charge, bucket).unwrap_or_else(|at| {
            if self.0.len() < FEW {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, Cell { charge, bucket, content: make() });
            at
        });
        &mut self.0[at].content
    }
}
