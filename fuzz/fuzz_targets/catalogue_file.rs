//! Catalogue files as people write them.

#![no_main]

odometer_fuzz::target!();
