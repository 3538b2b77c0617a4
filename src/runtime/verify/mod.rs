//! Proof that a store is what it says: the ledger folded again, and compared with everything that
//! was saved of it.
//!
//! A slot at a time, an account at a time: the events that count, read from the history and the
//! tail, have to give the slot's digest and counters, the account's own digest, the totals of every
//! window that is kept, and one entry in the index of ids each. [`log`] then compares the ledger
//! with the topics themselves.
//!
//! Nothing is written. In memory are the keys of one slot's accounts, the rows of a few of them
//! that are not merged, and the chunks of one: whatever the number of events.

mod account;
mod findings;
mod ids;
pub mod log;
mod slot;
mod tail;
mod totals;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

pub use findings::{DIFFERENCES_MAX, Difference, Findings, Range, Ranges, Tally};

use super::catalogue::Catalogue;
use super::fatal::Fatal;
use super::rows::Rows;
use super::source::SourceNames;
use crate::config::Settings;
use crate::core::aggregate::kept::Caps;
use crate::core::matching::Buckets;
use crate::core::position::Source;
use crate::engine::account::Folding;
use crate::engine::keys::KeyHasher;
use crate::store::{Store, StoreOptions};

/// A store that is verified, opened to be read only.
pub struct Subject {
    /// The store.
    pub store: Arc<Store>,
    /// Its catalogue.
    pub catalogue: Catalogue,
    /// Hashes under its secret.
    pub hasher: KeyHasher,
    /// Names of the partitions it has read.
    pub names: SourceNames,
    caps: Caps,
    /// Where the comparison with the log begins, by partition; none if there is none.
    floors: Option<HashMap<Source, i64>>,
}

impl Subject {
    /// Opens the store of these settings, which no service may have open.
    pub fn open(settings: &Settings) -> Result<Self, Fatal> {
        let options = StoreOptions::default();
        Self::around(Arc::new(Store::open_read_only(&settings.store.path, &options)?), settings)
    }

    /// A store that is open and to which nobody writes meanwhile.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn around(store: Arc<Store>, settings: &Settings) -> Result<Self, Fatal> {
        let rows = Rows::new(Arc::clone(&store));
        let (book, _) = rows.load_book().map_err(Fatal::Catalogue)?;
        let aside = settings.events.unknown_organization_bytes_max;
        let names = SourceNames::default();
        for topic in store.topics().map_err(Fatal::store("reading the topics"))? {
            names.name_topic(topic.label, &topic.seen.name);
        }
        Ok(Self {
            catalogue: Catalogue::new(book, rows, aside),
            hasher: KeyHasher::new(store.hash_secret()),
            names,
            caps: Caps {
                groups_max: settings.limits.groups_soft_max,
                values_max: settings.limits.unique_values_soft_max,
            },
            floors: None,
            store,
        })
    }

    /// Has [`Subject::verify`] gather what a comparison with the log needs, from these offsets on.
    pub fn prepare(&mut self, floors: HashMap<Source, i64>) {
        self.floors = Some(floors);
    }

    /// Verifies all slots on so many threads, each a slot at a time.
    pub fn verify(&self, threads: usize) -> Findings {
        let next = AtomicU8::new(0);
        let slots = self.store.slots();
        let work = || {
            let mut findings = Findings::default();
            loop {
                let slot = next.fetch_add(1, Ordering::Relaxed);
                if slot >= slots {
                    return findings;
                }
                findings.merge(slot::verify(self, slot));
            }
        };
        // More threads than slots would only make the counter pass its end.
        let threads = threads.clamp(1, usize::from(slots.max(1)));
        let mut findings = Findings::default();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for thread in running {
                match thread.join() {
                    Ok(found) => findings.merge(found),
                    Err(_) => findings.differ(Difference::of_store("a check has failed itself")),
                }
            }
        });
        if self.catalogue.rows.failures() > 0 {
            let what = format!("{} rows cannot be read", self.catalogue.rows.failures());
            findings.differ(Difference::new(None, "catalogue", "the catalogue".to_owned(), what));
        }
        findings.sort();
        findings
    }

    fn folding(&self) -> Folding {
        let (key, buckets) = (self.hasher.values(), Buckets::default());
        Folding { caps: self.caps, key, buckets, over_cap: 0 }
    }
}
