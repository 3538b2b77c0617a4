//! How soon a service that starts on a store with many events answers.
//!
//! Each start is a process of its own, which is killed once it has answered. Times run from its
//! start until it says that the store is open and that it listens, and until the answer to one
//! question is here: for a subscription drawn from all, or for one whose slot is the last to be
//! back. Answers are compared with those of a service that has everything back.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::client::Client;
use super::workload::{ORGANIZATION, Workload, subscription_id};
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::Settings;
use crate::core::instant::Instant;
use crate::engine::keys::{names_hash, slot_of};
use crate::runtime::clock::{Clock, Stopwatch};

/// Starts of each kind.
const STARTS: u64 = 7;
/// Where the numbers from which subscriptions are drawn begin: others than those of the events.
const FIRST_DRAW: u64 = 1 << 41;
/// Subscriptions that are looked at for one of the last slot.
const LOOKS_MAX: u64 = 100_000;
/// Longest wait until all slots are back.
const BACK_WAIT: Duration = Duration::from_mins(10);
/// Pause between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(2);
/// What the process says once its store is open, and once it listens.
const OPEN: &str = "store opened";
const LISTENING: &str = "listening";

/// The middle and the greatest of some times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Millis {
    /// The middle one.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Millis {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
        Self { median, max: times.last().copied().unwrap_or(0.0) }
    }
}

/// What the starts took, each from the start of the process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Starts {
    /// Starts of each kind.
    pub count: u64,
    /// Until the store is open, of all starts.
    pub open: Millis,
    /// Until it listens, of all starts.
    pub listen: Millis,
    /// Until the first answer, after a kill.
    pub answer_after_kill: Millis,
    /// Until the first answer, after a clean stop.
    pub answer_after_stop: Millis,
    /// Until the first answer for a slot that is the last one to be back, after a kill.
    pub last_slot: Millis,
    /// Until all slots are back and the log is folded, after a kill.
    pub ready: Millis,
    /// The first answer after a kill over the opening of the store, by their medians.
    pub answer_over_open: f64,
}

impl Starts {
    /// Lines of a table.
    pub fn table(&self) -> String {
        let line = |what: &str, Millis { median, max }: Millis| {
            format!("             {what:<28} {median:>7.0} ms, {max:.0} ms at most\n")
        };
        format!(
            "start        {} of each kind, medians from the start of the process\n{}{}{}{}{}{}\
             {:13}the first answer after a kill takes {:.1} times what opening the store takes\n",
            self.count,
            line("store open", self.open),
            line("listening", self.listen),
            line("first answer after a kill", self.answer_after_kill),
            line("... after a clean stop", self.answer_after_stop),
            line("... of the last slot", self.last_slot),
            line("all slots back", self.ready),
            "",
            self.answer_over_open,
        )
    }
}

/// Questions and their right answers.
pub struct Questions {
    any: Vec<(u64, Value)>,
    last: Vec<(u64, Value)>,
}

impl Questions {
    /// Draws subscriptions and asks a service that has all slots back.
    pub fn ask(running: &Running, workload: &Workload) -> Result<Self, Failure> {
        let shared = &running.service.shared;
        let watch = Stopwatch::start();
        while !shared.all_back() {
            if watch.elapsed() > BACK_WAIT {
                return Err("the slots are not back".into());
            }
            std::thread::sleep(PAUSE);
        }
        let uniform = Workload { zipf: 0.0, ..workload.clone() };
        let any = (0..2 * STARTS).map(|n| uniform.subscription(FIRST_DRAW + n));
        let slot = |subscription: &u64| {
            let id = subscription_id(*subscription);
            slot_of(names_hash(ORGANIZATION, Some(&id)), shared.slots)
        };
        let is_last = |subscription: &u64| u16::from(slot(subscription)) + 1 == shared.slots;
        let draws = (0..LOOKS_MAX).map(|n| uniform.subscription(FIRST_DRAW + 2 * STARTS + n));
        let last = draws.filter(is_last).take(usize::try_from(STARTS)?);
        let mut client = Client::connect(running.address)?;
        let mut answer = |subscription: u64| -> Result<(u64, Value), Failure> {
            Ok((subscription, serde_json::from_slice(client.current_usage(subscription)?)?))
        };
        let any = any.map(&mut answer).collect::<Result<_, _>>()?;
        let last = last.map(&mut answer).collect::<Result<_, _>>()?;
        Ok(Self { any, last })
    }
}

/// A process that starts on the store.
struct Started {
    child: Child,
    watch: Stopwatch,
    lines: Lines<BufReader<ChildStderr>>,
}

/// What one start took.
struct Times {
    open: Duration,
    listen: Duration,
    answer: Duration,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    Stop,
}

/// Measures the starts. The store is left as after a kill.
pub fn measure(
    arguments: &[OsString],
    folder: &Path,
    questions: &Questions,
) -> Result<Starts, Failure> {
    let (any, last) = (&questions.any, &questions.last);
    let run = |question: &(u64, Value), end| start(arguments, folder, question, end);
    let half = any.len() / 2;
    let mut stopped = Vec::new();
    for question in &any[..half] {
        run(question, End::Stop)?;
        stopped.push(run(question, End::Kill)?);
    }
    let killed: Vec<Times> =
        any[half..].iter().map(|question| run(question, End::Kill)).collect::<Result<_, _>>()?;
    let of_last: Vec<Times> =
        last.iter().map(|question| run(question, End::Kill)).collect::<Result<_, _>>()?;
    let ready: Vec<Duration> =
        (0..STARTS).map(|_| until_ready(arguments, folder)).collect::<Result<_, _>>()?;
    let all = || stopped.iter().chain(&killed).chain(&of_last);
    let open = Millis::of(all().map(|times| times.open));
    let answer_after_kill = Millis::of(killed.iter().map(|times| times.answer));
    Ok(Starts {
        count: STARTS,
        open,
        listen: Millis::of(all().map(|times| times.listen)),
        answer_after_kill,
        answer_after_stop: Millis::of(stopped.iter().map(|times| times.answer)),
        last_slot: Millis::of(of_last.iter().map(|times| times.answer)),
        ready: Millis::of(ready.into_iter()),
        answer_over_open: answer_after_kill.median / open.median.max(f64::EPSILON),
    })
}

/// Starts on the store as a process of its own, and goes on until its input ends.
pub fn serve(settings: &Settings, now: Instant) -> Result<(), Failure> {
    let running = Running::start(settings, clock(now))?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(running.stop("the end of the bench")?)
}

/// A clock that stands.
pub fn clock(now: Instant) -> Clock {
    Clock::Manual(Arc::new(AtomicI64::new(now.micros())))
}

fn start(
    arguments: &[OsString],
    folder: &Path,
    (subscription, expected): &(u64, Value),
    end: End,
) -> Result<Times, Failure> {
    let mut started = Started::new(arguments, folder)?;
    let open = started.await_line(OPEN)?.0;
    let (listen, line) = started.await_line(LISTENING)?;
    let mut client = Client::connect(address(&line)?)?;
    let answer: Value = serde_json::from_slice(client.current_usage(*subscription)?)?;
    let took = started.watch.elapsed();
    drop(client);
    started.end(end)?;
    if answer != *expected {
        return Err(format!("the answer after a start is another one: {answer}").into());
    }
    Ok(Times { open, listen, answer: took })
}

/// Starts and waits until all slots are back.
fn until_ready(arguments: &[OsString], folder: &Path) -> Result<Duration, Failure> {
    let mut started = Started::new(arguments, folder)?;
    let (_, line) = started.await_line(LISTENING)?;
    let address = address(&line)?;
    while Client::connect(address)?.get("/readyz").is_err() {
        if started.watch.elapsed() > BACK_WAIT {
            return Err("the slots are not back".into());
        }
        std::thread::sleep(PAUSE);
    }
    let took = started.watch.elapsed();
    started.end(End::Kill)?;
    Ok(took)
}

impl Started {
    fn new(arguments: &[OsString], folder: &Path) -> Result<Self, Failure> {
        let watch = Stopwatch::start();
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments.iter().skip(1))
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let out = child.stderr.take().ok_or("a started process has no output")?;
        Ok(Self { child, watch, lines: BufReader::new(out).lines() })
    }

    /// Waits until the process says something. Returns when that was, and the line.
    fn await_line(&mut self, text: &str) -> Result<(Duration, String), Failure> {
        let mut last = String::new();
        for line in self.lines.by_ref() {
            last = line?;
            if last.contains(text) {
                return Ok((self.watch.elapsed(), last));
            }
        }
        Err(format!("a started process ended\n  {last}").into())
    }

    fn end(mut self, end: End) -> Result<(), Failure> {
        match end {
            End::Kill => self.child.kill()?,
            End::Stop => drop(self.child.stdin.take()),
        }
        for line in self.lines.by_ref() {
            line?;
        }
        let status = self.child.wait()?;
        if end == End::Stop && !status.success() {
            return Err("a started process did not stop cleanly".into());
        }
        Ok(())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It is gone already unless something has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that says where the process listens.
fn address(line: &str) -> Result<SocketAddr, Failure> {
    let text = line.split_once("address=").map_or("", |(_, text)| text);
    Ok(text.split_whitespace().next().unwrap_or("").parse()?)
}
