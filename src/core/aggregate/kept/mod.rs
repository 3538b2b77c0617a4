//! Buckets kept event by event: at any time the figures that the scan gives (specification 5.14,
//! 10.2).
//!
//! A [`Recipe`] says how the bucket of a charge is kept, a [`Span`] is the window it is kept for,
//! and a [`Content`] is what it holds: one state, or a state per group. Count, sum, maximum, latest
//! value, unique count and prorated sum do not depend on the order of events; they are exact in any
//! order.

mod bytes;
mod content;
mod distinct;
mod figures;
mod groups;
mod key;
mod latest;
mod peak;
mod recipe;
mod seen;
mod shares;
mod split;
mod state;
mod tally;

pub use content::{Caps, Content};
pub use figures::{Condition, Reading};
pub use key::{SetKey, ValueKey};
pub use recipe::{Recipe, Rules};

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
