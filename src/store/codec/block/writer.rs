//! Appends rows to an open block and seals it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use xxhash_rust::xxh3::xxh3_64;

use crate::core::instant::Instant;
use crate::core::planted::{Stumble, stumble};
use crate::core::position::Source;
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::store::codec::position::write_position;
use crate::store::codec::{put_bytes, put_varint, put_zigzag};

use super::reader::{BlockReader, Groups};
use super::{
    CHECKSUM_END, FORMAT, GROUP, GROUP_NAMED, GROUP_SUBSCRIPTION, KIND_ACCEPTED, KIND_REPLACEMENT,
    ROW_CENTS, ROW_INDEX, ROW_PROPERTIES, ROW_UUID, SourceSpan, uuid,
};

/// Length beyond which nothing is appended: places in the body are 32 bits, and one checkpoint
/// writes all blocks at once. Owners seal long before.
pub const BLOCK_BYTES_MAX: usize = 256 << 20;
/// Room for the fields of a row whose length is bounded.
const ROW_FIXED_BYTES_MAX: usize = 256;
/// Bytes of a partition in the header: its number, and three offsets.
const SOURCE_BYTES_MAX: usize = 34;
/// Bytes of the length of a text.
const TEXT_LENGTH_BYTES_MAX: usize = 5;
/// Memory a writer keeps when it is reset; more comes from a burst and is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The open block is at its limit and must be sealed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the open block holds {0} bytes and takes no more")]
pub struct BlockFull(pub usize);

/// How far an open block was written when an append began.
#[derive(Clone, Copy, Debug)]
pub struct BlockMark {
    body: usize,
    groups: usize,
    texts: usize,
    sources: usize,
    base_log_time: Option<Instant>,
    account: Option<AccountKey>,
}

/// The open block of one slot.
#[derive(Clone, Debug, Default)]
pub struct BlockWriter {
    body: Vec<u8>,
    groups: Vec<(AccountKey, u32)>,
    rows: u64,
    base_log_time: Option<Instant>,
    account: Option<AccountKey>,
    texts: Texts,
    sources: Sources,
}

impl BlockWriter {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows appended since the last seal.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of rows since the last seal; owners seal by this.
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether the block, sealed, surely stays within a length if this row is appended to it.
    pub fn fits(&self, row: &Row<'_>, bytes_max: usize) -> bool {
        let row = row.properties.as_bytes().len() + row.transaction.len() + row.code.len();
        let texts = self.texts.bytes.len() + self.texts.ends.len() * TEXT_LENGTH_BYTES_MAX;
        let tables = self.groups.len() * 4 + self.sources.spans.len() * SOURCE_BYTES_MAX;
        self.body.len() + texts + tables + row + 2 * ROW_FIXED_BYTES_MAX <= bytes_max
    }

    /// Where an append that begins now would have to be taken back to.
    pub fn mark(&self) -> BlockMark {
        BlockMark {
            body: self.body.len(),
            groups: self.groups.len(),
            texts: self.texts.ends.len(),
            sources: self.sources.spans.len(),
            base_log_time: self.base_log_time,
            account: self.account,
        }
    }

    /// Takes back an append that began at this mark and did not end, however far it came.
    pub fn abandon(&mut self, mark: BlockMark) {
        self.body.truncate(mark.body);
        self.groups.truncate(mark.groups);
        self.texts.truncate(mark.texts);
        self.sources.truncate(mark.sources);
        self.base_log_time = mark.base_log_time;
        self.account = mark.account;
    }

    /// Begins the rows of an account, with its name if the caller wants it kept here. Rows without
    /// such a call begin their account by themselves.
    pub fn begin_account(
        &mut self,
        account: AccountKey,
        name: Option<AccountName<'_>>,
    ) -> Result<(), BlockFull> {
        let longest =
            name.map_or(0, |name| name.organization.len() + name.subscription.map_or(0, str::len));
        let place = self.place_for(longest)?;
        self.groups.push((account, place));
        self.account = Some(account);
        let mut flags = GROUP;
        if let Some(name) = name {
            flags |= GROUP_NAMED;
            if name.subscription.is_some() {
                flags |= GROUP_SUBSCRIPTION;
            }
        }
        self.body.push(flags);
        self.body.extend_from_slice(&account.0.to_le_bytes());
        if let Some(name) = name {
            put_varint(&mut self.body, self.texts.number(name.organization) as u64);
            if let Some(subscription) = name.subscription {
                put_bytes(&mut self.body, subscription.as_bytes());
            }
        }
        Ok(())
    }

    /// Appends a row. Rows of one account that follow each other share one group.
    pub fn append(&mut self, row: &Row<'_>) -> Result<(), BlockFull> {
        let properties = row.properties.as_bytes();
        self.place_for(properties.len() + row.transaction.len() + row.code.len())?;
        if self.account != Some(row.account) {
            self.begin_account(row.account, None)?;
        }
        let packed = uuid::pack(row.transaction);
        let mut flags = match row.kind {
            RowKind::Accepted => KIND_ACCEPTED,
            RowKind::Replacement { .. } => KIND_REPLACEMENT,
        };
        for (flag, set) in [
            (ROW_UUID, packed.is_some()),
            (ROW_CENTS, row.precise_cents.is_some()),
            (ROW_INDEX, row.position.index != 0),
            (ROW_PROPERTIES, !properties.is_empty()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let (source, offset) = self.sources.number(row.position.source, row.position.offset);
        let code = self.texts.number(row.code);
        let log_time = row.position.log_time;
        let base = self.base_log_time.get_or_insert(log_time);
        let log_time_distance = log_time.0.wrapping_sub(base.0);
        let out = &mut self.body;
        out.push(flags);
        put_varint(out, code as u64);
        put_varint(out, source as u64);
        put_zigzag(out, offset);
        put_zigzag(out, log_time_distance);
        put_zigzag(out, row.timestamp.0.wrapping_sub(log_time.0));
        if row.position.index != 0 {
            put_varint(out, u64::from(row.position.index));
        }
        match packed {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => put_bytes(out, row.transaction.as_bytes()),
        }
        if let Some(cents) = &row.precise_cents {
            cents.write_bytes(out);
        }
        if !properties.is_empty() {
            put_bytes(out, properties);
        }
        if let RowKind::Replacement { retracted } = row.kind {
            write_position(out, retracted);
        }
        stumble(Stumble::Append, properties);
        // From here on the row is in the block: nothing before has changed what was there.
        self.sources.cover(source, row.position.offset);
        self.rows += 1;
        Ok(())
    }

    /// Reads the rows that are not sealed yet.
    pub fn reader(&self) -> BlockReader<'_> {
        BlockReader {
            slot: None,
            sequence: None,
            rows: self.rows,
            base_log_time: self.base_log_time.unwrap_or_default(),
            sources: self.sources.spans.clone(),
            texts: self.texts.iter().collect(),
            groups: Groups::Appended(&self.groups),
            body: &self.body,
        }
    }

    /// The block as it is stored; the writer is empty afterwards and keeps its memory.
    pub fn seal(&mut self, slot: u8, sequence: u64) -> Vec<u8> {
        self.groups.sort_unstable();
        let estimate = self.body.len() + self.groups.len() * 4 + self.texts.bytes.len();
        let mut out = Vec::with_capacity(estimate + estimate / 64 + ROW_FIXED_BYTES_MAX);
        out.push(FORMAT);
        out.extend([0; CHECKSUM_END - 1]);
        out.push(slot);
        put_varint(&mut out, sequence);
        put_varint(&mut out, self.rows);
        put_zigzag(&mut out, self.base_log_time.unwrap_or_default().0);
        put_varint(&mut out, self.sources.spans.len() as u64);
        for span in &self.sources.spans {
            out.extend(span.source.0.to_be_bytes());
            for value in
                [span.base, span.first.wrapping_sub(span.base), span.last.wrapping_sub(span.base)]
            {
                put_zigzag(&mut out, value);
            }
        }
        put_varint(&mut out, self.texts.ends.len() as u64);
        for text in self.texts.iter() {
            put_bytes(&mut out, text.as_bytes());
        }
        put_varint(&mut out, self.groups.len() as u64);
        for (_, place) in &self.groups {
            out.extend(place.to_le_bytes());
        }
        out.extend_from_slice(&self.body);
        let checksum = xxh3_64(&out[CHECKSUM_END..]);
        out[1..CHECKSUM_END].copy_from_slice(&checksum.to_le_bytes());
        self.reset();
        out
    }

    fn reset(&mut self) {
        self.body.clear();
        self.body.shrink_to(KEPT_BYTES_MAX);
        self.groups.clear();
        self.groups.shrink_to(KEPT_BYTES_MAX / size_of::<(AccountKey, u32)>());
        self.rows = 0;
        self.base_log_time = None;
        self.account = None;
        self.texts.clear();
        self.sources.clear();
    }

    /// Where the next bytes will stand, if so many still fit.
    fn place_for(&self, bytes: usize) -> Result<u32, BlockFull> {
        let held = self.body.len() + self.texts.bytes.len() + ROW_FIXED_BYTES_MAX;
        let end = held.saturating_add(bytes);
        if end > BLOCK_BYTES_MAX {
            return Err(BlockFull(self.body.len()));
        }
        u32::try_from(self.body.len()).map_err(|_| BlockFull(self.body.len()))
    }
}

/// Texts of a block, each once, numbered in the order in which they were met.
#[derive(Clone, Debug, Default)]
struct Texts {
    bytes: String,
    ends: Vec<usize>,
    numbers: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        let Self { bytes, ends, numbers, hasher } = self;
        let hash = hasher.hash_one(text);
        if let Some(number) = numbers.find(hash, |number| text_at(bytes, ends, *number) == text) {
            return *number;
        }
        let number = ends.len();
        bytes.push_str(text);
        ends.push(bytes.len());
        numbers
            .insert_unique(hash, number, |number| hasher.hash_one(text_at(bytes, ends, *number)));
        number
    }

    /// Forgets all but the first so many.
    fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.numbers.retain(|number| *number < count);
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|number| text_at(&self.bytes, &self.ends, number))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.ends.clear();
        self.ends.shrink_to(KEPT_BYTES_MAX / size_of::<usize>());
        self.numbers.clear();
        self.numbers.shrink_to(KEPT_BYTES_MAX / size_of::<usize>(), |_| 0);
    }
}

fn text_at<'a>(bytes: &'a str, ends: &[usize], number: usize) -> &'a str {
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[number]]
}

/// Partitions of a block with the offsets they cover.
#[derive(Clone, Debug, Default)]
struct Sources {
    spans: Vec<SourceSpan>,
    numbers: HashMap<Source, usize>,
    last: usize,
}

impl Sources {
    /// The number of a partition and the distance of an offset from its base.
    fn number(&mut self, source: Source, offset: i64) -> (usize, i64) {
        // Rows of one account often come from one partition, so the last one is asked first.
        if self.spans.get(self.last).is_none_or(|span| span.source != source) {
            let next = self.spans.len();
            self.last = *self.numbers.entry(source).or_insert(next);
            if self.last == next {
                self.spans.push(SourceSpan { source, base: offset, first: offset, last: offset });
            }
        }
        (self.last, offset.wrapping_sub(self.spans[self.last].base))
    }

    /// The partition of this number has a row at an offset.
    fn cover(&mut self, number: usize, offset: i64) {
        let span = &mut self.spans[number];
        span.first = span.first.min(offset);
        span.last = span.last.max(offset);
    }

    /// Forgets all but the first so many.
    fn truncate(&mut self, count: usize) {
        self.spans.truncate(count);
        self.numbers.retain(|_, number| *number < count);
        self.last = 0;
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.numbers.clear();
        self.last = 0;
    }
}
