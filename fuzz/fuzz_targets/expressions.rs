//! Expressions of billable metrics.

#![no_main]

odometer_fuzz::target!();
