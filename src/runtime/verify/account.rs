//! One account: its events, its digest, its totals and its ids.

use std::collections::{BTreeSet, HashSet};

use super::Subject;
use super::findings::{Difference, Findings};
use super::ids::IdCheck;
use super::tail::Gathered;
use super::totals::Refold;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::Date;
use crate::core::position::Position;
use crate::engine::account::{Account, Folding};
use crate::engine::digest::Digest;
use crate::engine::keys::{names_hash, slot_of};
use crate::engine::ledger::{AccountKey, Row};
use crate::store::account::decode_account;
use crate::store::{KeptName, LedgerView, RowSet, SlotState, StoreError};

/// Microseconds of a day in UTC.
const DAY: i64 = 86_400 * SECOND;

/// What the accounts of a slot add up to.
#[derive(Default)]
pub struct Sums {
    /// Digest of the events that count.
    pub digest: Digest,
    /// Events that count.
    pub events: u64,
    /// Rows, replaced ones included, as the accounts say.
    pub rows: u64,
    /// Whether an account could not be read as a whole, so that the sums say nothing.
    pub partial: bool,
}

/// What an account is checked with.
pub struct Checking<'a> {
    pub subject: &'a Subject,
    pub slot: u8,
    pub state: &'a SlotState,
    pub ledger: &'a LedgerView<'a>,
    pub folding: Folding,
    pub ids: IdCheck<'a>,
    pub sums: Sums,
    pub findings: Findings,
}

/// The rows of an account that no chunk holds, by what knows of them.
struct Unmerged {
    /// Those that the saved totals include, sorted.
    before: RowSet,
    /// Those that came later.
    after: RowSet,
    /// Positions that later ones retracted.
    gone: HashSet<Position>,
    /// Those that the index of ids need not know yet, and what they retracted.
    fresh: HashSet<Position>,
    retracted_fresh: BTreeSet<Position>,
}

impl Unmerged {
    fn split(gathered: &Gathered, totals_upto: u64, ids_upto: u64) -> Self {
        let (mut before, mut after) = (RowSet::default(), RowSet::default());
        let (mut fresh, mut newest) = (HashSet::new(), RowSet::default());
        for (row, sequence) in gathered.rows.iter().zip(&gathered.sequences) {
            let part = if *sequence < totals_upto { &mut before } else { &mut after };
            part.push(&row);
            if *sequence >= ids_upto {
                fresh.insert(row.position);
                newest.push(&row);
            }
        }
        before.sort();
        let (gone, retracted_fresh) = (after.retracted().collect(), newest.retracted().collect());
        Self { before, after, gone, fresh, retracted_fresh }
    }
}

impl Checking<'_> {
    /// Checks one account. `name` is what the blocks say of it.
    pub fn account(&mut self, key: AccountKey, name: Option<&KeptName>, gathered: &Gathered) {
        self.findings.tally.accounts += 1;
        let saved = self.saved(key);
        let name = match self.ledger.name(key) {
            Ok(Some(name)) => Some(name),
            Ok(None) | Err(_) => {
                name.cloned().or_else(|| saved.as_ref().map(|(_, own)| named(own)))
            }
        };
        let Some(name) = name else {
            let what = "its events have no name".to_owned();
            return self.unreadable(key, format!("account {:032x}", key.0), what);
        };
        let shown = match &name.subscription {
            Some(subscription) => format!("account {} / {subscription}", name.organization),
            None => format!("account {} without a subscription", name.organization),
        };
        let subscription = name.subscription.as_deref();
        let names = names_hash(&name.organization, subscription);
        let own = self.subject.hasher.account(&name.organization, subscription) == key
            && slot_of(names, u16::from(self.subject.store.slots())) == self.slot;
        let agrees = saved.as_ref().is_none_or(|(_, account)| named(account) == name);
        if !own || !agrees {
            return self.unreadable(key, shown, "it is kept under another name".to_owned());
        }
        let upto = saved.as_ref().map_or(0, |(upto, _)| *upto);
        let parts = Unmerged::split(gathered, upto, self.state.ids_upto);
        let result = self.events(key, (&name, &shown), names, saved.as_ref(), &parts);
        if let Err(error) = result {
            self.unreadable(key, shown, error.to_string());
        }
    }

    /// The saved account and the sequence it includes all before.
    fn saved(&mut self, key: AccountKey) -> Option<(u64, Account)> {
        let saved = match self.subject.store.totals(self.slot, key) {
            Ok(saved) => saved?,
            Err(error) => {
                self.differ("totals", format!("account {:032x}", key.0), error.to_string());
                return None;
            }
        };
        match decode_account(&saved.bytes) {
            Ok(account) => Some((saved.upto, account)),
            Err(damage) => {
                self.differ("totals", format!("account {:032x}", key.0), damage.to_string());
                None
            }
        }
    }

    fn events(
        &mut self,
        key: AccountKey,
        (name, shown): (&KeptName, &str),
        names: u64,
        saved: Option<&(u64, Account)>,
        parts: &Unmerged,
    ) -> Result<(), StoreError> {
        let mut refold =
            saved.map(|(_, account)| Refold::of(self.subject, account, &mut self.findings.tally));
        let (mut digest, mut events, mut later) = (Digest::default(), 0_u64, Digest::default());
        let mut stream = self.ledger.events(key, &parts.before, (Instant::MIN, Instant::MAX))?;
        while let Some(row) = stream.next_row()? {
            let share = Digest::of(names, row.transaction, &row.position);
            digest.add(share);
            events += 1;
            if let Some(refold) = &mut refold {
                refold.fold(&row, &mut self.folding);
            }
            if parts.gone.contains(&row.position) {
                later.remove(share);
            } else {
                self.counts(key, (name, shown), names, &row, parts);
            }
        }
        let known = events;
        for row in parts.after.iter().filter(|row| !parts.gone.contains(&row.position)) {
            later.add(Digest::of(names, row.transaction, &row.position));
            self.counts(key, (name, shown), names, &row, parts);
        }
        self.compare(key, shown, saved, (digest, known));
        if let Some(refold) = refold {
            for what in refold.compare(self.slot, key, &mut self.findings.tally) {
                self.differ("totals", shown.to_owned(), what);
            }
        }
        digest.add(later);
        self.sums.digest.add(digest);
        self.sums.rows += saved.map_or(0, |(_, account)| account.rows);
        self.sums.rows += parts.after.len() as u64;
        Ok(())
    }

    /// An event that counts.
    fn counts(
        &mut self,
        key: AccountKey,
        (name, shown): (&KeptName, &str),
        names: u64,
        row: &Row<'_>,
        parts: &Unmerged,
    ) {
        self.sums.events += 1;
        self.findings.tally.events += 1;
        let floor = self.subject.floors.as_ref().and_then(|all| all.get(&row.position.source));
        if floor.is_some_and(|floor| row.position.offset >= *floor) {
            self.findings.ranges.add(names, row.transaction, &row.position);
        }
        if name.subscription.is_some() {
            let id = self.subject.hasher.id(key, &name.organization, row.transaction);
            if self.subject.floors.is_some() && parts.fresh.contains(&row.position) {
                self.findings.unindexed.insert(id.identity, row.position);
            }
            let lagging =
                parts.fresh.contains(&row.position).then(|| parts.retracted_fresh.clone());
            self.ids.want(id, row.position, lagging, shown, &mut self.findings);
        }
    }

    /// Compares what was saved of the account's events with what the ledger has of them.
    fn compare(
        &mut self,
        key: AccountKey,
        shown: &str,
        saved: Option<&(u64, Account)>,
        (digest, events): (Digest, u64),
    ) {
        let (rows, state) =
            saved.map_or((0, Digest::default()), |(_, saved)| (saved.rows, saved.state));
        if digest == state && events <= rows {
            return;
        }
        let what = format!("{rows} rows are saved, the ledger has {events} events of other digest");
        self.differ_in_history(key, shown.to_owned(), what);
    }

    /// An account whose events cannot be read as a whole.
    fn unreadable(&mut self, key: AccountKey, shown: String, what: String) {
        self.sums.partial = true;
        self.differ_in_history(key, shown, what);
    }

    /// Looks for what is wrong with the history itself, and tells that, or else what was seen.
    fn differ_in_history(&mut self, key: AccountKey, shown: String, what: String) {
        match self.ledger.flaw(key) {
            Ok(Some(flaw)) => {
                let month = flaw.at().map_or(String::new(), |at| format!(", {}", month(at)));
                self.differ("chunk", format!("{shown}{month}"), flaw.to_string());
            }
            Ok(None) => self.differ("account", shown, what),
            Err(error) => self.differ("account", shown, error.to_string()),
        }
    }

    fn differ(&mut self, kind: &'static str, place: String, what: String) {
        self.findings.differ(Difference::new(Some(self.slot), kind, place, what));
    }
}

fn named(account: &Account) -> KeptName {
    account.name().into()
}

/// The month of an instant, as text.
fn month(at: Instant) -> String {
    let days = i32::try_from(at.micros().div_euclid(DAY)).unwrap_or_default();
    let (year, month, _) = Date::from_days(days).ymd();
    format!("month {year:04}-{month:02}")
}
