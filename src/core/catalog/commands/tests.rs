//! Laws of the write path: what two writers do to one another.

use uuid::Uuid;

use super::*;
use crate::core::catalog::Organization;
use crate::core::catalog::apply::apply;
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::MemoryDirectory;
use crate::core::catalog::record::{Body, Change, Entity};
use crate::core::instant::Instant;
use crate::core::value::Value;

/// A catalogue that several writers look at before any of their records is applied.
struct Log {
    book: Book,
    directory: MemoryDirectory,
    next: i64,
}

impl Log {
    fn new() -> Self {
        let mut log =
            Self { book: Book::default(), directory: MemoryDirectory::default(), next: 0 };
        let body =
            Body::Organization(Organization { external_id: "org".into(), ..Default::default() });
        let entity = Entity { organization: "org".into(), body };
        assert!(log.append(Record { changes: vec![Change::Put(entity)], expects: vec![] }));
        log
    }

    fn decide<C: Command>(&self, command: &C) -> Result<Decision<C::Reply>, Refusal> {
        let tenant = self.book.tenant("org").unwrap();
        let now = Instant::from_seconds(1_700_000_000 + self.next);
        command.decide(&State::new(tenant, &self.directory, now, Uuid::from_u128(7)))
    }

    /// Whether the record has done something.
    fn append(&mut self, record: Record) -> bool {
        let at = Instant(self.next);
        let outcome = apply(&self.book, &self.directory, record, self.next, at);
        self.next += 1;
        self.book = outcome.book;
        outcome.result.map(|applied| self.directory.take(&applied.rows)).is_ok()
    }

    fn run<C: Command>(&mut self, command: &C) -> Result<C::Reply, Refusal> {
        let decision = self.decide(command)?;
        assert!(self.append(decision.record));
        Ok(decision.reply)
    }
}

fn object(members: &[(&str, &str)]) -> Value {
    let member = |(name, text): &(&str, &str)| ((*name).into(), Value::Text((*text).into()));
    Value::Object(members.iter().map(member).collect())
}

fn tax(code: &str) -> CreateTax {
    CreateTax { input: object(&[("name", "n"), ("code", code), ("rate", "1")]) }
}

fn rename(from: &str, to: &str) -> UpdateTax {
    UpdateTax { code: from.into(), input: object(&[("code", to)]) }
}

#[test]
fn one_of_two_writers_of_a_code_wins_and_the_other_comes_second() {
    let taken = Refusal::invalid("code", "value_already_exist");
    let mut log = Log::new();
    log.run(&tax("old")).unwrap();
    log.run(&tax("older")).unwrap();
    let (first, second) = (log.decide(&tax("new")).unwrap(), log.decide(&tax("new")).unwrap());
    let renamed = log.decide(&rename("old", "new")).unwrap();
    let renamed_too = log.decide(&rename("older", "new")).unwrap();
    assert!(log.append(first.record));
    for late in [second.record, renamed.record, renamed_too.record] {
        assert!(!log.append(late));
    }
    assert_eq!(log.decide(&tax("new")).unwrap_err(), taken);
    assert_eq!(log.decide(&rename("old", "new")).unwrap_err(), taken);
}

#[test]
fn a_code_that_becomes_free_while_it_is_taken_is_free() {
    let mut log = Log::new();
    log.run(&tax("a")).unwrap();
    let again = log.decide(&tax("b")).unwrap();
    log.run(&rename("a", "c")).unwrap();
    assert!(log.append(again.record));
    log.run(&tax("a")).unwrap();
}

#[test]
fn changes_of_the_same_entity_do_not_overwrite_one_another() {
    let mut log = Log::new();
    log.run(&tax("a")).unwrap();
    let named = UpdateTax { code: "a".into(), input: object(&[("name", "x")]) };
    let rated = UpdateTax { code: "a".into(), input: object(&[("rate", "2")]) };
    let (first, second) = (log.decide(&named).unwrap(), log.decide(&rated).unwrap());
    let deleted = log.decide(&DeleteTax { code: "a".into() }).unwrap();
    assert!(log.append(first.record));
    assert!(!log.append(second.record));
    assert!(!log.append(deleted.record));
    let both = log.run(&rated).unwrap().tax;
    assert_eq!((both.name.as_str(), both.rate.to_string()), ("x", "2.0".to_owned()));
}

#[test]
fn identifiers_ascend_within_a_command_and_over_time() {
    let log = Log::new();
    let tenant = log.book.tenant("org").unwrap();
    let ids = |seconds, seed| -> Vec<Uuid> {
        let now = Instant::from_seconds(seconds);
        let state = State::new(tenant, &log.directory, now, Uuid::from_u128(seed));
        (0..3_000).map(|_| state.new_id()).collect()
    };
    let (early, late) = (ids(1_700_000_000, 1), ids(1_700_000_001, 0));
    assert!(early.is_sorted());
    assert!(early.last() < late.first());
    assert_ne!(ids(1_700_000_000, 2)[0], early[0]);
    assert_eq!(ids(1_700_000_000, 1), early);
}
