//! The process that writes the events of a soak: as many as it is allowed, none twice.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::bench::{catalogue, named, produce};
use crate::config::Settings;
use crate::runtime::catalog_apply::CatalogWriter;
use crate::runtime::clock::Clock;

/// What the process says once the catalogue is written.
const READY: &str = "ready";
/// Longest wait for the last records to be acknowledged.
const FLUSH_WAIT: Duration = Duration::from_mins(1);
/// Events whose times run up to one look at the clock.
const PER_LOOK: u64 = 1_000;

/// Writes the catalogue, then events until standard input ends. Each line of it is a number: so
/// many events may have been written.
pub fn run(settings: &Settings, topic: &str) -> Result<(), Failure> {
    let mut workload = named(topic)?;
    catalogue::write(&CatalogWriter::kafka(settings)?, &workload)?;
    println!("{READY}");
    let producer = produce::connect(settings, "20")?;
    let mut text = String::new();
    let mut number = 0;
    for line in std::io::stdin().lock().lines() {
        let allowed: u64 = line?.parse()?;
        while number < allowed {
            if number % PER_LOOK == 0 {
                // Events are of the present, as they would be.
                workload.base_ms = Clock::System.now().micros() / 1000;
            }
            text.clear();
            let subscription = workload.subscription(number);
            workload.write(number, subscription, &mut text);
            produce::send(&producer, topic, workload.partition(subscription), &text)?;
            number += 1;
        }
    }
    Ok(producer.flush(FLUSH_WAIT)?)
}

/// The process, seen from the one that started it.
pub struct Producer {
    child: Child,
    input: Option<ChildStdin>,
    allowed: u64,
}

impl Producer {
    /// Starts it and waits until the catalogue is written.
    pub fn spawn(arguments: &[OsString], topic: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments.iter().skip(1))
            .args(["--produce", topic])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("the writing process has no output")?;
        let producer = Self { child, input, allowed: 0 };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim_end() != READY {
            return Err("the process that writes events has failed".into());
        }
        Ok(producer)
    }

    /// Lets it have written so many events in all.
    pub fn allow(&mut self, events: u64) -> Result<(), Failure> {
        if events <= self.allowed {
            return Ok(());
        }
        self.allowed = events;
        let input = self.input.as_mut().ok_or("the process that writes events has ended")?;
        Ok(writeln!(input, "{events}")?)
    }

    /// Ends it once all it was allowed is written.
    pub fn end(mut self) -> Result<(), Failure> {
        drop(self.input.take());
        if self.child.wait()?.success() {
            return Ok(());
        }
        Err("the process that writes events has failed".into())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // It is gone already unless something has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
