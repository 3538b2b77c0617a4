//! Rows of one account in memory: packed, so that they can be sorted and merged.

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::core::properties::Properties;
use crate::engine::ledger::{AccountKey, Row, RowKind};

/// What rows are ordered by: time first, and position where that ties (specification 4.6).
pub type TimeKey = (Instant, Position);

/// One row, its texts and properties in the set's arenas.
#[derive(Clone, Debug)]
struct Packed {
    timestamp: Instant,
    position: Position,
    /// Position of the copy that this row retracted.
    retracted: Option<Position>,
    precise_cents: Option<Decimal>,
    /// Where the code begins; the transaction follows it.
    text: usize,
    code_bytes: usize,
    transaction_bytes: usize,
    properties: usize,
    properties_bytes: usize,
}

/// Rows of one account, in the order in which they were pushed until they are sorted.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    account: AccountKey,
    rows: Vec<Packed>,
    texts: String,
    properties: Vec<u8>,
}

impl RowSet {
    /// Adds a row. All rows of a set are of one account.
    pub fn push(&mut self, row: &Row<'_>) {
        self.account = row.account;
        let packed = Packed {
            timestamp: row.timestamp,
            position: row.position,
            retracted: match row.kind {
                RowKind::Accepted => None,
                RowKind::Replacement { retracted } => Some(retracted),
            },
            precise_cents: row.precise_cents.clone(),
            text: self.texts.len(),
            code_bytes: row.code.len(),
            transaction_bytes: row.transaction.len(),
            properties: self.properties.len(),
            properties_bytes: row.properties.as_bytes().len(),
        };
        self.rows.push(packed);
        self.texts.push_str(row.code);
        self.texts.push_str(row.transaction);
        self.properties.extend_from_slice(row.properties.as_bytes());
    }

    /// Orders the rows by time and position.
    pub fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.timestamp, row.position));
    }

    /// Takes out the rows at these positions. Says for each position that was found.
    pub fn remove(&mut self, mut removed: impl FnMut(&Position) -> bool) {
        self.rows.retain(|row| !removed(&row.position));
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Packed>() + self.texts.len() + self.properties.len()
    }

    /// Forgets all rows, and keeps the memory for others.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.texts.clear();
        self.properties.clear();
    }

    /// One row.
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        let packed = self.rows.get(at)?;
        let transaction = packed.text + packed.code_bytes;
        let properties = packed.properties..packed.properties + packed.properties_bytes;
        Some(Row {
            kind: match packed.retracted {
                None => RowKind::Accepted,
                Some(retracted) => RowKind::Replacement { retracted },
            },
            account: self.account,
            position: packed.position,
            transaction: &self.texts[transaction..transaction + packed.transaction_bytes],
            code: &self.texts[packed.text..transaction],
            timestamp: packed.timestamp,
            precise_cents: packed.precise_cents.clone(),
            properties: Properties::from_bytes(&self.properties[properties]),
        })
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|at| self.row(at))
    }

    /// Time and position of one row.
    pub fn key(&self, at: usize) -> Option<TimeKey> {
        self.rows.get(at).map(|row| (row.timestamp, row.position))
    }

    /// Timestamps of the rows from one on.
    pub fn timestamps(&self, from: usize) -> impl Iterator<Item = Instant> + '_ {
        self.rows.iter().skip(from).map(|row| row.timestamp)
    }

    /// Index of the first row of a sorted set that is not before an instant.
    pub fn first_from(&self, from: Instant) -> usize {
        self.rows.partition_point(|row| row.timestamp < from)
    }

    /// Positions that rows of the set retracted.
    pub fn retracted(&self) -> impl Iterator<Item = Position> + '_ {
        self.rows.iter().filter_map(|row| row.retracted)
    }
}
