//! Backups in a folder, best on another disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::depot::{Content, Storage, copy_digesting, unchanged};

/// What names of files end with until they are whole.
const UNFINISHED: &str = ".unfinished";

/// A folder, which is made when something is kept.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Storage for Folder {
    fn place(&self, key: &str) -> PathBuf {
        self.0.join(key)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let entries = match fs::read_dir(self.0.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()))
        };
        entries.map(entry).collect()
    }

    fn put_file(&self, key: &str, from: &Path, content: &Content) -> io::Result<()> {
        self.write(key, |out| {
            let copied = copy_digesting(&mut File::open(from)?, out)?;
            unchanged(&copied, content)
        })
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.write(key, |out| out.write_all(&bytes))
    }

    fn fetch(&self, key: &str, to: &mut File) -> io::Result<Content> {
        copy_digesting(&mut File::open(self.0.join(key))?, to)
    }

    fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(key))
    }
}

impl Folder {
    /// Writes a file so that it has its name only once it is whole and on disk.
    fn write(&self, key: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let path = self.0.join(key);
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)?;
        let mut out = File::create(&unfinished)?;
        write(&mut out)?;
        out.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(folder)?.sync_all()
    }
}
