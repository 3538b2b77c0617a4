//! Events of a soak that go into the embedded log.

use super::super::catalogue;
use super::super::workload::{ORGANIZATION, Workload, subscription_id};
use super::TICK;
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::core::catalog::directory::Directory;
use crate::log::embedded::EmbeddedLog;
use crate::runtime::catalog_apply::CatalogWriter;
use crate::runtime::clock::Clock;

/// Events of one record, as producers send them that gather some, and records of one append.
const PER_RECORD: u64 = 100;
const PER_APPEND: u64 = 20;
/// Events that are appended between two looks at how far the fold is.
const PER_LOOK: u64 = 20_000;

/// Writes to the log of a running service.
pub struct Appender {
    log: EmbeddedLog,
    workload: Workload,
    written: u64,
}

impl Appender {
    /// Writes the catalogue and waits until it is read.
    pub fn start(running: &Running, workload: &Workload) -> Result<Self, Failure> {
        let service = &running.service;
        let (Some(log), Some(catalog)) = (service.events_log.clone(), service.catalog_log.clone())
        else {
            return Err("the service has no embedded log".into());
        };
        catalogue::write(&CatalogWriter::Embedded(catalog), workload)?;
        let last = subscription_id(workload.subscriptions - 1);
        while service.shared.catalogue.rows.subscriptions(ORGANIZATION, &last).is_empty() {
            if let Some(reason) = service.fatal.borrow().clone() {
                return Err(reason.into());
            }
            std::thread::sleep(TICK);
        }
        Ok(Self { log, workload: workload.clone(), written: 0 })
    }

    /// Writes events as long as fewer than so many are written in all, and not for too long.
    pub fn allow(&mut self, events: u64) -> Result<(), Failure> {
        let end = events.min(self.written + PER_LOOK);
        while self.written + PER_RECORD * PER_APPEND <= end {
            let now = Clock::System.now();
            // Events are of the present, as they would be.
            self.workload.base_ms = now.micros() / 1000;
            let records: Vec<String> = (0..PER_APPEND).map(|_| self.record()).collect();
            let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
            self.log.append(&records, now)?;
        }
        Ok(())
    }

    fn record(&mut self) -> String {
        let mut text = String::from("[");
        for number in self.written..self.written + PER_RECORD {
            if number > self.written {
                text.push(',');
            }
            self.workload.write(number, self.workload.subscription(number), &mut text);
        }
        text.push(']');
        self.written += PER_RECORD;
        text
    }
}
