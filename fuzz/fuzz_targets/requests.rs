//! Queries, paths and bodies of HTTP requests.

#![no_main]

odometer_fuzz::target!();
