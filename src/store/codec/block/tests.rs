use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::planted::Stumble;
use crate::core::position::{Position, Source};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::engine::isolate::isolated;
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::store::codec::Damage;

use super::*;

/// A row that owns its parts.
#[derive(Clone, Debug)]
struct Given {
    account: u128,
    position: Position,
    retracted: Option<Position>,
    transaction: String,
    code: String,
    timestamp: i64,
    cents: Option<i64>,
    properties: PropertiesBuf,
}

impl Given {
    fn row(&self) -> Row<'_> {
        Row {
            kind: match self.retracted {
                Some(retracted) => RowKind::Replacement { retracted },
                None => RowKind::Accepted,
            },
            account: AccountKey(self.account),
            position: self.position,
            transaction: &self.transaction,
            code: &self.code,
            timestamp: Instant(self.timestamp),
            precise_cents: self.cents.map(Decimal::from),
            properties: self.properties.as_ref(),
        }
    }
}

fn positions() -> impl Strategy<Value = Position> {
    let source = prop_oneof![0_u32..4, any::<u32>()];
    let index = prop_oneof![Just(0), any::<u32>()];
    (any::<i64>(), source, any::<i64>(), index).prop_map(|(log_time, source, offset, index)| {
        Position { log_time: Instant(log_time), source: Source(source), offset, index }
    })
}

fn givens() -> impl Strategy<Value = Given> {
    let account = prop_oneof![0_u128..6, any::<u128>()];
    let transaction = prop_oneof![
        any::<u128>().prop_map(|bits| ::uuid::Uuid::from_u128(bits).to_string()),
        any::<String>(),
    ];
    let properties = prop::collection::vec(any::<(String, String)>(), 0..3);
    (
        (account, positions(), prop::option::of(positions()), transaction),
        (
            prop::sample::select(vec!["", "a", "b", "code"]),
            any::<i64>(),
            prop::option::of(any::<i64>()),
            properties,
        ),
    )
        .prop_map(|((account, position, retracted, transaction), rest)| {
            let (code, timestamp, cents, pairs) = rest;
            let code = code.to_owned();
            let mut properties = PropertiesBuf::new();
            for (key, text) in pairs {
                properties.set(&key, Kind::Text, &text);
            }
            Given { account, position, retracted, transaction, code, timestamp, cents, properties }
        })
}

fn written(given: &[Given]) -> BlockWriter {
    let mut writer = BlockWriter::new();
    for row in given {
        writer.append(&row.row()).unwrap();
    }
    writer
}

#[track_caller]
fn assert_rows(mut rows: Rows<'_, '_>, expected: &[&Given]) {
    for given in expected {
        assert_eq!(rows.next_row(), Ok(Some(given.row())));
    }
    assert_eq!(rows.next_row(), Ok(None));
}

fn assert_block(reader: &BlockReader<'_>, given: &[Given], account: u128) {
    assert_eq!(reader.rows(), given.len() as u64);
    assert_rows(reader.all(), &given.iter().collect::<Vec<_>>());
    let wanted: Vec<_> = given.iter().filter(|row| row.account == account).collect();
    assert_eq!(reader.contains(AccountKey(account)), Ok(!wanted.is_empty()));
    let twice = [AccountKey(account), AccountKey(account)];
    assert_rows(reader.of(&twice).unwrap(), &wanted);
    for span in reader.sources() {
        let offsets = given
            .iter()
            .filter(|row| row.position.source == span.source)
            .map(|row| row.position.offset);
        assert_eq!(offsets.clone().min(), Some(span.first));
        assert_eq!(offsets.max(), Some(span.last));
    }
}

/// Reads everything a block offers; what comes does not matter, only that nothing panics.
fn read_all(bytes: &[u8]) -> Result<(), Damage> {
    let block = BlockReader::open(bytes)?;
    let mut rows = block.all();
    let walked = loop {
        match rows.next_row() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(damage) => break Err(damage),
        }
    };
    let _ = block.names();
    if let Ok(mut rows) = block.of(&[AccountKey(1), AccountKey(3)]) {
        while let Ok(Some(_)) = rows.next_row() {}
    }
    walked
}

proptest! {
    #[test]
    fn rows_come_back_open_and_sealed(
        given in prop::collection::vec(givens(), 0..40),
        slot: u8,
        sequence: u64,
        account in 0_u128..6,
    ) {
        let mut writer = written(&given);
        assert_block(&writer.reader(), &given, account);
        let bytes = writer.seal(slot, sequence);
        let reader = BlockReader::open(&bytes).unwrap();
        prop_assert_eq!((reader.slot(), reader.sequence()), (Some(slot), Some(sequence)));
        assert_block(&reader, &given, account);

        // A writer that was sealed starts from nothing.
        prop_assert!(writer.is_empty());
        for row in &given {
            writer.append(&row.row()).unwrap();
        }
        prop_assert_eq!(writer.seal(slot, sequence), bytes);
    }

    /// Wherever in the block it comes, and whether or not it would have begun its account.
    #[test]
    fn a_row_that_panics_leaves_no_byte_behind(
        given in prop::collection::vec((givens(), any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut writer = BlockWriter::new();
        let mut without = BlockWriter::new();
        for (row, panics, is_named) in given {
            let subscription = Some(row.transaction.as_str());
            let name = AccountName { organization: &row.code, subscription };
            let name = is_named.then_some(name);
            let append = |writer: &mut BlockWriter, row: &Given| {
                if name.is_some() {
                    writer.begin_account(AccountKey(row.account), name).unwrap();
                }
                writer.append(&row.row()).unwrap();
            };
            if panics {
                let mut row = row.clone();
                row.properties.push("poison", Kind::Text, Stumble::Append.mark());
                let mark = writer.mark();
                prop_assert!(isolated(|| append(&mut writer, &row)).is_err());
                writer.abandon(mark);
            } else {
                append(&mut writer, &row);
                append(&mut without, &row);
            }
        }
        prop_assert_eq!(writer.rows(), without.rows());
        prop_assert_eq!(writer.seal(1, 2), without.seal(1, 2));
    }

    #[test]
    fn a_flipped_byte_is_found(
        given in prop::collection::vec(givens(), 1..10),
        place: prop::sample::Index,
        change in 1_u8..,
    ) {
        let mut bytes = written(&given).seal(1, 2);
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(read_all(&bytes).is_err());
        prop_assert!(read_all(&bytes[..place]).is_err());
    }

    #[test]
    fn damage_behind_a_right_checksum_does_not_panic(
        given in prop::collection::vec(givens(), 1..10),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(&given).seal(1, 2);
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let checksum = xxh3_64(&bytes[CHECKSUM_END..]).to_le_bytes();
        bytes[1..CHECKSUM_END].copy_from_slice(&checksum);
        let _ = read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = read_all(&bytes);
    }
}

fn given(account: u128, offset: i64) -> Given {
    Given {
        account,
        position: Position {
            log_time: Instant(1_750_000_000_000_000),
            source: Source::new(0x8000, 3),
            offset,
            index: 0,
        },
        retracted: None,
        transaction: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        code: "api_calls".to_owned(),
        timestamp: 1_750_000_000_000_000,
        cents: None,
        properties: PropertiesBuf::new(),
    }
}

#[test]
fn names_are_found_without_reading_rows() {
    let mut writer = BlockWriter::new();
    let named = AccountName { organization: "org", subscription: Some("sub") };
    let nobody = AccountName { organization: "org", subscription: None };
    writer.begin_account(AccountKey(2), Some(named)).unwrap();
    writer.append(&given(2, 1).row()).unwrap();
    writer.append(&given(9, 2).row()).unwrap();
    writer.begin_account(AccountKey(1), Some(nobody)).unwrap();
    writer.append(&given(1, 3).row()).unwrap();
    let open = vec![(AccountKey(2), named), (AccountKey(1), nobody)];
    assert_eq!(writer.reader().names(), Ok(open));
    let bytes = writer.seal(0, 0);
    let sealed = vec![(AccountKey(1), nobody), (AccountKey(2), named)];
    assert_eq!(BlockReader::open(&bytes).unwrap().names(), Ok(sealed));
}

#[test]
fn a_usual_row_is_short() {
    let rows: Vec<_> = (0..1000).map(|offset| given(1, offset)).collect();
    let bytes = written(&rows).seal(0, 0);
    assert!(bytes.len() < 1000 * 26, "{} bytes", bytes.len());
}

#[test]
fn a_block_from_the_future_is_refused() {
    let mut bytes = written(&[given(1, 1)]).seal(0, 0);
    bytes[0] = FORMAT + 1;
    let newer = Damage::Newer { what: "tail block", found: FORMAT + 1, known: FORMAT };
    assert_eq!(BlockReader::open(&bytes).err(), Some(newer));
}

#[test]
fn a_full_block_takes_no_more() {
    let mut properties = PropertiesBuf::new();
    properties.push("k", Kind::Text, &"x".repeat(BLOCK_BYTES_MAX / 8));
    let row = Given { properties, ..given(1, 1) };
    let mut writer = BlockWriter::new();
    let full = std::iter::repeat_with(|| writer.append(&row.row())).find_map(Result::err);
    assert_eq!(full, Some(BlockFull(writer.body_bytes())));
    assert_eq!(writer.rows(), 7);
    assert_eq!(BlockReader::open(&writer.seal(0, 0)).unwrap().rows(), 7);
}
