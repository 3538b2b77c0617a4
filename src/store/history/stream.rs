//! The events of one account in the order of time: chunks and unmerged rows, merged as they are
//! read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};

use rocksdb::DBRawIterator;

use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::engine::ledger::{AccountKey, Row};
use crate::store::error::StoreError;

use super::chunk;
use super::rows::{RowSet, TimeKey};
use super::view::{LedgerView, READING};

/// Where the next rows of the stream come from.
enum Rows<'v> {
    /// A chunk that was opened.
    Chunk(RowSet),
    /// The rows that no chunk holds.
    Unmerged(&'v RowSet),
}

/// Sorted rows, and the next one of them.
struct Cursor<'v> {
    rows: Rows<'v>,
    at: usize,
}

impl Cursor<'_> {
    fn rows(&self) -> &RowSet {
        match &self.rows {
            Rows::Chunk(rows) => rows,
            Rows::Unmerged(rows) => rows,
        }
    }
}

/// See [`LedgerView::events`].
pub struct EventStream<'v> {
    view: &'v LedgerView<'v>,
    account: AccountKey,
    /// On the next chunk that may have to be opened.
    walk: DBRawIterator<'v>,
    void: HashSet<Position>,
    from: Instant,
    to: Instant,
    cursors: Vec<Cursor<'v>>,
    /// The next row of each cursor that has one, least first.
    heap: BinaryHeap<Reverse<(TimeKey, usize)>>,
    /// Places of cursors that are at their end, to be used again.
    free: Vec<usize>,
}

impl std::fmt::Debug for EventStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("account", &self.account).finish_non_exhaustive()
    }
}

impl<'v> EventStream<'v> {
    pub(super) fn new(
        view: &'v LedgerView<'v>,
        account: AccountKey,
        walk: DBRawIterator<'v>,
        (void, unmerged): (BTreeSet<Position>, &'v RowSet),
        (from, to): (Instant, Instant),
    ) -> Self {
        let void = void.into_iter().chain(unmerged.retracted()).collect();
        let (cursors, heap, free) = (Vec::new(), BinaryHeap::new(), Vec::new());
        let mut stream = Self { view, account, walk, void, from, to, cursors, heap, free };
        stream.add(Rows::Unmerged(unmerged));
        stream
    }

    /// The next event, or none at the end.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, StoreError> {
        loop {
            let least = self.heap.peek().map(|Reverse((key, _))| key.0);
            if self.open_chunk(least)? {
                continue;
            }
            let Some(Reverse(((timestamp, position), number))) = self.heap.pop() else {
                return Ok(None);
            };
            if timestamp > self.to {
                self.heap.clear();
                return Ok(None);
            }
            let at = self.cursors[number].at;
            self.cursors[number].at += 1;
            match self.cursors[number].rows().key(at + 1) {
                Some(key) => self.heap.push(Reverse((key, number))),
                None => self.free.push(number),
            }
            if !self.void.contains(&position) {
                return Ok(self.cursors[number].rows().row(at));
            }
        }
    }

    /// Opens the next chunk if it begins no later than the least row at hand. Returns whether there
    /// was one.
    fn open_chunk(&mut self, least: Option<Instant>) -> Result<bool, StoreError> {
        let Some((key, value)) = self.walk.item() else {
            return self.walk.status().map(|()| false).map_err(self.view.store.engine(READING));
        };
        let damaged = self.view.store.damaged(READING);
        let mut opened = None;
        if let Some(id) = self.view.visible(key)? {
            if id.first > self.to || least.is_some_and(|least| id.first > least) {
                return Ok(false);
            }
            let (last, block) = chunk::open(value).map_err(&damaged)?;
            if last >= self.from {
                let mut rows = RowSet::default();
                chunk::read(block, self.account, &mut rows).map_err(&damaged)?;
                opened = Some(rows);
            }
        }
        self.walk.next();
        if let Some(rows) = opened {
            self.add(Rows::Chunk(rows));
        }
        Ok(true)
    }

    fn add(&mut self, rows: Rows<'v>) {
        let mut cursor = Cursor { rows, at: 0 };
        cursor.at = cursor.rows().first_from(self.from);
        let Some(key) = cursor.rows().key(cursor.at) else { return };
        // A cursor at its end is only replaced here, so that its last row could be returned.
        let number = match self.free.pop() {
            Some(number) => {
                self.cursors[number] = cursor;
                number
            }
            None => {
                self.cursors.push(cursor);
                self.cursors.len() - 1
            }
        };
        self.heap.push(Reverse((key, number)));
    }
}
