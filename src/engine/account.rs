//! Accounts: the running totals of one external subscription id.
//!
//! A total is a cached scan. Totals are kept per charges window and bucket; kept windows share no
//! instant, so that every event lies in one of them at most. A window that is not kept is zero
//! unless it meets a kept one, or [`Account::uncached`], the stretch of time in which events lie
//! that no kept window holds; then it has to be scanned from the ledger.
//!
//! Recurring metrics look back: their totals in a window cover all events up to its end. So an
//! event is folded into every later window that is kept, too, and a new window begins with what the
//! one before it carries over.

use std::sync::Arc;

use super::digest::Digest;
use super::draft::Draft;
use super::frame::{Frame, Spell, distance, floor};
use super::isolate::{Panicked, isolated};
use super::ledger::AccountName;
use super::totals::Cells;
use super::window::WindowTotals;
use crate::core::aggregate::kept::{Caps, SetKey};
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::Buckets;
use crate::core::period::Window;
use crate::core::planted::{Fault, Stumble, planted, stumble};

/// Windows kept per account: the running one, its neighbours, and one for events that are early or
/// late. More would only serve figures that nobody polls; the rest is scanned when asked for.
pub const WINDOWS_MAX: usize = 4;

/// Events further than this from their log time are not worth a window of their own: 400 days.
const DISTANCE_MAX: i64 = 400 * 86_400 * crate::core::instant::SECOND;

/// What the allocator adds to each piece of memory, and the pieces that every account has.
const ALLOCATION_BYTES: usize = 16;
const ALLOCATIONS: usize = 2;

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First instant.
    pub from: Instant,
    /// Last instant.
    pub to: Instant,
}

impl Stretch {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Instant::MIN, to: Instant::MAX };

    /// Whether the two share an instant.
    pub fn meets(&self, from: Instant, to: Instant) -> bool {
        self.from <= to && from <= self.to
    }

    /// The least stretch that holds a known one and another.
    pub fn extended(known: Option<Self>, from: Instant, to: Instant) -> Option<Self> {
        Some(known.map_or(Self { from, to }, |known| Self {
            from: known.from.min(from),
            to: known.to.max(to),
        }))
    }
}

/// The running totals of one external subscription id, and what they were folded under.
#[derive(Clone, Debug)]
pub struct Account {
    /// The tenant.
    pub organization: Arc<str>,
    /// External subscription id.
    pub subscription: Option<Box<str>>,
    /// Rows in the ledger.
    pub rows: u64,
    /// Order-independent digest of the events that count.
    pub state: Digest,
    /// Number of the slot's batch that changed this account last.
    pub batch: u64,
    /// Sequence of the tail block that holds the account's latest rows.
    pub changed_at: u64,
    /// The rules in force; none while no subscription of this id is active.
    pub frame: Option<Arc<Frame>>,
    /// Digest of the rules that the totals were folded under.
    pub folded_under: Option<u64>,
    /// Catalogue epoch in which `frame` was found; 0 before it was looked for.
    pub epoch: u64,
    /// Changes whenever totals are thrown away, so that a scan begun before is not added.
    pub generation: u64,
    /// Where events lie that no kept window holds.
    pub uncached: Option<Stretch>,
    /// Kept windows, in ascending order.
    pub windows: Vec<WindowTotals>,
    /// Events that were accepted while the organisation was unknown, and their bytes.
    pub aside: (u64, u64),
}

/// What is known of a window without reading the ledger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known<'a> {
    /// Nothing was used.
    Nothing,
    /// These are the totals.
    Totals(&'a WindowTotals),
    /// The ledger has to be scanned.
    Unknown,
}

impl Account {
    /// An account without events.
    pub fn new(name: AccountName<'_>) -> Self {
        Self {
            organization: name.organization.into(),
            subscription: name.subscription.map(Into::into),
            rows: 0,
            state: Digest::default(),
            batch: 0,
            changed_at: 0,
            frame: None,
            folded_under: None,
            epoch: 0,
            generation: 0,
            uncached: None,
            windows: Vec::new(),
            aside: (0, 0),
        }
    }

    /// The account's name.
    pub fn name(&self) -> AccountName<'_> {
        AccountName { organization: &self.organization, subscription: self.subscription.as_deref() }
    }

    /// Whether the account is the same after it has left memory and come back from its saved
    /// totals, which include all blocks before this sequence. Events that are set aside and scans
    /// that are under way are known in memory only.
    pub fn may_leave(&self, saved_upto: u64) -> bool {
        let is_saved = self.rows == 0 || self.changed_at < saved_upto;
        is_saved && self.aside.0 == 0 && self.windows.iter().all(|kept| kept.building.is_none())
    }

    /// Bytes in memory, roughly, without the charges that accounts of a plan share.
    pub fn weight(&self) -> usize {
        let names = self.organization.len() + self.subscription.as_ref().map_or(0, |id| id.len());
        let frame = self.frame.as_ref().map_or(0, |frame| frame.weight());
        let windows: usize = self.windows.iter().map(WindowTotals::weight).sum();
        size_of::<Self>() + names + ALLOCATIONS * ALLOCATION_BYTES + frame + windows
    }

    /// Puts the account under other rules. Totals folded under the same rules stay.
    pub fn reframe(&mut self, frame: Option<Arc<Frame>>, epoch: u64) {
        let digest = frame.as_ref().map(|frame| frame.digest);
        if self.folded_under != digest && !planted(Fault::StaleTotals) {
            self.forget();
        }
        self.folded_under = digest;
        self.frame = frame;
        self.epoch = epoch;
    }

    /// Throws the totals away; they come back by a scan when somebody asks.
    pub fn forget(&mut self) {
        self.generation += 1;
        self.windows.clear();
        self.uncached = (self.rows > 0).then_some(Stretch::ALWAYS);
    }

    /// Counts an event that was just accepted.
    pub fn fold(&mut self, code: &str, usage: &Usage<'_>, folding: &mut Folding) {
        self.rows += 1;
        let Some(frame) = self.frame.clone() else {
            return self.leave_out(usage.timestamp);
        };
        if !frame.shape.folds(code) {
            return;
        }
        let own = self.window_of(&frame, usage.timestamp, usage.position.log_time);
        if own.is_none() {
            self.leave_out(usage.timestamp);
        }
        frame.settle(code, usage, |usage| {
            if frame.shape.looks_back_on(code) && !planted(Fault::LateEventNotCarried) {
                for later in self.windows.iter_mut().filter(|kept| usage.timestamp < kept.floor()) {
                    later.fold(&frame, code, usage, folding);
                }
            }
            if let Some(own) = own {
                self.windows[own].fold(&frame, code, usage, folding);
            }
        });
    }

    /// [`Account::fold`] of an event that is taken into the ledger only if this succeeds.
    ///
    /// # Errors
    ///
    /// What a panic said. The event is not counted then. The totals are gone, for they may hold
    /// half of it; they come back by a scan of the ledger, which does not have it.
    pub fn try_fold(
        &mut self,
        code: &str,
        usage: &Usage<'_>,
        folding: &mut Folding,
    ) -> Result<(), Panicked> {
        let rows = self.rows;
        let fold = || {
            self.fold(code, usage, folding);
            stumble(Stumble::Fold, usage.properties.as_bytes());
        };
        isolated(fold).inspect_err(|_| {
            folding.buckets = Buckets::default();
            self.rows = rows;
            self.forget();
        })
    }

    /// Takes back the event that was counted last, since the ledger could not take it. The totals
    /// are gone then, as after a panic of [`Account::try_fold`].
    pub fn unfold(&mut self) {
        self.rows -= 1;
        self.forget();
    }

    /// [`Account::fold`] of an event that the ledger has. If it panics the totals are gone; whoever
    /// asks for them has them scanned.
    pub fn refold(&mut self, code: &str, usage: &Usage<'_>, folding: &mut Folding) {
        if self.try_fold(code, usage, folding).is_err() {
            self.rows += 1;
            self.forget();
        }
    }

    /// What is known of a window under these rules.
    pub fn known(&self, frame: &Frame, window: Window) -> Known<'_> {
        if self.folded_under != Some(frame.digest) {
            return if self.rows == 0 { Known::Nothing } else { Known::Unknown };
        }
        match self.windows.iter().find(|kept| kept.window() == window) {
            Some(kept) if kept.is_complete(frame) => Known::Totals(kept),
            Some(_) => Known::Unknown,
            None if self.meets_uncached(window) || self.meets_kept(window) => Known::Unknown,
            None if frame.shape.looks_back() && self.holds_before(window) => Known::Unknown,
            None => Known::Nothing,
        }
    }

    /// Opens a window for a scan of the rows there are now; later events are noted meanwhile. The
    /// draft says which rows those are, and wants to be fed with them.
    ///
    /// None if there is nothing to scan (the window is complete, or what the one before it carries
    /// over is all it holds), a scan is under way, or there is no room until others have ended.
    pub fn open_for_scan(&mut self, frame: &Frame, spell: Spell) -> Option<Draft> {
        let window = spell.window;
        if let Some(kept) = self.windows.iter_mut().find(|kept| kept.window() == window) {
            let repairs = kept.building.is_none() && kept.needs_repair(frame);
            return repairs.then(|| kept.open_for_repair(frame));
        }
        if !self.meets_uncached(window) {
            if !frame.shape.looks_back() {
                return None;
            }
            if let Some(cells) = self.carried(frame, spell) {
                if self.make_room(window, window.from) {
                    self.insert(WindowTotals::of(spell, cells));
                }
                return None;
            }
        }
        if !self.make_room(window, window.from) {
            return None;
        }
        self.insert(WindowTotals::to_be_scanned(spell));
        Some(Draft::anew(frame, spell))
    }

    /// Takes the result of a scan for the window it was opened for, unless the totals were thrown
    /// away since.
    pub fn install(
        &mut self,
        frame: &Frame,
        generation: u64,
        window: Window,
        scanned: Cells,
        folding: &mut Folding,
    ) -> Installed {
        let opened = |kept: &WindowTotals| kept.window() == window && kept.building.is_some();
        let Some(at) = self.windows.iter().position(opened) else { return Installed::Outdated };
        if generation != self.generation {
            return Installed::Outdated;
        }
        match isolated(|| self.windows[at].install(frame, scanned, folding)) {
            Ok(true) => Installed::Taken,
            Ok(false) => {
                self.windows.remove(at);
                self.uncached = Stretch::extended(self.uncached, floor(window), window.to);
                Installed::Overflowed
            }
            // An event that was noted meanwhile cannot be folded: whoever asks again is told.
            Err(_) => {
                folding.buckets = Buckets::default();
                self.forget();
                Installed::Outdated
            }
        }
    }

    fn meets_uncached(&self, window: Window) -> bool {
        self.uncached.is_some_and(|stretch| stretch.meets(floor(window), window.to))
    }

    /// Whether a window shares an instant with one that is kept: then its events may be in there.
    fn meets_kept(&self, window: Window) -> bool {
        let asked = Stretch { from: floor(window), to: window.to };
        self.windows.iter().any(|kept| asked.meets(kept.floor(), kept.window().to))
    }

    /// Whether an event may lie before a window.
    fn holds_before(&self, window: Window) -> bool {
        self.uncached.is_some_and(|stretch| stretch.from < floor(window))
            || self.windows.iter().any(|kept| kept.window().to < window.from)
    }

    fn leave_out(&mut self, timestamp: Instant) {
        if planted(Fault::LeftOutForgotten) {
            return;
        }
        self.uncached = Stretch::extended(self.uncached, timestamp, timestamp);
    }

    /// Index of the kept window that holds an instant, opening one if that is worth it.
    fn window_of(&mut self, frame: &Frame, at: Instant, log_time: Instant) -> Option<usize> {
        if let Some(found) = self.windows.iter().rposition(|kept| kept.window().holds(at)) {
            return Some(found);
        }
        let distance = at.micros().saturating_sub(log_time.micros()).saturating_abs();
        if distance > DISTANCE_MAX {
            return None;
        }
        let spell = frame.spell_holding(at)?;
        // Part of what happened in this window may lie outside the kept ones: only a scan tells.
        if self.meets_uncached(spell.window) {
            return None;
        }
        let cells = self.carried(frame, spell)?;
        self.make_room(spell.window, log_time).then(|| self.insert(WindowTotals::of(spell, cells)))
    }

    /// The totals of a window in which nothing has happened yet; none if only a scan tells what
    /// recurring metrics carry into it.
    fn carried(&self, frame: &Frame, spell: Spell) -> Option<Cells> {
        if !frame.shape.looks_back() {
            return Some(Cells::default());
        }
        let from = spell.window.from;
        let before = self.windows.iter().rev().find(|kept| kept.window().to < from);
        let since = before.map_or(Instant::MIN, |kept| kept.window().to.plus_micros(1));
        if self.uncached.is_some_and(|stretch| stretch.meets(since, spell.window.to)) {
            return None;
        }
        match before {
            None => Some(Cells::default()),
            Some(kept) if kept.is_complete(frame) => kept.cells.roll(frame, kept.spell, spell),
            Some(_) => None,
        }
    }

    /// Makes room for one more window, if there is one to make way: of those that are not nearer to
    /// `near` than the new one, the furthest. Returns whether there is room.
    ///
    /// A window that is being scanned stays. Were it opened a second time, the result of the first
    /// scan would be taken for that of the second.
    fn make_room(&mut self, window: Window, near: Instant) -> bool {
        if self.windows.len() < WINDOWS_MAX {
            return true;
        }
        let settled = (0..self.windows.len()).filter(|&at| self.windows[at].building.is_none());
        let furthest = settled.max_by_key(|&at| distance(self.windows[at].window(), near));
        let Some(furthest) = furthest
            .filter(|&at| distance(self.windows[at].window(), near) >= distance(window, near))
        else {
            return false;
        };
        let gone = self.windows.remove(furthest).window();
        self.uncached = Stretch::extended(self.uncached, floor(gone), gone.to);
        true
    }

    /// Keeps a window, for which there is room.
    fn insert(&mut self, totals: WindowTotals) -> usize {
        let from = totals.window().from;
        let at = self.windows.partition_point(|kept| kept.window().from < from);
        // Most accounts have one window for long, and there are millions of them.
        self.windows.reserve_exact(1);
        self.windows.insert(at, totals);
        at
    }
}

/// What became of the result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The window is complete.
    Taken,
    /// The totals were thrown away meanwhile.
    Outdated,
    /// More events came meanwhile than are noted: the window has to be scanned again.
    Overflowed,
}

/// What folding needs beside the event: bounds, and memory that is reused from event to event.
pub struct Folding {
    /// Bounds of one bucket (specification 1.9).
    pub caps: Caps,
    /// Hashes the values of unique counts.
    pub key: SetKey,
    /// Scratch of the filter matcher.
    pub buckets: Buckets,
    /// Buckets that went over a cap since this was last set to 0.
    pub over_cap: u64,
}
