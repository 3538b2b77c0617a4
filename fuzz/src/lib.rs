//! What the targets share under libFuzzer: each binary of this package feeds the target of
//! `odometer::fuzz` that has its name.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use odometer::fuzz::{Target, memory_bytes_max, target};
use peak_alloc::PeakAlloc;

/// Counts what an input takes; without a sanitizer libFuzzer does not see allocations itself.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The target of this binary.
static TARGET: OnceLock<&Target> = OnceLock::new();

/// The folder that [`prepare`] writes to, if it is set.
const MADE: &str = "ODOMETER_FUZZ_MADE";

/// Makes the binary that calls it a fuzz target: the one of its name.
#[macro_export]
macro_rules! target {
    () => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::prepare(env!("CARGO_BIN_NAME")),
            |bytes: &[u8]| $crate::run(bytes)
        );
    };
}

/// Chooses the target, before libFuzzer reads its arguments, and writes what these name: the
/// dictionary `words`, and inputs into the folder `seeds`.
///
/// # Panics
///
/// If there is no such target, or the files cannot be written.
pub fn prepare(name: &str) {
    let target = target(name).expect("binaries are named like targets");
    if let Some(folder) = env::var_os(MADE) {
        write(target, Path::new(&folder)).expect("dictionary and seeds can be written");
    }
    TARGET.get_or_init(|| target);
}

fn write(target: &Target, folder: &Path) -> io::Result<()> {
    fs::write(folder.join("words"), target.dictionary())?;
    let seeds = folder.join("seeds");
    fs::create_dir_all(&seeds)?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        fs::write(seeds.join(number.to_string()), seed)?;
    }
    Ok(())
}

/// Runs one input.
///
/// # Panics
///
/// If a law of the target does not hold, or the input takes too much memory.
pub fn run(bytes: &[u8]) {
    let target = TARGET.get().expect("libFuzzer begins with what prepares it");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    (target.run)(bytes);
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert!(used <= memory_bytes_max(bytes.len()), "it takes {used} bytes of memory");
}
