//! Checkpoints and the other records of the store, damaged.

#![no_main]

odometer_fuzz::target!();
