//! Integration tests in one binary, because every further one links RocksDB again.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on fails

mod abuse;
mod abuse_http;
mod abuse_http_corpus;
mod aggregation_store;
mod attack;
mod backup;
mod charge_check;
mod commands;
mod end_to_end;
mod events;
mod events_estimates;
mod events_kafka;
mod fidelity;
mod gaps;
mod history;
mod ingestion;
mod kafka_log;
mod kill;
mod lifetime_usage;
#[cfg(feature = "mutations")]
mod mutations;
mod openapi;
mod oracle;
mod past_usage;
mod past_usage_windows;
#[cfg(feature = "mutations")]
mod poison;
mod pressure;
mod rejected;
mod restart;
mod restart_oracle;
mod restart_steps;
mod restart_world;
mod returning;
mod rig;
mod scenario;
mod scenario_seeds;
mod sdk;
mod sdk_readme;
mod secrets;
mod service;
mod slow;
mod stories;
mod tenants;
mod test_mode;
mod tidy;
mod usage_inputs;
mod vectors;
mod vectors_aggregation;
mod vectors_boundaries;
mod vectors_charge_fee;
mod vectors_charge_validation;
mod vectors_event_validation;
mod vectors_expression;
mod vectors_filter_match;
mod vectors_perturbed;
mod vectors_pricing;
mod vectors_run;
mod vectors_schema;
mod vectors_tax;
mod verify;
mod verify_log;
