//! Threads and what runs on them: the shell around the engine.
//!
//! One reader per log ([`ingest`]) decodes records and hands batches to the [`worker`]s, which own
//! the slots. The [`checkpoint`] takes what the store lacks from them and commits it; the
//! [`compactor`] brings ids and totals into the store; the [`merger`] sorts the ledger by accounts;
//! the [`scanner`] reads it for rebuilds. The [`supervisor`] starts and stops them in order.

pub mod backup;
pub mod catalog_apply;
pub mod catalog_log;
pub mod catalog_start;
pub mod catalogue;
pub mod checkpoint;
pub mod clock;
pub mod commands;
pub mod compactor;
pub mod crew;
pub mod customers;
pub mod dead_letters;
pub mod ends;
pub mod events;
pub mod fatal;
pub mod fault;
pub mod gaps;
pub mod ignored;
pub mod ingest;
pub mod merger;
pub mod new_ids;
pub mod on_board;
pub mod operator;
pub mod outbox;
pub mod owner;
pub mod partitions;
pub mod past;
mod past_catalogue;
mod past_dating;
mod past_pass;
mod past_period;
mod past_windows;
mod poison;
pub mod positions;
pub mod prepared;
pub mod publish;
pub mod rebuilds;
pub mod recovery;
pub mod replay;
pub mod rows;
mod rows_past;
pub mod scan;
pub mod scanner;
mod shapes;
pub mod shared;
mod silence;
pub mod source;
mod stints;
pub mod supervisor;
pub mod sweeper;
pub mod target;
pub mod test_clock;
pub mod trouble;
mod turns;
pub mod usages;
pub mod verify;
pub mod view;
pub mod worker;
