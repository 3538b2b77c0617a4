//! Where records come from and go to.

pub mod catalog;
