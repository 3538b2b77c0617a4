//! Something kept of every value.

use hashbrown::HashMap;

use super::bytes::{put_varint, take_count};
use super::key::ValueKey;

/// Bytes of a packed key.
const KEY_BYTES: usize = 16;

/// Something of every value, by the value's hash.
pub type Values<T> = HashMap<ValueKey, T>;

/// Bytes in memory, roughly: what is kept, its key, and a byte to find them.
pub fn weight<T>(values: &Values<T>) -> usize {
    values.capacity().saturating_mul(size_of::<(ValueKey, T)>() + 1)
}

/// Appends the packed form, values in order of their keys.
pub fn put_values<T>(out: &mut Vec<u8>, values: &Values<T>, put: impl Fn(&mut Vec<u8>, &T)) {
    let mut sorted: Vec<(&ValueKey, &T)> = values.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| **key);
    put_varint(out, sorted.len() as u64);
    for (key, own) in sorted {
        put_key(out, *key);
        put(out, own);
    }
}

/// Reads what [`put_values`] wrote, where each takes at least `least` bytes besides its key.
pub fn take_values<T>(
    bytes: &mut &[u8],
    least: usize,
    take: impl Fn(&mut &[u8]) -> Option<T>,
) -> Option<Values<T>> {
    let count = take_count(bytes, KEY_BYTES + least)?;
    let mut values = Values::with_capacity(count);
    for _ in 0..count {
        let key = take_key(bytes)?;
        values.insert(key, take(bytes)?);
    }
    (values.len() == count).then_some(values)
}

/// Appends a key.
pub fn put_key(out: &mut Vec<u8>, key: ValueKey) {
    out.extend(key.0.to_le_bytes());
    out.extend(key.1.to_le_bytes());
}

/// Reads a key.
pub fn take_key(bytes: &mut &[u8]) -> Option<ValueKey> {
    Some(ValueKey(take_word(bytes)?, take_word(bytes)?))
}

fn take_word(bytes: &mut &[u8]) -> Option<u64> {
    let (word, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*word))
}
