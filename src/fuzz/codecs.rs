//! Bytes of the store, damaged: reading them is an error or gives what writes the same again.

use super::Target;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::store::account::{decode_account, encode_account};
use crate::store::codec::position::{read_position, write_position};
use crate::store::history::{RowSet, chunk, record};
use crate::store::{BlockReader, BlockWriter, Damage, Rejected, SlotHead, SourceHead};

/// Blocks of the tail and chunks of the history. Their checksum is made to fit, so that damage gets
/// past it.
pub(super) const BLOCKS: Target =
    Target { name: "blocks", run: run_block, seeds: block_seeds, words: &["\u{7f}", "\0\0\0\0"] };

/// The other records: the first byte says which.
pub(super) const RECORDS: Target =
    Target { name: "stored", run: run_stored, seeds: stored_seeds, words: &["\u{7f}", "\0\0\0\0"] };

/// Length of a block's format and checksum.
const CHECKSUM_END: usize = 9;

fn run_block(bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    read_block(&whole);
    if whole.len() > CHECKSUM_END {
        let checksum = xxhash_rust::xxh3::xxh3_64(&whole[CHECKSUM_END..]);
        whole[1..CHECKSUM_END].copy_from_slice(&checksum.to_le_bytes());
        read_block(&whole);
    }
    if let Ok((_, block)) = chunk::open(bytes) {
        let _ = chunk::read(block, AccountKey(7), &mut RowSet::default());
    }
}

/// Reads all that a block holds; rows that can be read are written and read once more.
fn read_block(bytes: &[u8]) {
    let Ok(reader) = BlockReader::open(bytes) else { return };
    let places = reader.places();
    let _ = (reader.names(), reader.contains(AccountKey(7)), reader.of(&[AccountKey(7)]).is_ok());
    for (_, place) in places.unwrap_or_default() {
        let _ = reader.name_at(place);
        let _ = reader.at(vec![place]).next_row().is_ok();
    }
    let mut writer = BlockWriter::new();
    let read = copy(&reader, &mut writer);
    if read.is_err() || writer.is_empty() {
        return;
    }
    let first = writer.seal(1, 2);
    let mut again = BlockWriter::new();
    let reread = BlockReader::open(&first).and_then(|reader| copy(&reader, &mut again));
    assert_eq!(reread, Ok(()), "what was written can be read");
    assert_eq!(again.seal(1, 2), first, "and says the same");
}

fn copy(reader: &BlockReader<'_>, writer: &mut BlockWriter) -> Result<(), Damage> {
    let mut rows = reader.all();
    while let Some(row) = rows.next_row()? {
        let _ = writer.append(&row);
    }
    Ok(())
}

fn position(offset: i64) -> Position {
    let source = Source::new(1, 2);
    Position { log_time: Instant(1_710_504_000_000_000 + offset), source, offset, index: 3 }
}

fn block_seeds() -> Vec<Vec<u8>> {
    let mut properties = PropertiesBuf::new();
    properties.push("region", Kind::Text, "eu");
    properties.push("value", Kind::Number, "1.50");
    let mut writer = BlockWriter::new();
    let name = AccountName { organization: "org", subscription: Some("sub") };
    for (account, transaction) in
        [(7, "t1"), (7, "0190b5a2-3c55-7b3f-8a6e-1d2c3b4a5f60"), (9, "t2"), (7, "t3")]
    {
        let account = AccountKey(account);
        let _ = writer.begin_account(account, Some(name));
        let retracted = position(90);
        for kind in [RowKind::Accepted, RowKind::Replacement { retracted }] {
            let _ = writer.append(&Row {
                kind,
                account,
                position: position(5),
                transaction,
                code: "calls",
                timestamp: Instant(1_710_000_000_000_000),
                precise_cents: crate::core::decimal::Decimal::parse_numeric("12.5"),
                properties: properties.as_ref(),
            });
        }
    }
    let block = writer.seal(3, 9);
    let mut chunked = vec![1, 0];
    chunked.extend_from_slice(&block);
    vec![block, chunked]
}

fn run_stored(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 5 {
        0 => same(bytes, |bytes| decode_account(bytes).ok(), encode_account),
        1 => same(bytes, |bytes| SlotHead::from_bytes(bytes).ok(), SlotHead::to_bytes),
        2 => same(bytes, |bytes| record::Record::from_bytes(bytes).ok(), record::Record::to_bytes),
        3 => same(bytes, |bytes| Rejected::from_bytes(bytes).ok(), Rejected::to_bytes),
        _ => same(
            bytes,
            |bytes| read_position(bytes).ok(),
            |position| {
                let mut out = Vec::new();
                write_position(&mut out, *position);
                out
            },
        ),
    }
}

/// What can be read is written, and read again as the same bytes.
fn same<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>, write: impl Fn(&T) -> Vec<u8>) {
    let Some(value) = read(bytes) else { return };
    let written = write(&value);
    let again = read(&written).map(|again| write(&again));
    assert_eq!(
        again.as_deref(),
        Some(&written[..]),
        "what was written can be read, and says the same"
    );
}

fn stored_seeds() -> Vec<Vec<u8>> {
    let tagged = |tag: u8, bytes: Vec<u8>| [vec![tag], bytes].concat();
    let source = SourceHead { source: Source::new(1, 2), next_offset: 7, log_time: Instant(8) };
    let head = SlotHead {
        next_sequence: 4,
        catalog_version: 5,
        digest: u128::MAX / 3,
        sources: vec![source],
        counters: vec![1, 2, 3, 4, 5],
    };
    let kept = record::KeptName { organization: "org".to_owned(), subscription: None };
    let id = chunk::ChunkId { first: Instant(-5), generation: 3, number: 2 };
    let history = record::Record {
        name: Some(kept),
        void: [position(1), position(2)].into(),
        partial: vec![record::Partial { id, bytes: 900 }],
    };
    let rejected = Rejected {
        source: "events_raw-0".to_owned(),
        offset: 5,
        index: 1,
        reason: "not_json".to_owned(),
        detail: "detail".to_owned(),
        log_time: Instant(7),
        bytes: b"{".to_vec(),
        replayed: None,
    };
    let mut at = Vec::new();
    write_position(&mut at, position(4));
    vec![
        tagged(1, head.to_bytes()),
        tagged(2, history.to_bytes()),
        tagged(3, rejected.to_bytes()),
        tagged(4, at),
    ]
}
