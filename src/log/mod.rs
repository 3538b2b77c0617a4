//! Where records come from and go to, and the form of what travels there.

pub mod catalog;
pub mod decode;
pub mod embedded;
pub mod kafka;
