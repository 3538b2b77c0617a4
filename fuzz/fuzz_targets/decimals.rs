//! Decimals against rationals of arbitrary length.

#![no_main]

odometer_fuzz::target!();
