//! Blocks of the tail and chunks of the history, damaged.

#![no_main]

odometer_fuzz::target!();
