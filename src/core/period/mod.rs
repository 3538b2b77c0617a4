//! Billing periods: which window of time a subscription is in, and how instants and dates read as
//! text (specification chapter 3 and the page on billed windows).
//!
//! Periods are stretches of local calendar dates; windows are their ends as instants. Only this
//! folder knows the calendar library, and of it only the zones.

mod billed;
mod closed;
mod date;
mod grid;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tables;
pub mod text;
mod window;
mod zone;

pub use billed::{Billed, Ending, Windows, closed_at, windows};
pub use closed::{Closed, Stretch, closed};
pub use date::Date;
pub use grid::Dates;
pub use window::{
    Around, LastWindow, Period, Terms, Window, around, containing, current, day_diff,
};
pub use zone::Zone;
