//! `odometer gap` and `odometer rejected`: what only an operator can decide.
//!
//! With `--url` a running service is asked, under the key in `http.operator_key`. Without it the
//! store itself is opened, which no service may have open then. What changes something starts the
//! service for that while, without its HTTP, so that it is done the same way.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::client::Address;
use crate::config::Settings;
use crate::http::operator_body as print;
use crate::runtime::clock::Clock;
use crate::runtime::gaps::Accept;
use crate::runtime::operator::{Gaps, Operator};
use crate::runtime::replay::Selection;
use crate::runtime::supervisor::{Service, open_store};
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

/// Pause between two looks at a service that starts.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Subcommands of `odometer gap`.
#[derive(Debug, Subcommand)]
pub enum GapCommand {
    /// Print the gaps that were accepted, and with `--url` the partitions that stand still
    List(Target),
    /// Go on behind a gap: what lies before the offset is given up for good
    Accept(AcceptArgs),
}

/// Subcommands of `odometer rejected`.
#[derive(Debug, Subcommand)]
pub enum RejectedCommand {
    /// Print rejected records, oldest first, without their bytes
    List {
        /// Number of the first one
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Most of them
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Who is asked
        #[command(flatten)]
        target: Target,
    },
    /// Print one rejected record
    Show {
        /// Its number
        number: u64,
        /// Print nothing but its bytes, as they came
        #[arg(long)]
        bytes: bool,
        /// Who is asked
        #[command(flatten)]
        target: Target,
    },
    /// Take in rejected records after all, once what was against them is gone
    Replay {
        /// Number of the first one
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Number after the last one [default: all there are]
        #[arg(long)]
        to: Option<u64>,
        /// Only those that were rejected for this reason
        #[arg(long)]
        reason: Option<String>,
        /// Who is asked
        #[command(flatten)]
        target: Target,
    },
}

/// Who is asked.
#[derive(Debug, Args)]
pub struct Target {
    /// Address of a running service; without it, the store in store.path
    #[arg(long)]
    url: Option<String>,
}

/// A gap to be accepted.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The topic
    topic: String,
    /// The partition
    partition: u16,
    /// The offset to go on from
    #[arg(long)]
    from_offset: i64,
    /// Who accepts it; kept for ever
    #[arg(long)]
    by: String,
    /// Why it may be accepted; kept for ever
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    target: Target,
}

/// Runs a subcommand of `odometer gap`.
///
/// # Errors
///
/// What the service or the store says.
pub fn gap(command: GapCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        GapCommand::List(target) => {
            if let Some(url) = &target.url {
                return tell(&client(url, settings)?.ask("GET", "gaps", "")?);
            }
            let accepted = open(settings)?.gaps()?;
            tell(print::gaps(&Gaps { stopped: Vec::new(), accepted }).as_bytes())
        }
        GapCommand::Accept(args) => {
            let AcceptArgs { topic, partition, from_offset: from, by, note, target } = args;
            let asked = Accept { topic, partition, from, by, note };
            if let Some(url) = &target.url {
                let Accept { topic, partition, from, by, note } = &asked;
                let body = json!({"topic": topic, "partition": partition, "from_offset": from,
                                  "by": by, "note": note});
                let client = client(url, settings)?;
                return tell(&client.ask("POST", "gaps", &body.to_string())?);
            }
            let accepted = with_service(settings, |operator| operator.accept(&asked))?;
            tell(print::accepted(&accepted?).as_bytes())
        }
    }
}

/// Runs a subcommand of `odometer rejected`.
///
/// # Errors
///
/// What the service or the store says.
pub fn rejected(command: RejectedCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        RejectedCommand::List { from, limit, target } => {
            if let Some(url) = &target.url {
                let path = format!("rejected?from={from}&limit={limit}");
                return tell(&client(url, settings)?.ask("GET", &path, "")?);
            }
            let store = open(settings)?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
            let page = store.rejected(from, limit)?;
            tell(print::rejected(&page).as_bytes())
        }
        RejectedCommand::Show { number, bytes, target } => {
            if let Some(url) = &target.url {
                let client = client(url, settings)?;
                if bytes {
                    return write(&client.ask("GET", &format!("rejected/{number}/bytes"), "")?);
                }
                return tell(&client.ask("GET", &format!("rejected/{number}"), "")?);
            }
            let entry = open(settings)?.rejected_at(number)?;
            let entry = entry.ok_or_else(|| format!("there is no rejected record {number}"))?;
            if bytes {
                return write(&entry.bytes);
            }
            tell(print::record(number, &entry).as_bytes())
        }
        RejectedCommand::Replay { from, to, reason, target } => {
            if let Some(url) = &target.url {
                let body = json!({"from": from, "to": to, "reason": reason}).to_string();
                return tell(&client(url, settings)?.ask("POST", "rejected/replay", &body)?);
            }
            let selection = Selection { from, to, reason };
            let replayed = with_service(settings, |operator| operator.replay(&selection))??;
            tell(print::replayed(replayed).as_bytes())
        }
    }
}

/// A running service and its operator's key.
pub(super) struct Client<'a> {
    address: Address,
    key: &'a str,
}

impl Client<'_> {
    /// The body of an answer with status 200.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>, Failure> {
        accepted(self.address.ask(method, &at(path), self.key, body)?)
    }

    /// The same of something that takes as long as it takes.
    pub(super) fn wait(&self, method: &str, path: &str) -> Result<Vec<u8>, Failure> {
        accepted(self.address.ask_patiently(method, &at(path), self.key)?)
    }
}

fn at(path: &str) -> String {
    format!("/odometer/v1/operator/{path}")
}

fn accepted((status, answer): (u16, Vec<u8>)) -> Result<Vec<u8>, Failure> {
    if status == 200 {
        return Ok(answer);
    }
    let told = String::from_utf8_lossy(&answer);
    Err(format!("the service answers {status}\n  {told}").into())
}

pub(super) fn client<'a>(url: &str, settings: &'a Settings) -> Result<Client<'a>, Failure> {
    let key = settings.http.operator_key.expose();
    if key.is_empty() {
        return Err("there is no key\n  hint: set http.operator_key as the service has it".into());
    }
    Ok(Client { address: Address::parse(url)?, key })
}

/// Opens a store that is there.
fn open(settings: &Settings) -> Result<Store, Failure> {
    let path = &settings.store.path;
    if !path.join("CURRENT").exists() {
        let path = path.display();
        return Err(format!("there is no store in {path}\n  hint: name one with --data").into());
    }
    Ok(open_store(settings, &Metrics::new())?)
}

/// Starts the service without its HTTP, does something and stops it.
fn with_service<R>(settings: &Settings, act: impl FnOnce(&Operator) -> R) -> Result<R, Failure> {
    let metrics = Arc::new(Metrics::new());
    let service = Service::start(settings, Clock::System, metrics)?;
    let operator = Operator::of(&service, settings);
    while !operator.is_recovered() {
        std::thread::sleep(LOOK_PAUSE);
    }
    let done = act(&operator);
    service.stop()?;
    Ok(done)
}

pub(super) fn tell(answer: &[u8]) -> Result<(), Failure> {
    write(answer)?;
    write(b"\n")
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(bytes)?)
}
