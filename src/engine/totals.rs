//! The totals of one window: a cell per bucket that has received something.

use super::account::Folding;
use super::frame::{Frame, Spell, floor};
use crate::core::aggregate::kept::{Content, Recipe, Repair, Span};
use crate::core::event::Usage;
use crate::core::matching::Bucket;
use crate::core::planted::{Stumble, stumble};

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
        self.with(frame, spell, Content::needs_repair).unwrap_or(false)
    }

    /// Which events mend it if it needs repair.
    pub(super) fn repair(&self, frame: &Frame, spell: Spell) -> Option<Repair> {
        self.with(frame, spell, Content::repair).flatten()
    }

    /// Goes back to where its repair begins.
    pub(super) fn rewind(&mut self, frame: &Frame, spell: Spell) {
        let Some(recipe) = frame.shape.recipe(self.charge, self.bucket) else { return };
        let stretches = frame.stretches(self.charge, spell.window);
        let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
        self.content.rewind(recipe, &span);
    }

    /// Ends its repair.
    fn settle(&mut self, frame: &Frame, spell: Spell) {
        let Some(recipe) = frame.shape.recipe(self.charge, self.bucket) else { return };
        let stretches = frame.stretches(self.charge, spell.window);
        let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
        self.content.settle(recipe, &span);
    }

    fn with<T>(
        &self,
        frame: &Frame,
        spell: Spell,
        told: impl FnOnce(&Content, &Recipe, &Span<'_>) -> T,
    ) -> Option<T> {
        let recipe = frame.shape.recipe(self.charge, self.bucket)?;
        let stretches = frame.stretches(self.charge, spell.window);
        let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
        Some(told(&self.content, recipe, &span))
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
        let Folding { caps, key, buckets, over_cap } = folding;
        frame.shape.each(code, usage, buckets, |charge, bucket, recipe| {
            if before && !recipe.looks_back() {
                return;
            }
            let stretches = frame.stretches(charge, spell.window);
            let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
            let content = self.content(charge, bucket, || Content::new(recipe));
            let was_over = content.over_cap();
            content.add(recipe, &span, *caps, key, usage);
            *over_cap += u64::from(content.over_cap() && !was_over);
            stumble(Stumble::Total, usage.properties.as_bytes());
        });
    }

    /// Hands an event that was counted before to the cells that need it. `needs` says by cell what
    /// that is.
    pub(super) fn mend(
        &mut self,
        needs: &[Option<Repair>],
        (frame, spell): (&Frame, Spell),
        code: &str,
        usage: &Usage<'_>,
        folding: &mut Folding,
    ) {
        let before = usage.timestamp < floor(spell.window);
        let Folding { caps, key, buckets, over_cap } = folding;
        frame.shape.each(code, usage, buckets, |charge, bucket, recipe| {
            let Ok(at) = self.find(charge, bucket) else { return };
            let Some(Some(need)) = needs.get(at) else { return };
            if before && !recipe.looks_back() {
                return;
            }
            let stretches = frame.stretches(charge, spell.window);
            let span = Span { frame: frame.aggregated(spell), stretches: &stretches };
            let content = &mut self.0[at].content;
            match need {
                Repair::From(from) if usage.timestamp < *from => {}
                Repair::From(_) => content.replay(recipe, &span, key, usage),
                Repair::Anew => {
                    let was_over = content.over_cap();
                    content.add(recipe, &span, *caps, key, usage);
                    *over_cap += u64::from(content.over_cap() && !was_over);
                }
            }
        });
    }

    /// Whether an event came too late for what some bucket keeps: it has to be scanned again.
    pub fn needs_repair(&self, frame: &Frame, spell: Spell) -> bool {
        self.0.iter().any(|cell| cell.needs_repair(frame, spell))
    }

    /// Ends repairs. Buckets that still need one are left to the scan: how many these are.
    pub(super) fn settle(&mut self, frame: &Frame, spell: Spell) -> usize {
        let mut given_up = 0;
        for cell in &mut self.0 {
            cell.settle(frame, spell);
            if cell.needs_repair(frame, spell) {
                cell.content.give_up();
                given_up += 1;
            }
        }
        given_up
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

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let spare = self.0.capacity().saturating_sub(self.0.len()) * size_of::<Cell>();
        let place = size_of::<Cell>() - size_of::<Content>();
        spare + self.0.iter().map(|cell| place + cell.content.weight()).sum::<usize>()
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
