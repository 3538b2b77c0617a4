//! Bytes of a record into events, or into the reason why not (specification 4.8).
//!
//! One pass over the bytes, borrowing from them: texts without escapes and numbers without exponent
//! are taken where they stand; what must be rewritten goes into memory that the decoder keeps.
//!
//! A record is one event object, or a list of them. A record that is no JSON, too large, too deep
//! or too long a list is rejected as a whole, with one rejection at index 0. In a list an item that
//! is no acceptable event is rejected with its own index while the others are taken; an empty list
//! holds no event and nothing to reject.
//!
//! Choices the specification leaves open:
//!
//! - Of members with equal names the last one counts, in the record and in its properties.
//! - A list or an object given for an identifier, and the character NUL in one, is `invalid_format`
//!   of that field; NUL anywhere in the properties is so of `properties`. PostgreSQL's texts cannot
//!   hold it. A NUL in a member that is ignored does no harm.
//! - Half a surrogate pair is no JSON.
//! - Identifiers longer than [`IDENTIFIER_BYTES_MAX`], numbers longer than
//!   [`number::SIDE_DIGITS_MAX`] and properties whose canonical form outgrows the record by far are
//!   `value_is_out_of_range`.
//! - Of several bad fields the first in this order is named: organisation, transaction, code,
//!   subscription, timestamp, amount, properties.

mod cursor;
mod event;
pub mod number;
mod properties;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod reference;
mod span;
#[cfg(test)]
mod tests;
pub mod timestamp;
mod tree;

use crate::core::event::{Event, Rejection};
use crate::core::properties::PropertiesBuf;

use self::cursor::{Cursor, Fault, Stop};
use self::event::Fields;
pub use self::event::IDENTIFIER_BYTES_MAX;
use self::properties::PropertiesReader;

/// The depth that [`Limits::depth_max`] can reach: reading is recursive, and a thread's stack holds
/// many times this.
pub const DEPTH_CEILING: usize = 256;

/// The length that [`Limits::record_bytes_max`] can reach. Places in a record, and in a text
/// that is at most a few times longer, fit 31 bits.
pub const RECORD_BYTES_CEILING: usize = 1 << 28;

/// What a record may be before it is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest record in bytes. The default is what a broker takes by default, 1 MiB;
    /// at most [`RECORD_BYTES_CEILING`].
    pub record_bytes_max: usize,
    /// Deepest nesting of lists and objects, the record itself included; at most
    /// [`DEPTH_CEILING`]. The default of 64 is far beyond what properties are used for.
    pub depth_max: usize,
    /// Most events in one record. The default is a hundred times the largest batch of the HTTP API.
    pub events_per_record_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes_max: 1 << 20, depth_max: 64, events_per_record_max: 10_000 }
    }
}

/// Turns records into events. Keep one per thread: its memory is reused.
#[derive(Default)]
pub struct Decoder {
    scratch: Scratch,
}

/// Memory that outlives an event.
#[derive(Default)]
struct Scratch {
    /// Texts that differ from the bytes of the record.
    arena: String,
    properties: PropertiesReader,
    packed: PropertiesBuf,
}

impl Scratch {
    fn clear(&mut self) {
        self.arena.clear();
        self.properties.clear();
        self.packed.clear();
    }
}

impl Decoder {
    /// A decoder without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands every event of a record, or the reason why there is none, to `sink` with its index in
    /// the record. `payload` is `None` for a tombstone.
    pub fn decode(
        &mut self,
        payload: Option<&[u8]>,
        limits: &Limits,
        sink: &mut impl FnMut(u32, Result<Event<'_>, Rejection>),
    ) {
        if let Err(rejection) = self.decode_record(payload, limits, sink) {
            sink(0, Err(rejection));
        }
    }

    fn decode_record(
        &mut self,
        payload: Option<&[u8]>,
        limits: &Limits,
        sink: &mut impl FnMut(u32, Result<Event<'_>, Rejection>),
    ) -> Result<(), Rejection> {
        let payload = payload.ok_or(Rejection::Tombstone)?;
        let limit = limits.record_bytes_max.min(RECORD_BYTES_CEILING);
        if payload.len() > limit {
            let bytes = payload.len();
            return Err(Rejection::TooLarge { bytes, limit });
        }
        let text = std::str::from_utf8(payload).map_err(|_| Rejection::NotUtf8)?;
        let depth_max = limits.depth_max.min(DEPTH_CEILING);
        let mut cursor = Cursor::new(text, depth_max);
        self.scratch.clear();
        let read = match cursor.peek() {
            Some(b'{') => self.read_single(&mut cursor, sink),
            Some(b'[') => self.read_list(&mut cursor, limits, depth_max, sink),
            _ => {
                let scalar = cursor.skip(&mut self.scratch.arena).and_then(|()| cursor.finish());
                scalar.map(|()| Err(Rejection::NotAnObject))
            }
        };
        read.unwrap_or_else(|Stop| Err(reject_fault(cursor.fault(), depth_max)))
    }

    fn read_single(
        &mut self,
        cursor: &mut Cursor<'_>,
        sink: &mut impl FnMut(u32, Result<Event<'_>, Rejection>),
    ) -> Result<Result<(), Rejection>, Stop> {
        let fields = Fields::read(cursor, &mut self.scratch)?;
        cursor.finish()?;
        sink(0, fields.event(cursor.text(), &mut self.scratch));
        Ok(Ok(()))
    }

    /// A list is checked to its end before its first event is handed out, so that a record which
    /// breaks off is rejected as a whole.
    fn read_list(
        &mut self,
        cursor: &mut Cursor<'_>,
        limits: &Limits,
        depth_max: usize,
        sink: &mut impl FnMut(u32, Result<Event<'_>, Rejection>),
    ) -> Result<Result<(), Rejection>, Stop> {
        let mut count = 0;
        cursor.open()?;
        while cursor.more(b']', count == 0)? {
            cursor.skip(&mut self.scratch.arena)?;
            count += 1;
            if count > limits.events_per_record_max {
                return Ok(Err(Rejection::TooManyEvents(limits.events_per_record_max)));
            }
        }
        cursor.finish()?;
        *cursor = Cursor::new(cursor.text(), depth_max);
        let mut index = 0;
        cursor.peek();
        cursor.open()?;
        while cursor.more(b']', index == 0)? {
            self.scratch.clear();
            if cursor.peek() == Some(b'{') {
                let fields = Fields::read(cursor, &mut self.scratch)?;
                sink(index, fields.event(cursor.text(), &mut self.scratch));
            } else {
                cursor.skip(&mut self.scratch.arena)?;
                sink(index, Err(Rejection::NotAnObject));
            }
            index += 1;
        }
        Ok(Ok(()))
    }
}

fn reject_fault(fault: Fault, depth_max: usize) -> Rejection {
    match fault {
        Fault::Syntax(what, at) => Rejection::NotJson(format!("{what} at byte {at}")),
        Fault::TooDeep => Rejection::TooDeep(depth_max),
    }
}
