//! Where backups are kept: files by their digest, and manifests that make backups of them.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::BackupError;
use super::bucket::Bucket;
use super::folder::Folder;
use super::manifest::{Manifest, SUFFIX, hex};
use crate::config::Backup;

/// Where the files are, by digest.
const FILES: &str = "files";
/// Where the manifests are.
const BACKUPS: &str = "backups";
/// What an address of object storage begins with.
const BUCKET_SCHEME: &str = "s3://";
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// The SHA-256 of bytes in hexadecimal digits, and how many they are.
pub(super) type Content = (String, u64);

/// What can keep backups. A key has the form `folder/name`; nothing has a key before it is whole.
pub(super) trait Storage: fmt::Debug + Send + Sync {
    /// How a key is told to people.
    fn place(&self, key: &str) -> PathBuf;

    /// Names and lengths of what is in a folder; nothing, if there is none.
    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>>;

    /// Keeps a file, if its bytes are what they are said to be.
    fn put_file(&self, key: &str, from: &Path, content: &Content) -> io::Result<()>;

    /// Keeps some bytes.
    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<()>;

    /// Writes what is kept to a file, and says what it is.
    fn fetch(&self, key: &str, to: &mut File) -> io::Result<Content>;

    /// What is kept.
    fn get(&self, key: &str) -> io::Result<Vec<u8>>;
}

/// A place that holds backups of one or more stores.
#[derive(Debug)]
pub struct Depot {
    name: String,
    storage: Box<dyn Storage>,
}

impl fmt::Display for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Depot {
    /// The depot that a path, a `file://` or an `s3://` address names; the settings say how the
    /// latter is reached. Nothing is made and nobody is asked yet.
    ///
    /// # Errors
    ///
    /// It is no such place.
    pub fn at(place: &str, settings: &Backup) -> Result<Self, BackupError> {
        let name = place.to_owned();
        if let Some(address) = place.strip_prefix(BUCKET_SCHEME) {
            let bucket = Bucket::at(address, settings);
            let bucket = bucket.map_err(|detail| BackupError::Bucket { place: name, detail })?;
            return Ok(Self { name: place.to_owned(), storage: Box::new(bucket) });
        }
        let path = place.strip_prefix("file://").unwrap_or(place);
        if path.is_empty() || path.contains("://") {
            return Err(BackupError::Place(name));
        }
        Ok(Self { name, storage: Box::new(Folder(PathBuf::from(path))) })
    }

    /// The lengths of the files that are there, by digest.
    pub(super) fn files(&self) -> Result<HashMap<String, u64>, BackupError> {
        let files = self.storage.list(FILES).map_err(self.failed("listing", FILES))?;
        Ok(files.into_iter().collect())
    }

    /// Keeps a file under its digest.
    pub(super) fn put(&self, from: &Path, content: &Content) -> Result<(), BackupError> {
        let key = file_key(&content.0);
        self.storage.put_file(&key, from, content).map_err(self.failed("writing", &key))
    }

    /// Fetches a file, and returns its digest and length.
    pub(super) fn fetch(&self, sha256: &str, to: &Path) -> io::Result<Content> {
        let mut out = File::create(to)?;
        let content = self.storage.fetch(&file_key(sha256), &mut out)?;
        out.sync_all()?;
        Ok(content)
    }

    /// Keeps the manifest, which makes the backup one. Returns its name.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<String, BackupError> {
        let bytes = manifest.to_bytes();
        let name = Manifest::name_of(manifest.made_at, &bytes);
        let key = backup_key(&name);
        self.storage.put(&key, bytes).map_err(self.failed("writing", &key))?;
        Ok(name)
    }

    /// Names of the backups, oldest first.
    ///
    /// # Errors
    ///
    /// The place cannot be read.
    pub fn backups(&self) -> Result<Vec<String>, BackupError> {
        let found = self.storage.list(BACKUPS).map_err(self.failed("listing", BACKUPS))?;
        let mut names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
        names.retain(|name| name.ends_with(SUFFIX));
        names.sort_unstable();
        Ok(names)
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    ///
    /// It is not there, or not what was written.
    pub fn manifest(&self, name: &str) -> Result<Manifest, BackupError> {
        let key = backup_key(name);
        let bytes = match self.storage.get(&key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Unknown { backup: name.to_owned(), place: self.name() });
            }
            bytes => bytes.map_err(self.failed("reading", &key))?,
        };
        Manifest::from_bytes(name, &bytes)
            .map_err(|detail| BackupError::Damaged { backup: name.to_owned(), detail })
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn failed(&self, operation: &'static str, key: &str) -> impl Fn(io::Error) -> BackupError {
        let path = self.storage.place(key);
        move |source| BackupError::File { operation, path: path.clone(), source }
    }
}

fn file_key(sha256: &str) -> String {
    format!("{FILES}/{sha256}")
}

fn backup_key(name: &str) -> String {
    format!("{BACKUPS}/{name}")
}

/// What a file holds.
pub(super) fn content_of(path: &Path) -> Result<Content, BackupError> {
    let read = || copy_digesting(&mut File::open(path)?, &mut io::sink());
    read().map_err(|source| BackupError::File {
        operation: "reading",
        path: path.to_owned(),
        source,
    })
}

/// Copies what can be read, and says what it was.
pub(super) fn copy_digesting(from: &mut impl Read, to: &mut impl Write) -> io::Result<Content> {
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

/// Refuses a file that has changed after it was digested: its name would be wrong.
pub(super) fn unchanged(copied: &Content, content: &Content) -> io::Result<()> {
    if copied == content {
        return Ok(());
    }
    Err(io::Error::other("the file changed while it was read"))
}
