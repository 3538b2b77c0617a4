//! Where records come from and go to: Kafka, and the form of what travels there.

pub mod decode;
pub mod kafka;
