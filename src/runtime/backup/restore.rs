//! Restoring: the files of a backup, checked, and then put in place as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{BackupError, Depot, Entry};

/// What the name of the folder ends with until the backup is whole.
const UNFINISHED: &str = ".restoring";

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Name of its manifest.
    pub name: String,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Restores a backup, the newest one unless it is named, into a folder that does not exist or is
/// empty. Everything is fetched into a folder beside it and checked; only then it gets its name.
pub fn restore(depot: &Depot, name: Option<&str>, to: &Path) -> Result<Restored, BackupError> {
    refuse_full(to)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => depot.backups()?.pop().ok_or_else(|| BackupError::None(depot.to_string()))?,
    };
    let manifest = depot.manifest(&name)?;
    let unfinished = beside(to);
    let fetched = fetch(depot, &name, &manifest.files, &unfinished).and_then(|()| {
        put_in_place(&unfinished, to).map_err(|source| BackupError::File {
            operation: "putting in place",
            path: to.to_owned(),
            source,
        })
    });
    if let Err(error) = fetched {
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    let bytes = manifest.files.iter().map(|file| file.bytes).sum();
    Ok(Restored { name, files: manifest.files.len() as u64, bytes })
}

fn refuse_full(to: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::File { operation: "listing", path: to.to_owned(), source };
    match fs::read_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        entries => match entries.map_err(failed)?.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::NotEmpty(to.to_owned())),
        },
    }
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().map_or_else(OsString::new, OsString::from);
    name.push(UNFINISHED);
    to.with_file_name(name)
}

fn fetch(
    depot: &Depot,
    backup: &str,
    files: &[Entry],
    unfinished: &Path,
) -> Result<(), BackupError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::File { operation, path, source }
    };
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(failed("clearing", unfinished))?;
    }
    fs::create_dir_all(unfinished).map_err(failed("creating", unfinished))?;
    for Entry { name, bytes, sha256 } in files {
        let damaged = |detail| BackupError::Damaged { backup: backup.to_owned(), detail };
        let path = unfinished.join(name);
        match depot.fetch(sha256, &path) {
            Ok((digest, length)) if (&digest, length) == (sha256, *bytes) => {}
            Ok((_, length)) if length != *bytes => {
                return Err(damaged(format!("{name} has {length} bytes instead of {bytes}")));
            }
            Ok(_) => return Err(damaged(format!("{name} does not match its digest"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(format!("{name} is missing")));
            }
            Err(source) => return Err(failed("fetching", &path)(source)),
        }
    }
    Ok(())
}

fn put_in_place(unfinished: &Path, to: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    // An empty folder gives way.
    fs::rename(unfinished, to)?;
    match to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
