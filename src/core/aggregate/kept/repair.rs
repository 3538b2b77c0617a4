//! How a content that met a late event comes back to what the scan gives.

use crate::core::instant::Instant;

/// Which events mend a content. They are handed over in order of (timestamp, position).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repair {
    /// All of them, to an empty content.
    Anew,
    /// Those from this instant on: what depends on their order goes back to a saved prefix, and all
    /// else stands.
    From(Instant),
}

impl Repair {
    /// What mends several parts at once; none if none needs it.
    pub fn of_all(parts: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        parts.into_iter().flatten().min()
    }
}
