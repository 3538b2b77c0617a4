//! Buckets kept event by event: at any time the figures that the scan gives (specification 5.14,
//! 10.2).
//!
//! A [`Recipe`] says how the bucket of a charge is kept, a [`Span`] is the window it is kept for,
//! and a [`Content`] is what it holds: one state, or a state per group. Count, sum, maximum, latest
//! value, unique count and prorated sum do not depend on the order of events; they are exact in any
//! order. What depends on it sorts in events that come a little late, and says when one came too
//! late: [`Content::repair`]. Events in order of (timestamp, position) mend it, from a saved prefix
//! on if there is one. Levels billed in advance follow the order of position; where the two orders
//! differ so much that the content needs repair even then, it is of no use and its events are
//! scanned.

mod bytes;
mod carrying;
mod content;
mod distinct;
mod figures;
mod groups;
mod key;
mod latest;
pub mod levels;
#[cfg(test)]
mod levels_tests;
mod marks;
pub mod ordered;
#[cfg(test)]
mod ordered_tests;
mod peak;
pub mod presence;
mod recipe;
mod repair;
mod rows;
#[cfg(test)]
mod rows_tests;
mod seen;
mod shares;
mod singles;
pub mod spent;
mod split;
mod state;
mod steps;
pub mod summit;
mod tally;
pub mod tiers;
#[cfg(test)]
mod trial;
mod values;
mod walked;
pub mod weighted;
mod with;

pub use content::{Caps, Content};
pub use figures::{Condition, Reading, Told};
pub use key::{SetKey, ValueKey};
pub use recipe::{Recipe, Rules};
pub use repair::Repair;

use seen::Seen;

use super::frame::Frame;
use crate::core::instant::Instant;

/// The window that a bucket is kept for.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// The window with the length of its full period and its zone.
    pub frame: Frame<'a>,
    /// The stretches of time that make up the initial value of a recurring weighted sum, both ends
    /// included; see [`stretches`](super::stretches). Nobody else reads them.
    pub stretches: &'a [(Instant, Instant)],
}

impl Span<'_> {
    /// A repair that needs no event but those at the window's very end.
    const fn nothing(&self) -> Repair {
        Repair::From(self.frame.to)
    }

    /// Whether a recurring weighted sum begins with what happened then.
    fn carries(&self, at: Instant) -> bool {
        self.stretches.iter().any(|(from, to)| *from <= at && at <= *to)
    }
}
