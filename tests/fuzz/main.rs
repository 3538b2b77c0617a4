//! Feeds every fuzz target: with its corpus in `tests/corpus` and with seeded mutations of it.
//!
//! Without arguments each target gets a fixed number of inputs, the same on every run. With the
//! name of a target and a number of seconds (`make fuzz TARGET=decoder SECONDS=600`) it gets as
//! many as fit, from another seed each time. An input that fails is kept as a file, which is the
//! argument that repeats it; moved into the corpus it is a regression test.
//!
//! Beside what a target checks, no input may take long or much memory.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on fails

mod mutate;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use odometer::fuzz::{TARGETS, Target};
use odometer::runtime::clock::Stopwatch;
use peak_alloc::PeakAlloc;

use self::mutate::Mutator;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
/// Mutations of each target in the short form: a few seconds for the slowest.
const MUTATIONS: u64 = 5_000;
/// The seed of the short form.
const SEED: u64 = 20_261_123;
/// Longest that one input of a few KiB may take on a busy machine, by far.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Times that an input which took too long is tried again.
const AGAIN_MAX: usize = 3;
/// Memory that one input may take, as multiple of its length ...
const MEMORY_PER_BYTE_MAX: usize = 1_024;
/// ... and beyond that: tables of fixed size, and what aliases in YAML may repeat.
const MEMORY_FREE_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    // What the test runner of cargo passes on, such as `--nocapture`, is of no meaning here.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let arguments: Vec<String> = arguments.collect();
    let chosen = |name: &str| TARGETS.iter().find(|target| target.name == name);
    let found = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => TARGETS.iter().all(|target| feed(target, SEED, Until::Inputs(MUTATIONS))),
        [name, what] => {
            let Some(target) = chosen(name) else {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                println!("there is no target {name}; there are {}", names.join(", "));
                return ExitCode::FAILURE;
            };
            match what.parse() {
                Ok(seconds) => {
                    let seed = RandomState::new().hash_one(name);
                    feed(target, seed, Until::Time(Duration::from_secs(seconds)))
                }
                Err(_) => fits(target, &std::fs::read(what).unwrap()),
            }
        }
        _ => {
            println!("usage: TARGET SECONDS, or TARGET FILE, or nothing");
            return ExitCode::FAILURE;
        }
    };
    if found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// When to stop.
#[derive(Clone, Copy)]
enum Until {
    Inputs(u64),
    Time(Duration),
}

/// Feeds a target; whether all inputs were fit.
fn feed(target: &Target, seed: u64, until: Until) -> bool {
    let mut corpus = kept(target);
    let files = corpus.len();
    assert!(files > 0, "{}: a target has a corpus", target.name);
    corpus.extend((target.seeds)());
    // What makes it panic is told below; a line for every panic that is none would drown that.
    std::panic::set_hook(Box::new(|_| ()));
    if !corpus.iter().all(|input| fits(target, input)) {
        return false;
    }
    let mut mutator = Mutator::new(seed, &corpus, target.words);
    let (watch, mut inputs) = (Stopwatch::start(), 0);
    let goes_on = |inputs| match until {
        Until::Inputs(all) => inputs < all,
        Until::Time(all) => watch.elapsed() < all,
    };
    while goes_on(inputs) {
        inputs += 1;
        let input = mutator.next();
        if !fits(target, &input) {
            println!("{}: input {inputs} of seed {seed}", target.name);
            return false;
        }
    }
    let seconds = watch.elapsed().as_secs_f64();
    println!("{:18} {files:3} files, {inputs:9} mutations in {seconds:6.1} s", target.name);
    true
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
        Ok(()) if used > MEMORY_FREE_BYTES + MEMORY_PER_BYTE_MAX * input.len() => {
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
