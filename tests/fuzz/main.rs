//! Feeds every fuzz target with its corpus in `tests/corpus` and with seeded mutations of it.
//!
//! Each target gets a fixed number of inputs, the same on every run; `make fuzz` looks further,
//! with libFuzzer. An input that fails is kept as a file. With the name of a target and a file that
//! one input is run; moved into the corpus it is a regression test.
//!
//! Beside what a target checks, no input may take long or much memory.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on fails

mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use odometer::fuzz::{TARGETS, Target, memory_bytes_max, target};
use odometer::runtime::clock::Stopwatch;
use peak_alloc::PeakAlloc;

use self::mutate::Mutator;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
/// Mutations of each target: a few seconds for the slowest.
const MUTATIONS: u64 = 5_000;
/// The seed of the mutations.
const SEED: u64 = 20_261_123;
/// Longest that one input of a few KiB may take on a busy machine, by far.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Times that an input which took too long is tried again.
const AGAIN_MAX: usize = 3;

fn main() -> ExitCode {
    // What the test runner of cargo passes on, such as `--nocapture`, is of no meaning here.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let fit = match &arguments.collect::<Vec<_>>()[..] {
        [] => TARGETS.iter().all(feed),
        [name, file] => fits(target(name).expect("a target"), &std::fs::read(file).unwrap()),
        _ => panic!("arguments: TARGET FILE, or none"),
    };
    if fit { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Feeds a target; whether all inputs were fit.
fn feed(target: &Target) -> bool {
    let mut corpus = kept(target);
    let files = corpus.len();
    assert!(files > 0, "{}: a target has a corpus", target.name);
    corpus.extend((target.seeds)());
    // What makes it panic is told below; a line for every panic that is none would drown that.
    std::panic::set_hook(Box::new(|_| ()));
    let watch = Stopwatch::start();
    let mut mutator = Mutator::new(SEED, &corpus, target.words);
    let fit = corpus.iter().all(|input| fits(target, input))
        && (0..MUTATIONS).all(|_| fits(target, &mutator.next()));
    let seconds = watch.elapsed().as_secs_f64();
    println!("{:18} {files:3} files, {MUTATIONS} mutations in {seconds:6.1} s", target.name);
    fit
}

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(CORPUS).join(target.name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs one input; if it fails, says why and keeps it.
fn fits(target: &Target, input: &[u8]) -> bool {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut watch = Stopwatch::start();
    let mut ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (mut took, used) = (watch.elapsed(), MEMORY.peak_usage().saturating_sub(before));
    for _ in 0..AGAIN_MAX {
        // A machine that is busy may stop anybody for long, but not again and again.
        if took <= TIME_MAX || ran.is_err() {
            break;
        }
        watch = Stopwatch::start();
        ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        took = watch.elapsed();
    }
    let why = match ran {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("it panics: {}", text.unwrap_or_default())
        }
        Ok(()) if took > TIME_MAX => format!("it takes {took:?}"),
        Ok(()) if used > memory_bytes_max(input.len()) => {
            format!("it takes {used} bytes of memory")
        }
        Ok(()) => return true,
    };
    let file = std::env::temp_dir().join(format!("odometer-fuzz-{}", target.name));
    std::fs::write(&file, input).unwrap();
    println!("{}: {} bytes: {why}\nfailed input: {}", target.name, input.len(), file.display());
    println!("{:?}", String::from_utf8_lossy(input));
    false
}
