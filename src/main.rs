//! The program: hands its arguments and its environment to the commands.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Also that of RocksDB and librdkafka: blocks of all sizes come from one thread and are given back
/// by another for months, and the system's allocator keeps more and more of what was given back.
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    odometer::cli::run(std::env::args_os(), std::env::vars_os())
}
