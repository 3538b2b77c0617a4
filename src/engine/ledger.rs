//! Rows of the ledger: every accepted event, once, with its position.

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::core::properties::Properties;

/// Keyed 128-bit hash of (organisation, external subscription id). The secret belongs to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(pub u128);

/// What a row does to the account it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// An event was accepted.
    Accepted,
    /// A copy with a smaller position was read after the one at `retracted`, and takes its place.
    Replacement {
        /// Position of the copy that no longer counts.
        retracted: Position,
    },
}

/// One row of the ledger, borrowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// What the row does.
    pub kind: RowKind,
    /// The account.
    pub account: AccountKey,
    /// Where the event stands in the logs.
    pub position: Position,
    /// The producer's id.
    pub transaction: &'a str,
    /// Code of the billable metric.
    pub code: &'a str,
    /// When the usage happened.
    pub timestamp: Instant,
    /// Price in cents, for dynamic charges.
    pub precise_cents: Option<Decimal>,
    /// What was used.
    pub properties: Properties<'a>,
}

/// The names behind an account key; written to the ledger when the account is first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountName<'a> {
    /// The tenant.
    pub organization: &'a str,
    /// External subscription id; none for events that carry none.
    pub subscription: Option<&'a str>,
}
