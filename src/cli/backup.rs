//! `odometer backup` and `odometer restore`.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::Settings;
use crate::runtime::backup::{self, Depot};
use crate::runtime::clock::Clock;
use crate::store::{Store, StoreOptions};

/// Flags of `odometer backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Folder that keeps the backups; those of earlier times share their files with this one
    #[arg(long, value_name = "FOLDER")]
    to: String,
}

/// Flags of `odometer restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Folder that keeps the backups
    #[arg(long, value_name = "FOLDER")]
    from: String,
    /// Name of a backup [default: the newest one]
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Folder of the restored store: empty, or not there yet
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Backs up the store of these settings, which no service may have open.
pub fn backup(settings: &Settings, args: &BackupArgs) -> Result<(), Failure> {
    let depot = Depot::at(&args.to)?;
    let store = Store::open_read_only(&settings.store.path, &StoreOptions::default())?;
    let made = backup::backup(&store, &depot, Clock::System.now())?;
    println!("backup {}", made.name);
    println!("{} files, {} bytes", made.files, made.bytes);
    println!("sent: {} files, {} bytes", made.sent_files, made.sent_bytes);
    Ok(())
}

/// Restores a backup.
pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let depot = Depot::at(&args.from)?;
    let restored = backup::restore(&depot, args.backup.as_deref(), &args.to)?;
    println!("restored {} into {}", restored.name, args.to.display());
    println!("{} files, {} bytes", restored.files, restored.bytes);
    Ok(())
}
