//! Faults that a test plants on purpose, to show that it would find them.
//!
//! Without the cargo feature `mutations`, [`planted`] is a constant `false` and leaves nothing in
//! the program. With it, one fault at a time can be switched on, for the whole process.

macro_rules! faults {
    (
        rules { $($(#[$meaning:meta])* $name:ident,)+ }
        steps { $($(#[$step_meaning:meta])* $step:ident,)+ }
    ) => {
        /// What can be done wrong, each at the one place that names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$meaning])* $name,)+
            $($(#[$step_meaning])* $step,)+
        }

        impl Fault {
            /// Rules that are broken: answers tell, whatever happens to the process.
            pub const RULES: &'static [Self] = &[$(Self::$name,)+];
            /// Steps that are left out, or taken in the wrong order: crashes tell.
            pub const STEPS: &'static [Self] = &[$(Self::$step,)+];
        }
    };
}

faults! {
rules {
    /// An event at the first instant of a window does not count (4.7).
    WindowOpensLate,
    /// An event at the last instant of a window does not count (4.7).
    WindowClosesEarly,
    /// A window reaches back to before the start of its subscription (3.6).
    WindowBeforeStart,
    /// Periods that begin on the 29th to 31st begin on the 28th (3.3).
    MonthEndMoved,
    /// A further copy of a transaction counts as well (4.6).
    DuplicateCounts,
    /// A copy of a transaction that comes first, but is read later, is dropped (4.6).
    ReplacementDropped,
    /// Recurring metrics carry nothing into the next window (5.4).
    CarryForgotten,
    /// A late event of a recurring metric stays out of the windows after its own (5.4).
    LateEventNotCarried,
    /// Events that no kept window holds are forgotten.
    LeftOutForgotten,
    /// Totals outlive the rules that they were folded under.
    StaleTotals,
    /// An event that a narrower filter takes counts in the wider one, too (6.3).
    OverlapCountsTwice,
    /// The stand-in for all values is taken for a value (6.3).
    AllValuesLiteral,
    /// What filters take counts in the default bucket, too (6.3).
    FilterMissed,
    /// Empty group values are a group beside that of missing ones (6.4).
    EmptyGroupApart,
    /// A text with spaces around its number is valid (4.2).
    SpacedNumber,
    /// Of a value's events at one instant the first one decides (5.8).
    UniqueTieFirst,
    /// An operation that is not known adds its value (5.8).
    UnknownOperationAdds,
    /// Of events at one instant the first one is the latest (5.7).
    LatestTieFirst,
    /// A maximum is 0 at least (5.6).
    MaximumNotNegative,
    /// A weighted sum ends with the last full second of its window (5.9).
    LastSecondLost,
    /// A prorated sum leaves out the last day that units are present (5.10).
    LastDayLost,
    /// The highest level billed in advance sinks with the level (5.12).
    BilledLevelSinks,
    /// The metric's rounding spares the quantity that is priced (5.3).
    RoundingForgotten,
    /// The event after the last free one is free, too (6.9).
    OneMoreFreeEvent,
    /// A tier that is just filled opens the next one (6.6).
    NextTierOpened,
    /// A package counts when it is used up, rather than when it is begun (6.6).
    BegunPackageFree,
    /// Amounts are rounded to a tenth of the smallest unit before they are rounded to it (6.7).
    RoundedOnceMore,
    /// Amounts in pricing units are not rounded before they are converted (6.7).
    ConvertedUnrounded,
    /// Taxes are rounded one by one rather than once (7).
    TaxRoundedEach,
    /// A saved prefix outlives an event that should have been in it.
    MarkOutlivesLateEvent,
    /// A repair takes up an older prefix than the one that it reads on from.
    RepairReadsTooLittle,
    /// The widest level that has taxes wins, rather than the narrowest (7).
    TaxLevelPassed,
}
steps {
    /// A checkpoint stores positions that are one block ahead of its rows.
    PositionsStoredEarly,
    /// Heads and blocks are written one after the other.
    CommitInTwo,
    /// A checkpoint is called durable before it is on disk.
    CommitNotSynced,
    /// Ids are called stored and are not.
    IdsNotStored,
    /// Ids of blocks that the index does not include are not taken back at a start.
    IdsLeftAtStart,
    /// The first block after the saved totals is not folded at a start.
    BlockLeftAtStart,
    /// A copy that took the place of another one is folded beside it at a start.
    ReplacementLostAtStart,
    /// Blocks are dropped from the tail before the history that holds them is visible.
    TailDroppedEarly,
    /// Chunks of a merge that was cut short stay where they are.
    UnfinishedMergeKept,
    /// A slot applies again what it has applied.
    RedeliveryApplied,
    /// Reading begins where the slot that is furthest ahead stands.
    ReadFromFurthest,
    /// Reading begins without the log time that was reached.
    LogTimeLostAtStart,
    /// Events that were set aside stay so if their organisation appeared before a start.
    AsideLeftAtStart,
    /// Refused records are not written.
    RejectedNotStored,
}
}

/// Where a record can be made to panic, to show that this costs nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stumble {
    /// While it is decoded.
    Decode,
    /// When it has just been counted and is not in the ledger yet.
    Fold,
    /// When it has been counted and is as good as in the ledger's open block.
    Append,
    /// When it has just been added to a total, be it from the log or from the ledger.
    Total,
}

impl Stumble {
    /// The text that makes a record panic there.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Decode => "odometer-panics-in-decode",
            Self::Fold => "odometer-panics-in-fold",
            Self::Append => "odometer-panics-in-append",
            Self::Total => "odometer-panics-in-total",
        }
    }
}

/// Panics for a record that asks for it with this text; never in a build that serves.
#[cfg(not(any(test, feature = "mutations")))]
#[inline]
pub const fn stumble(_: Stumble, _: &[u8]) {}

/// Whether the defect that makes records panic is mended.
#[cfg(feature = "mutations")]
pub static MENDED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Panics for a record that asks for it with this text.
///
/// # Panics
///
/// That is what it is for.
#[cfg(any(test, feature = "mutations"))]
pub fn stumble(place: Stumble, bytes: &[u8]) {
    #[cfg(feature = "mutations")]
    if MENDED.load(std::sync::atomic::Ordering::SeqCst) {
        return;
    }
    let mark = memchr::memmem::find(bytes, place.mark().as_bytes());
    assert!(mark.is_none(), "a planted panic in {place:?}");
}

#[cfg(not(feature = "mutations"))]
mod switch {
    use super::Fault;

    /// Whether this fault is planted: never in this build.
    #[inline]
    pub const fn planted(_: Fault) -> bool {
        false
    }
}

#[cfg(feature = "mutations")]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Fault;

    /// One above the index of the planted fault; 0 for none.
    static PLANTED: AtomicUsize = AtomicUsize::new(0);

    /// Whether this fault is planted.
    pub fn planted(fault: Fault) -> bool {
        PLANTED.load(Ordering::Relaxed) == number(Some(fault))
    }

    /// Plants a fault in place of the one before; none for a program as it should be.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.store(number(fault), Ordering::SeqCst);
    }

    fn number(fault: Option<Fault>) -> usize {
        fault.map_or(0, |fault| fault as usize + 1)
    }
}

pub use switch::*;
