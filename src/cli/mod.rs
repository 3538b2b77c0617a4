//! The commands of the program.

pub mod backup;
pub mod bench;
pub mod catalog;
pub mod check;
mod client;
pub mod demo;
pub mod explain;
pub mod operator;
pub mod serve;
pub mod verify;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, DEFAULTS, Origins, Settings, Sources, parse_assignment};
use crate::runtime::fault::Fault;

/// Live usage totals per subscription, folded from Kafka, answered in Lago's own form.
#[derive(Debug, Parser)]
#[command(name = "odometer", version, about)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

/// Where settings come from; see `odometer config defaults` for all of them.
#[derive(Clone, Debug, Args)]
struct SettingsArgs {
    /// Settings file [default: odometer.toml in the working directory, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as `fold.worker_threads=4`; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    #[arg(value_parser = parse_assignment)]
    set: Vec<(String, String)>,
    /// Address to answer on (http.listen)
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder of the store (store.path)
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<String>,
    /// Kafka brokers (kafka.brokers); without any, the embedded log is used
    #[arg(long, global = true, value_name = "HOST:PORT,...")]
    brokers: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::ServeArgs),
    /// Run the service on the embedded log with the example catalogue and sample traffic
    Demo(demo::DemoArgs),
    /// Validate the settings and the catalogue file
    Check(check::CheckArgs),
    /// Show settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Work with the catalogue
    Catalog {
        #[command(subcommand)]
        command: catalog::CatalogCommand,
    },
    /// Back up the store of a running or a stopped service
    Backup(backup::BackupArgs),
    /// Restore a backup into a new folder
    Restore(backup::RestoreArgs),
    /// Compare the store of a stopped service with a fold of its ledger from zero
    Verify(verify::VerifyArgs),
    /// Go on behind records that are gone
    Gap {
        #[command(subcommand)]
        command: operator::GapCommand,
    },
    /// Look at rejected records, and take them in after all
    Rejected {
        #[command(subcommand)]
        command: operator::RejectedCommand,
    },
    /// Ask a running service why a figure is what it is
    Explain {
        #[command(subcommand)]
        command: explain::ExplainCommand,
    },
    /// Measure fold rate, latencies and memory on Kafka topics of its own
    Bench(bench::BenchArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings in force
    Show {
        /// Say where each comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the commented default settings
    Defaults,
}

/// A command failed, for the reason given: fact, detail, hint.
#[derive(Debug)]
pub struct Failure(String);

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs the program. The environment and the arguments come from `main`, the only one who reads
/// them.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; printing them can only fail if nobody listens.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli, &arguments, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(
    cli: Cli,
    arguments: &[OsString],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), Failure> {
    if let Command::Config { command: ConfigCommand::Defaults } = &cli.command {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let sources = cli.settings.sources(environment)?;
    let load = |overrides: &[(&str, &str)]| load(&sources, overrides);
    match cli.command {
        Command::Serve(args) => {
            let fault = Fault::from_environment(&sources.env)?;
            serve::serve(&load(&[])?.0, fault, &args)
        }
        Command::Demo(args) => {
            let data = args.data();
            demo::demo(&load(&[("store.path", &data), ("kafka.brokers", "")])?.0)
        }
        Command::Check(args) => check::check(&load(&[])?.0, &args),
        Command::Config { command: ConfigCommand::Show { origin } } => {
            let (_, origins) = load(&[])?;
            print!("{}", if origin { origins.show_with_origin() } else { origins.show() });
            Ok(())
        }
        Command::Config { command: ConfigCommand::Defaults } => Ok(()),
        Command::Backup(args) => backup::backup(&load(&[])?.0, &args),
        Command::Restore(args) => backup::restore(&load(&[])?.0, &args),
        Command::Verify(args) => verify::verify(&load(&[])?.0, &args),
        Command::Bench(args) => bench::run(&args, arguments, load(&[])?.0),
        Command::Gap { command } => operator::gap(command, &load(&[])?.0),
        Command::Rejected { command } => operator::rejected(command, &load(&[])?.0),
        Command::Explain { command } => {
            explain::run(&command, &sources.env, || Ok(load(&[])?.0.http.listen))
        }
        Command::Catalog { command } => catalog::run(&command, || Ok(load(&[])?.0)),
    }
}

/// Loads the settings; `preset` stands below every other flag.
fn load(sources: &Sources, preset: &[(&str, &str)]) -> Result<(Settings, Origins), Failure> {
    let preset = preset.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned()));
    let overrides = preset.chain(sources.overrides.iter().cloned()).collect();
    Ok(Settings::load(&Sources { overrides, ..sources.clone() })?)
}

impl SettingsArgs {
    fn sources(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Sources, config::ConfigError> {
        let named = [
            ("http.listen", &self.listen),
            ("store.path", &self.data),
            ("kafka.brokers", &self.brokers),
        ];
        let named =
            named.into_iter().filter_map(|(path, value)| Some((path.to_owned(), value.clone()?)));
        let overrides = self.set.iter().cloned().chain(named).collect();
        Sources::gather(self.config.clone(), Path::new(""), environment, overrides)
    }
}

/// Names and values that a test or a tool sets, as settings.
pub fn settings_of(pairs: &[(&str, &str)]) -> Result<Settings, config::ConfigError> {
    let overrides = pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned()));
    let sources = Sources { file: None, env: BTreeMap::new(), overrides: overrides.collect() };
    Ok(Settings::load(&sources)?.0)
}
