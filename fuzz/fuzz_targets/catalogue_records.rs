//! Records of the catalogue topic, and what is stored of them.

#![no_main]

odometer_fuzz::target!();
