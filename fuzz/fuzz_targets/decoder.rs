//! The event decoder against the strict parser.

#![no_main]

odometer_fuzz::target!();
