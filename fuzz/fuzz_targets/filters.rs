//! Charge filters.

#![no_main]

odometer_fuzz::target!();
