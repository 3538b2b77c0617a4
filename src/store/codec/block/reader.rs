//! Reads the rows of a block, sealed or open, all of them or those of some accounts.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::core::properties::Properties;
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::store::codec::position::take_position;
use crate::store::codec::{Damage, Input};

use super::{
    CHECKSUM_END, FORMAT, GROUP, GROUP_NAMED, GROUP_SUBSCRIPTION, KIND_ACCEPTED, KIND_REPLACEMENT,
    ROW_CENTS, ROW_INDEX, ROW_KIND, ROW_PROPERTIES, ROW_UUID, SourceSpan, uuid,
};

const BLOCK: &str = "tail block";
const HEADER: &str = "tail block header";
const PLACE: &str = "tail block group place";
const GROUP_HEAD: &str = "tail block group";

/// A block whose header has been read.
#[derive(Debug)]
pub struct BlockReader<'a> {
    pub(super) slot: Option<u8>,
    pub(super) sequence: Option<u64>,
    pub(super) rows: u64,
    pub(super) base_log_time: Instant,
    pub(super) sources: Vec<SourceSpan>,
    pub(super) texts: Vec<&'a str>,
    pub(super) groups: Groups<'a>,
    pub(super) body: &'a [u8],
}

/// Where the groups of a block are.
#[derive(Debug)]
pub(super) enum Groups<'a> {
    /// Places as they are stored: by account.
    Sealed(&'a [[u8; 4]]),
    /// Accounts and places of an open block, in the order of arrival.
    Appended(&'a [(AccountKey, u32)]),
}

impl<'a> BlockReader<'a> {
    /// Reads the header of a sealed block and checks all its bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(FORMAT, BLOCK)?;
        let checksum = u64::from_le_bytes(input.array(BLOCK)?);
        if xxh3_64(&bytes[CHECKSUM_END..]) != checksum {
            return Err(Damage::Checksum(BLOCK));
        }
        let slot = Some(input.byte(HEADER)?);
        let sequence = Some(input.varint(HEADER)?);
        let rows = input.varint(HEADER)?;
        let base_log_time = Instant(input.zigzag(HEADER)?);
        let mut sources = Vec::new();
        for _ in 0..input.count(HEADER)? {
            let source = Source(u32::from_be_bytes(input.array(HEADER)?));
            let base = input.zigzag(HEADER)?;
            let first = base.wrapping_add(input.zigzag(HEADER)?);
            let last = base.wrapping_add(input.zigzag(HEADER)?);
            sources.push(SourceSpan { source, base, first, last });
        }
        let mut texts = Vec::new();
        for _ in 0..input.count(HEADER)? {
            texts.push(input.text(HEADER)?);
        }
        let groups = input.count(HEADER)?;
        let bytes = groups.checked_mul(4).ok_or(Damage::Unreadable(HEADER))?;
        let (places, _) = input.take(bytes, HEADER)?.as_chunks();
        let groups = Groups::Sealed(places);
        Ok(Self { slot, sequence, rows, base_log_time, sources, texts, groups, body: input.0 })
    }

    /// The slot the block belongs to; none while it is open.
    pub fn slot(&self) -> Option<u8> {
        self.slot
    }

    /// The block's number in its slot; none while it is open.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The offsets that the rows cover, by partition.
    pub fn sources(&self) -> &[SourceSpan] {
        &self.sources
    }

    /// Every row, in the order in which they were appended.
    pub fn all(&self) -> Rows<'_, 'a> {
        Rows::new(self, None)
    }

    /// The rows of some accounts, each account's in the order in which they were appended.
    pub fn of(&self, accounts: &[AccountKey]) -> Result<Rows<'_, 'a>, Damage> {
        let mut places = Vec::new();
        match &self.groups {
            Groups::Sealed(stored) => {
                for account in accounts {
                    let start = self.first_group(stored, *account)?;
                    for place in &stored[start..] {
                        if self.account_at(*place)? != *account {
                            break;
                        }
                        places.push(u32::from_le_bytes(*place));
                    }
                }
            }
            Groups::Appended(groups) => {
                let wanted = groups.iter().filter(|(account, _)| accounts.contains(account));
                places.extend(wanted.map(|(_, place)| *place));
            }
        }
        // Sorted from the last to the first, since the walk takes them from the end; an account
        // that was asked for twice is read once.
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        Ok(Rows::new(self, Some(places)))
    }

    /// The accounts of a sealed block with the places of their groups, ordered by both.
    pub fn places(&self) -> Result<Vec<(AccountKey, u32)>, Damage> {
        match &self.groups {
            Groups::Sealed(stored) => stored
                .iter()
                .map(|place| Ok((self.account_at(*place)?, u32::from_le_bytes(*place))))
                .collect(),
            Groups::Appended(groups) => Ok(groups.to_vec()),
        }
    }

    /// The rows of the groups at these places, which are given from the last to the first.
    pub fn at(&self, places: Vec<u32>) -> Rows<'_, 'a> {
        Rows::new(self, Some(places))
    }

    /// The name that was written with the group at a place.
    pub fn name_at(&self, place: u32) -> Result<Option<AccountName<'a>>, Damage> {
        Ok(self.group_head(&mut self.input_at(place)?)?.1)
    }

    /// Whether the block has a row of this account.
    pub fn contains(&self, account: AccountKey) -> Result<bool, Damage> {
        match &self.groups {
            Groups::Sealed(stored) => {
                let start = self.first_group(stored, account)?;
                let found = stored.get(start).map(|place| self.account_at(*place)).transpose()?;
                Ok(found == Some(account))
            }
            Groups::Appended(groups) => Ok(groups.iter().any(|(key, _)| *key == account)),
        }
    }

    /// The names that were written with accounts of this block.
    pub fn names(&self) -> Result<Vec<(AccountKey, AccountName<'a>)>, Damage> {
        let mut names = Vec::new();
        let mut visit = |place: u32| -> Result<(), Damage> {
            let mut input = self.input_at(place)?;
            if let (account, Some(name)) = self.group_head(&mut input)? {
                names.push((account, name));
            }
            Ok(())
        };
        match &self.groups {
            Groups::Sealed(stored) => {
                stored.iter().try_for_each(|place| visit(u32::from_le_bytes(*place)))?;
            }
            Groups::Appended(groups) => groups.iter().try_for_each(|(_, place)| visit(*place))?,
        }
        Ok(names)
    }

    /// The first stored group whose account is not smaller.
    fn first_group(&self, stored: &[[u8; 4]], account: AccountKey) -> Result<usize, Damage> {
        let (mut low, mut high) = (0, stored.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.account_at(stored[middle])?.cmp(&account) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        Ok(low)
    }

    fn account_at(&self, place: [u8; 4]) -> Result<AccountKey, Damage> {
        let mut input = self.input_at(u32::from_le_bytes(place))?;
        input.byte(GROUP_HEAD)?;
        Ok(AccountKey(u128::from_le_bytes(input.array(GROUP_HEAD)?)))
    }

    fn input_at(&self, place: u32) -> Result<Input<'a>, Damage> {
        let body = self.body.get(place as usize..).ok_or(Damage::Unreadable(PLACE))?;
        Ok(Input(body))
    }

    fn text(&self, number: usize, what: &'static str) -> Result<&'a str, Damage> {
        self.texts.get(number).copied().ok_or(Damage::Unreadable(what))
    }

    fn group_head(
        &self,
        input: &mut Input<'a>,
    ) -> Result<(AccountKey, Option<AccountName<'a>>), Damage> {
        let flags = input.byte(GROUP_HEAD)?;
        if flags & !(GROUP_NAMED | GROUP_SUBSCRIPTION) != GROUP {
            return Err(Damage::Unreadable(GROUP_HEAD));
        }
        let account = AccountKey(u128::from_le_bytes(input.array(GROUP_HEAD)?));
        if flags & GROUP_NAMED == 0 {
            return Ok((account, None));
        }
        let organization = self.text(input.count(GROUP_HEAD)?, GROUP_HEAD)?;
        let subscription = if flags & GROUP_SUBSCRIPTION == 0 {
            None
        } else {
            Some(input.text("external subscription id")?)
        };
        Ok((account, Some(AccountName { organization, subscription })))
    }
}

/// A walk over rows. Each row borrows from the walk, since packed ids are unpacked into it.
#[derive(Debug)]
pub struct Rows<'r, 'a> {
    block: &'r BlockReader<'a>,
    /// Places of the wanted groups, the next one last; none for all groups.
    places: Option<Vec<u32>>,
    input: Input<'a>,
    account: AccountKey,
    uuid: [u8; uuid::TEXT_BYTES],
}

impl<'r, 'a> Rows<'r, 'a> {
    fn new(block: &'r BlockReader<'a>, places: Option<Vec<u32>>) -> Self {
        let input = Input(if places.is_none() { block.body } else { &[] });
        let uuid = [0; uuid::TEXT_BYTES];
        Self { block, places, input, account: AccountKey::default(), uuid }
    }

    /// The next row, or none at the end.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Damage> {
        while self.input.0.first().is_none_or(|byte| byte & GROUP != 0) {
            if let Some(places) = &mut self.places {
                let Some(place) = places.pop() else { return Ok(None) };
                self.input = self.block.input_at(place)?;
            } else if self.input.0.is_empty() {
                return Ok(None);
            }
            self.account = self.block.group_head(&mut self.input)?.0;
        }
        self.row().map(Some)
    }

    fn row(&mut self) -> Result<Row<'_>, Damage> {
        let Self { block, input, account, uuid, .. } = self;
        let flags = input.byte("row flags")?;
        let code = block.text(input.count("row code")?, "row code")?;
        let source = input.count("row source")?;
        let span = block.sources.get(source).ok_or(Damage::Unreadable("row source"))?;
        let offset = span.base.wrapping_add(input.zigzag("row offset")?);
        let log_time = block.base_log_time.0.wrapping_add(input.zigzag("row log time")?);
        let timestamp = log_time.wrapping_add(input.zigzag("row timestamp")?);
        let index = if flags & ROW_INDEX == 0 { 0 } else { input.varint32("row index")? };
        let transaction = if flags & ROW_UUID == 0 {
            input.text("row transaction")?
        } else {
            uuid::unpack(input.array("row transaction")?, uuid);
            std::str::from_utf8(uuid).map_err(|_| Damage::Unreadable("row transaction"))?
        };
        let precise_cents = if flags & ROW_CENTS == 0 {
            None
        } else {
            Some(Decimal::read_bytes(&mut input.0).ok_or(Damage::Unreadable("row cents"))?)
        };
        let properties = if flags & ROW_PROPERTIES == 0 {
            Properties::EMPTY
        } else {
            Properties::from_bytes(input.bytes("row properties")?)
        };
        let kind = match flags & ROW_KIND {
            KIND_ACCEPTED => RowKind::Accepted,
            KIND_REPLACEMENT => RowKind::Replacement { retracted: take_position(input)? },
            _ => return Err(Damage::Unreadable("row kind")),
        };
        Ok(Row {
            kind,
            account: *account,
            position: Position { log_time: Instant(log_time), source: span.source, offset, index },
            transaction,
            code,
            timestamp: Instant(timestamp),
            precise_cents,
            properties,
        })
    }
}
