//! From an aggregated quantity to an amount of money (specification 6, pricing details).
//!
//! [`Model`] is a charge's prices in typed form, [`Quantity`] what was used, [`Priced`] and
//! [`fee::Fee`] what comes out. Nothing here rounds before the fee does.

pub mod bounded;
pub mod estimate;
pub mod fee;
pub mod graduated;
pub mod graduated_percentage;
mod member;
mod model;
pub mod package;
pub mod percentage;
mod projection;
pub mod prorated;
mod quantity;
pub mod range;
mod running;
pub mod standard;
#[cfg(test)]
mod tests;
pub mod volume;

pub use bounded::Meter;
pub use model::{Model, ModelKind};
pub use prorated::{Filled, Walk};
pub use quantity::{Entries, Peak, Priced, Quantity};
pub use running::{FreePrefix, RunningTotals};
