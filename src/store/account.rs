//! The saved totals of one account.
//!
//! Layout, format 4: version u8 | organisation text | subscription: 0, or 1 and text | rows varint
//! | digest of the events u128 little endian | rules digest: 0, or 1 and u64 little endian |
//! uncached stretch: 0, or 1, from and to zigzag
//! | set aside: events varint, bytes varint | number of windows varint, each: from and to zigzag,
//! days zigzag, number of cells varint, each: charge varint, bucket varint (0 default, else filter
//! + 1), content in the form of the core.
//!
//! Windows that are being scanned are left out and count as not kept. Format 3 lacks the rows of
//! prorated graduated unique counts, of which it keeps nothing, and format 2 the saved prefixes of
//! contents: both are read as they are. Of format 1, which is the same up to the windows,
//! no window is taken: they come back by a scan.

use super::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};
use crate::core::aggregate::kept::Content;
use crate::core::instant::Instant;
use crate::core::matching::Bucket;
use crate::core::period::Window;
use crate::engine::account::{Account, Stretch};
use crate::engine::digest::Digest;
use crate::engine::frame::Spell;
use crate::engine::ledger::AccountName;
use crate::engine::totals::{Cell, Cells};
use crate::engine::window::WindowTotals;

const FORMAT: u8 = 4;
/// The first format whose windows are read.
const FORMAT_OF_WINDOWS: u8 = 2;
const WHAT: &str = "saved account";

/// The bytes of an account.
pub fn encode_account(account: &Account) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_bytes(&mut out, account.organization.as_bytes());
    put_option(&mut out, account.subscription.as_deref(), |out, id| put_bytes(out, id.as_bytes()));
    put_varint(&mut out, account.rows);
    out.extend(account.state.0.to_le_bytes());
    put_option(&mut out, account.folded_under, |out, digest| out.extend(digest.to_le_bytes()));
    let mut uncached = account.uncached;
    for open in account.windows.iter().filter(|kept| kept.building.is_some()) {
        uncached = Stretch::extended(uncached, open.floor(), open.window().to);
    }
    put_option(&mut out, uncached, |out, stretch| {
        put_zigzag(out, stretch.from.micros());
        put_zigzag(out, stretch.to.micros());
    });
    put_varint(&mut out, account.aside.0);
    put_varint(&mut out, account.aside.1);
    let complete = || account.windows.iter().filter(|kept| kept.building.is_none());
    put_varint(&mut out, complete().count() as u64);
    complete().for_each(|kept| put_window(&mut out, kept));
    out
}

fn put_window(out: &mut Vec<u8>, kept: &WindowTotals) {
    let Spell { window, days } = kept.spell;
    put_zigzag(out, window.from.micros());
    put_zigzag(out, window.to.micros());
    put_zigzag(out, days);
    put_varint(out, kept.cells.0.len() as u64);
    for Cell { charge, bucket, content } in &kept.cells.0 {
        put_varint(out, u64::from(*charge));
        let bucket = match bucket {
            Bucket::Default => 0,
            Bucket::Filter(index) => *index as u64 + 1,
        };
        put_varint(out, bucket);
        content.write_bytes(out);
    }
}

/// Reads whose account it is.
pub fn read_name(bytes: &[u8]) -> Result<AccountName<'_>, Damage> {
    take_name(&mut Input(bytes)).map(|(_, name)| name)
}

fn take_name<'a>(input: &mut Input<'a>) -> Result<(u8, AccountName<'a>), Damage> {
    let version = input.version(FORMAT, WHAT)?;
    let organization = input.text(WHAT)?;
    let subscription = take_option(input, |input| input.text(WHAT))?;
    Ok((version, AccountName { organization, subscription }))
}

/// Reads an account back. Its rules are not in it: they are looked for when it is touched.
pub fn decode_account(bytes: &[u8]) -> Result<Account, Damage> {
    let mut input = Input(bytes);
    let (version, name) = take_name(&mut input)?;
    let mut account = Account::new(name);
    account.rows = input.varint(WHAT)?;
    account.state = Digest(u128::from_le_bytes(input.array(WHAT)?));
    account.folded_under =
        take_option(&mut input, |input| Ok(u64::from_le_bytes(input.array(WHAT)?)))?;
    account.uncached = take_option(&mut input, |input| {
        Ok(Stretch { from: Instant(input.zigzag(WHAT)?), to: Instant(input.zigzag(WHAT)?) })
    })?;
    account.aside = (input.varint(WHAT)?, input.varint(WHAT)?);
    if version < FORMAT_OF_WINDOWS {
        account.uncached = (account.rows > 0).then_some(Stretch::ALWAYS);
        return Ok(account);
    }
    for _ in 0..input.count(WHAT)? {
        account.windows.push(take_window(&mut input)?);
    }
    input.end(WHAT)?;
    Ok(account)
}

fn take_window(input: &mut Input<'_>) -> Result<WindowTotals, Damage> {
    let window = Window { from: Instant(input.zigzag(WHAT)?), to: Instant(input.zigzag(WHAT)?) };
    let spell = Spell { window, days: input.zigzag(WHAT)? };
    let mut cells = Cells::default();
    for _ in 0..input.count(WHAT)? {
        cells.0.push(take_cell(input)?);
    }
    Ok(WindowTotals::of(spell, cells))
}

fn take_cell(input: &mut Input<'_>) -> Result<Cell, Damage> {
    let charge = u16::try_from(input.varint(WHAT)?).map_err(|_| Damage::Unreadable(WHAT))?;
    let bucket = match input.count(WHAT)? {
        0 => Bucket::Default,
        filter => Bucket::Filter(filter - 1),
    };
    let content = Content::read_bytes(&mut input.0).ok_or(Damage::Unreadable(WHAT))?;
    Ok(Cell { charge, bucket, content })
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn take_option<'a, T>(
    input: &mut Input<'a>,
    take: impl FnOnce(&mut Input<'a>) -> Result<T, Damage>,
) -> Result<Option<T>, Damage> {
    match input.byte(WHAT)? {
        0 => Ok(None),
        1 => take(input).map(Some),
        _ => Err(Damage::Unreadable(WHAT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::aggregate::Frame;
    use crate::core::aggregate::kept::{Caps, Recipe, SetKey, Span};
    use crate::core::catalog::{Aggregation, fixtures};
    use crate::core::event::Usage;
    use crate::core::period::Zone;
    use crate::core::position::Position;
    use crate::core::properties::{Kind, PropertiesBuf};

    /// The content of a sum that is split by region, or is not, after two events.
    fn content(split: bool, groups_max: usize) -> Content {
        let metric = fixtures::metric(1, "bytes", Aggregation::Sum);
        let model = fixtures::free();
        let charge = fixtures::charge(1, 1, model.clone());
        let keys = if split { vec!["region".to_owned()] } else { Vec::new() };
        let recipe = Recipe::new(&metric, &charge, &model, keys, &[]);
        let frame = Frame { from: Instant(0), to: Instant(1000), days: 30, zone: &Zone::UTC };
        let span = Span { frame, stretches: &[] };
        let mut content = Content::new(&recipe);
        for (offset, region) in [(0, "eu"), (1, "us")] {
            let mut properties = PropertiesBuf::new();
            properties.push("value", Kind::Number, "2.50");
            properties.push("region", Kind::Text, region);
            let usage = Usage {
                timestamp: Instant(5),
                position: Position { offset, ..Position::default() },
                transaction: "",
                properties: properties.as_ref(),
                precise_cents: None,
            };
            let caps = Caps { groups_max, ..Caps::NONE };
            content.add(&recipe, &span, caps, &SetKey::new([1; 16]), &usage);
        }
        content
    }

    fn account() -> Account {
        let name = AccountName { organization: "org", subscription: Some("sub") };
        let mut account = Account::new(name);
        account.rows = 300;
        account.state = Digest(u128::MAX / 3);
        account.folded_under = Some(u64::MAX - 1);
        account.uncached = Some(Stretch { from: Instant::MIN, to: Instant(-5) });
        account.aside = (2, 700);
        let cell = |charge, bucket, content| Cell { charge, bucket, content };
        let cells = Cells(vec![
            cell(0, Bucket::Filter(1), content(false, 9)),
            cell(0, Bucket::Default, content(true, 9)),
            cell(7, Bucket::Default, content(true, 1)),
        ]);
        assert!(cells.0[2].content.over_cap());
        let window = Window { from: Instant(-3), to: Instant(i64::MAX) };
        account.windows = vec![WindowTotals::of(Spell { window, days: 31 }, cells)];
        account
    }

    #[test]
    fn of_an_older_format_the_windows_come_back_by_a_scan() {
        let mut older = account();
        older.windows.clear();
        let mut bytes = encode_account(&older);
        bytes[0] = 1;
        // Windows of format 1 follow, which nobody reads.
        bytes.extend([1, 2, 3]);
        let read = decode_account(&bytes).unwrap();
        assert_eq!((read.rows, read.state), (older.rows, older.state));
        assert_eq!(read.uncached, Some(Stretch::ALWAYS));
    }

    #[test]
    fn windows_without_saved_prefixes_are_read_as_they_are() {
        let saved = account();
        let mut bytes = encode_account(&saved);
        bytes[0] = FORMAT_OF_WINDOWS;
        assert_eq!(decode_account(&bytes).unwrap().windows, saved.windows);
    }

    #[test]
    fn an_account_comes_back_as_it_was_saved() {
        let saved = account();
        let read = decode_account(&encode_account(&saved)).unwrap();
        assert_eq!(read.name(), saved.name());
        assert_eq!(read_name(&encode_account(&saved)).unwrap(), saved.name());
        assert_eq!(read.windows, saved.windows);
        assert_eq!(
            (read.rows, read.state, read.folded_under, read.uncached, read.aside),
            (saved.rows, saved.state, saved.folded_under, saved.uncached, saved.aside)
        );
    }

    #[test]
    fn a_window_that_is_being_scanned_is_saved_as_not_kept() {
        let mut saved = account();
        saved.windows[0].building = Some(Box::default());
        let read = decode_account(&encode_account(&saved)).unwrap();
        assert_eq!(read.windows, []);
        assert_eq!(read.uncached, Some(Stretch { from: Instant::MIN, to: Instant(i64::MAX) }));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        let bytes = encode_account(&account());
        for cut in 0..bytes.len() {
            assert!(decode_account(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x41;
            let _ = decode_account(&flipped);
        }
    }
}
