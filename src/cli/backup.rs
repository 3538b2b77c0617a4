//! `odometer backup` and `odometer restore`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, operator};
use crate::config::Settings;
use crate::runtime::backup::{self, Depot};
use crate::runtime::clock::Clock;
use crate::store::{OpenError, Store, StoreOptions};

/// Flags of `odometer backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Folder or s3://BUCKET/PREFIX that keeps the backups; those of earlier times share their
    /// files with this one [default: backup.to]
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// Address of a running service, which makes the backup where its own backup.to says; without
    /// it, the store in store.path is backed up
    #[arg(long, conflicts_with = "to")]
    url: Option<String>,
}

/// Flags of `odometer restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Folder or s3://BUCKET/PREFIX that keeps the backups [default: backup.to]
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Name of a backup [default: the newest one]
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Folder of the restored store: empty, or not there yet
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Has the running service back up its store, or backs up the store of these settings, which no
/// service may have open then.
///
/// # Errors
///
/// What the service, the store or the place says.
pub fn backup(settings: &Settings, args: &BackupArgs) -> Result<(), Failure> {
    if let Some(url) = &args.url {
        return operator::tell(&operator::client(url, settings)?.wait("POST", "backups")?);
    }
    let depot = depot(args.to.as_deref(), settings)?;
    let store = Store::open_read_only(&settings.store.path, &StoreOptions::default());
    let store = store.map_err(|error| match error {
        OpenError::Locked { .. } => {
            Failure::from(format!("{error}; a running service is backed up with --url"))
        }
        error => error.into(),
    })?;
    let made = backup::backup(&store, &depot, Clock::System.now(), &|| false)?;
    println!("backup {}", made.name);
    println!("{} files, {} bytes", made.files, made.bytes);
    println!("sent: {} files, {} bytes", made.sent_files, made.sent_bytes);
    Ok(())
}

/// Restores a backup.
///
/// # Errors
///
/// There is none, it is not what was written, or the folder is in use.
pub fn restore(settings: &Settings, args: &RestoreArgs) -> Result<(), Failure> {
    let depot = depot(args.from.as_deref(), settings)?;
    let restored = backup::restore(&depot, args.backup.as_deref(), &args.to)?;
    println!("restored {} into {}", restored.name, args.to.display());
    println!("{} files, {} bytes", restored.files, restored.bytes);
    Ok(())
}

/// The place that is named, or that of the settings.
fn depot(named: Option<&str>, settings: &Settings) -> Result<Depot, Failure> {
    let place = named.or(settings.backup.to.as_deref());
    let place = place.ok_or("there is no place for backups\n  hint: name one, or set backup.to")?;
    Ok(Depot::at(place, &settings.backup)?)
}
