//! A catalogue in memory behind the mock: two organisations, every command applied at once.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::core::catalog::Organization;
use crate::core::catalog::apply::apply;
use crate::core::catalog::book::Book;
use crate::core::catalog::commands::{Command, State};
use crate::core::catalog::directory::{Directory, MemoryDirectory};
use crate::core::catalog::record::{Body, Change, Entity, Record};
use crate::core::instant::Instant;
use crate::http::backend::{CommandError, Snapshot};

/// When everything happens: 2024-03-05T06:07:08Z and a bit, a second later with every record.
const START: Instant = Instant(1_709_618_828_000_500);

#[derive(Default)]
struct Inner {
    book: Book,
    directory: MemoryDirectory,
    next: i64,
    broken: bool,
}

pub struct World(Mutex<Inner>);

impl World {
    /// The organisations `a` and `b`, with the keys `KEY` and `OTHER`.
    pub fn new() -> Self {
        let world = Self(Mutex::default());
        for (number, name) in [(1, "a"), (2, "b")] {
            let body = Body::Organization(Organization {
                external_id: name.to_owned(),
                id: Uuid::from_u128(number),
                name: format!("{name} Inc"),
                ..Organization::default()
            });
            world.put(name, body);
        }
        world
    }

    /// Puts an entity there by itself.
    pub fn put(&self, organization: &str, body: Body) {
        let entity = Entity { organization: organization.to_owned(), body };
        let record = Record { changes: vec![Change::Put(entity)], expects: Vec::new() };
        take(&mut self.0.lock().unwrap(), record);
    }

    /// Lets every further command fail, as when the log is gone.
    pub fn break_down(&self) {
        self.0.lock().unwrap().broken = true;
    }

    pub fn snapshot(&self, key: &str) -> Option<Snapshot> {
        let inner = self.0.lock().unwrap();
        let tenant = Arc::clone(inner.book.tenant(organization(key))?);
        let directory: Arc<dyn Directory + Send + Sync> = Arc::new(inner.directory.clone());
        Some(Snapshot { tenant, directory, now: now(&inner) })
    }

    pub fn run<C: Command>(&self, key: &str, command: &C) -> Result<C::Reply, CommandError> {
        let mut inner = self.0.lock().unwrap();
        if inner.broken {
            return Err(CommandError::Unavailable);
        }
        let tenant = inner.book.tenant(organization(key)).ok_or(CommandError::NoOrganization)?;
        let state = State::new(tenant, &inner.directory, now(&inner), Uuid::new_v4());
        let decision = command.decide(&state).map_err(CommandError::Refused)?;
        if !decision.record.changes.is_empty() {
            take(&mut inner, decision.record);
        }
        Ok(decision.reply)
    }
}

fn organization(key: &str) -> &'static str {
    if key == "OTHER" { "b" } else { "a" }
}

fn now(inner: &Inner) -> Instant {
    // The two records of the organisations come first.
    START.plus_micros((inner.next - 2) * 1_000_000)
}

fn take(inner: &mut Inner, record: Record) {
    let outcome = apply(&inner.book, &inner.directory, record, inner.next, now(inner));
    inner.next += 1;
    inner.book = outcome.book;
    // Nobody else writes, so nothing that a command read has moved.
    inner.directory.take(&outcome.result.unwrap().rows);
}
