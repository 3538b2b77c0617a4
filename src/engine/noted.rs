//! Events that are noted while a scan is under way, to be folded after what it finds.

use crate::core::event::{Usage, UsageBuf};

/// Most bytes that one window notes. A scan takes seconds at most, so this is reached only by an
/// account with very many events that needs one; its scan is then given up and asked for again.
pub const NOTED_BYTES_MAX: usize = 64 << 20;

/// What came for a window since a scan for it began, in order of acceptance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    events: Vec<UsageBuf>,
    bytes: usize,
    overflowed: bool,
}

impl Noted {
    /// Notes an event. Beyond the bound nothing is kept, and the scan is of no use.
    pub fn note(&mut self, code: &str, usage: &Usage<'_>) {
        if self.overflowed {
            return;
        }
        let event = UsageBuf::of(code, usage);
        self.bytes += event.weight();
        if self.bytes > NOTED_BYTES_MAX {
            self.overflowed = true;
            self.events = Vec::new();
        } else {
            self.events.push(event);
        }
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + if self.overflowed { 0 } else { self.bytes }
    }

    /// The noted events; none if there were too many.
    pub fn events(&self) -> Option<&[UsageBuf]> {
        (!self.overflowed).then_some(&self.events)
    }
}
