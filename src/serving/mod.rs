//! What readers see: the accounts that the owners of slots keep up to date, and how current they
//! are.

pub mod board;
