//! Buckets kept event by event: at any time the figures that the scan gives (specification 5.14,
//! 10.2).

mod bytes;
pub mod key;
pub mod levels;
#[cfg(test)]
mod levels_tests;
pub mod ordered;
pub mod presence;
pub mod spent;
pub mod summit;
pub mod tiers;
#[cfg(test)]
mod trial;
mod values;
pub mod weighted;

pub mod latest {
    //! The order of events.

    use crate::core::instant::Instant;
    use crate::core::position::Position;

    /// The order of events: timestamp, then position.
    pub type At = (Instant, Position);
}
