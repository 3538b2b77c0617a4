//! Backups in object storage that speaks S3.
//!
//! Every request is signed over the digest of its body, so what arrives is what was sent or is
//! refused. A file that is sent in parts has its name once all of them are there.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use super::depot::{Content, Storage, unchanged};
use super::manifest::hex;
use super::signing::Signing;
use crate::config::Backup;

/// Bytes that are sent or fetched at a time, and so held in memory. A file has at most 10 000
/// parts by the rules of S3: 160 GB, far more than a file of a store.
const PART_BYTES: u64 = 16 << 20;
/// Longest time for one request, its part included.
const REQUEST_WAIT: Duration = Duration::from_mins(5);
/// Longest time until a connection stands.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// A request that fails for a reason that may pass is sent again so often ...
const RETRIES_MAX: usize = 5;
/// ... within this time.
const RETRY_WAIT: Duration = Duration::from_mins(1);

/// A part of a bucket.
pub(super) struct Bucket {
    store: AmazonS3,
    address: String,
    prefix: Key,
    /// Requests are made on the thread that asks.
    runtime: Runtime,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.address).finish()
    }
}

impl Bucket {
    /// `BUCKET[/PREFIX]`, reached as the settings say; the error says what is wrong.
    pub(super) fn at(address: &str, settings: &Backup) -> Result<Self, String> {
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        if bucket.is_empty() {
            return Err("it names no bucket".to_owned());
        }
        let prefix = Key::parse(prefix).map_err(|error| error.to_string())?;
        let endpoint = settings.s3_endpoint.as_deref();
        let open = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client =
            ClientOptions::new().with_timeout(REQUEST_WAIT).with_connect_timeout(CONNECT_WAIT);
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client.with_allow_http(open))
            .with_retry(RetryConfig {
                max_retries: RETRIES_MAX,
                retry_timeout: RETRY_WAIT,
                ..RetryConfig::default()
            })
            .with_crypto_provider(Arc::new(Signing))
            .with_bucket_name(bucket)
            .with_region(&settings.s3_region);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if !settings.s3_access_key_id.is_empty() {
            builder = builder
                .with_access_key_id(&settings.s3_access_key_id)
                .with_secret_access_key(settings.s3_secret_access_key.expose());
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            store: builder.build().map_err(|error| error.to_string())?,
            address: address.trim_end_matches('/').to_owned(),
            prefix,
            runtime: runtime.map_err(|error| error.to_string())?,
        })
    }

    fn key(&self, key: &str) -> Key {
        key.split('/').fold(self.prefix.clone(), Key::join)
    }

    fn wait<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
        self.runtime.block_on(asked).map_err(told)
    }

    /// Sends a file in parts. The upload is given up when this fails.
    fn put_parts(&self, key: &Key, from: &mut File, content: &Content) -> io::Result<()> {
        let mut upload = self.wait(self.store.put_multipart(key))?;
        let sent = self.send_parts(upload.as_mut(), from, content);
        let sent = sent.and_then(|()| self.wait(upload.complete()).map(|_| ()));
        if sent.is_err() {
            // What cannot be removed now is removed by the bucket's rule for unfinished uploads.
            let _ = self.wait(upload.abort());
        }
        sent
    }

    fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        from: &mut File,
        content: &Content,
    ) -> io::Result<()> {
        let mut digest = Sha256::new();
        let mut bytes = 0;
        loop {
            let part = read_part(from)?;
            if part.is_empty() {
                break;
            }
            digest.update(&part);
            bytes += part.len() as u64;
            self.wait(upload.put_part(PutPayload::from(part)))?;
        }
        unchanged(&(hex(&digest.finalize()), bytes), content)
    }
}

impl Storage for Bucket {
    fn place(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("s3://{}/{key}", self.address))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let found = self.wait(self.store.list_with_delimiter(Some(&self.key(folder))))?;
        let named = found
            .objects
            .into_iter()
            .filter_map(|object| Some((object.location.filename()?.to_owned(), object.size)));
        Ok(named.collect())
    }

    fn put_file(&self, key: &str, from: &Path, content: &Content) -> io::Result<()> {
        let mut file = File::open(from)?;
        let key = self.key(key);
        if content.1 > PART_BYTES {
            return self.put_parts(&key, &mut file, content);
        }
        let bytes = read_part(&mut file)?;
        unchanged(&(hex(&Sha256::digest(&bytes)), bytes.len() as u64), content)?;
        self.wait(self.store.put(&key, PutPayload::from(bytes))).map(|_| ())
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.wait(self.store.put(&self.key(key), PutPayload::from(bytes))).map(|_| ())
    }

    fn fetch(&self, key: &str, to: &mut File) -> io::Result<Content> {
        let key = self.key(key);
        let bytes = self.wait(self.store.head(&key))?.size;
        let mut digest = Sha256::new();
        let mut from = 0;
        while from < bytes {
            let part = from..bytes.min(from + PART_BYTES);
            let part = self.wait(self.store.get_range(&key, part))?;
            if part.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            digest.update(&part);
            to.write_all(&part)?;
            from += part.len() as u64;
        }
        Ok((hex(&digest.finalize()), from))
    }

    fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        let key = self.key(key);
        let read = async { self.store.get(&key).await?.bytes().await };
        Ok(self.wait(read)?.to_vec())
    }
}

/// The next bytes of a file, none at its end.
fn read_part(from: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    from.take(PART_BYTES).read_to_end(&mut part)?;
    Ok(part)
}

/// An error as files have them. Its text never holds a key: requests are signed, not marked.
fn told(error: Error) -> io::Error {
    match error {
        Error::NotFound { .. } => {
            io::Error::new(io::ErrorKind::NotFound, "there is no such object")
        }
        error => io::Error::other(error),
    }
}
