//! Where backups are kept: a folder, best on another disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::BackupError;
use super::manifest::{Manifest, SUFFIX, hex};

/// Folder of the files, by digest.
const FILES: &str = "files";
/// Folder of the manifests.
const BACKUPS: &str = "backups";
/// What names of files end with until they are whole.
const UNFINISHED: &str = ".unfinished";
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A folder that holds backups of one or more stores.
#[derive(Clone, Debug)]
pub struct Depot {
    folder: PathBuf,
}

impl std::fmt::Display for Depot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.display().fmt(f)
    }
}

impl Depot {
    /// The depot that a path or a `file://` address names. Nothing is made yet.
    pub fn at(place: &str) -> Result<Self, BackupError> {
        let path = place.strip_prefix("file://").unwrap_or(place);
        if path.is_empty() || path.contains("://") {
            return Err(BackupError::Place(place.to_owned()));
        }
        Ok(Self { folder: PathBuf::from(path) })
    }

    /// Whether a file with these bytes is there.
    pub(super) fn has(&self, sha256: &str, bytes: u64) -> bool {
        let length = fs::metadata(self.file(sha256)).map(|meta| meta.len());
        length.is_ok_and(|length| length == bytes)
    }

    /// Keeps a file under its digest.
    pub(super) fn put(&self, from: &Path, sha256: &str, bytes: u64) -> Result<(), BackupError> {
        let to = self.file(sha256);
        let copied = self.write(&to, |out| copy_digesting(&mut File::open(from)?, out))?;
        if copied == (sha256.to_owned(), bytes) {
            return Ok(());
        }
        // The bytes changed after they were digested: then the name would be wrong.
        let _ = fs::remove_file(&to);
        let source = io::Error::other("the file changed while it was read");
        Err(BackupError::File { operation: "reading", path: from.to_owned(), source })
    }

    /// Fetches a file, and returns its digest and length.
    pub(super) fn fetch(&self, sha256: &str, to: &Path) -> io::Result<(String, u64)> {
        let mut out = File::create(to)?;
        let copied = copy_digesting(&mut File::open(self.file(sha256))?, &mut out)?;
        out.sync_all()?;
        Ok(copied)
    }

    /// Keeps the manifest, which makes the backup one. Returns its name.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<String, BackupError> {
        let bytes = manifest.to_bytes();
        let name = Manifest::name_of(manifest.made_at, &bytes);
        self.write(&self.folder.join(BACKUPS).join(&name), |out| out.write_all(&bytes))?;
        Ok(name)
    }

    /// Names of the backups, oldest first.
    pub fn backups(&self) -> Result<Vec<String>, BackupError> {
        let folder = self.folder.join(BACKUPS);
        let failed =
            |source| BackupError::File { operation: "listing", path: folder.clone(), source };
        let mut names = Vec::new();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| name.ends_with(SUFFIX));
        names.sort_unstable();
        Ok(names)
    }

    /// Reads the manifest of a backup.
    pub fn manifest(&self, name: &str) -> Result<Manifest, BackupError> {
        let path = self.folder.join(BACKUPS).join(name);
        let bytes = fs::read(&path);
        let bytes =
            bytes.map_err(|source| BackupError::File { operation: "reading", path, source })?;
        Manifest::from_bytes(name, &bytes)
            .map_err(|detail| BackupError::Damaged { backup: name.to_owned(), detail })
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.folder.join(FILES).join(sha256)
    }

    /// Writes a file so that it has its name only once it is whole and on disk.
    fn write<T>(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, BackupError> {
        let mut unfinished = path.to_owned().into_os_string();
        unfinished.push(UNFINISHED);
        let written = || {
            let folder = path.parent().unwrap_or(&self.folder);
            fs::create_dir_all(folder)?;
            let mut out = File::create(&unfinished)?;
            let result = write(&mut out)?;
            out.sync_all()?;
            fs::rename(&unfinished, path)?;
            File::open(folder)?.sync_all()?;
            Ok(result)
        };
        written().map_err(|source| BackupError::File {
            operation: "writing",
            path: path.to_owned(),
            source,
        })
    }
}

/// The SHA-256 of a file in hexadecimal digits, and its length.
pub(super) fn digest_of(path: &Path) -> Result<(String, u64), BackupError> {
    let read = || copy_digesting(&mut File::open(path)?, &mut io::sink());
    read().map_err(|source| BackupError::File {
        operation: "reading",
        path: path.to_owned(),
        source,
    })
}

fn copy_digesting(from: &mut impl Read, to: &mut impl Write) -> io::Result<(String, u64)> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok((hex(&digest.finalize()), bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        digest.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
}
