//! Time-weighted sums with what is carried into them (5.9).

use super::bytes::{put_option, take_option};
use super::ordered::{Amount, Ordered, Since};
use super::repair::Repair;
use super::weighted::{Weighted, Weights};
use super::{Seen, Span};
use crate::core::aggregate::figures;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;

/// A weighted sum and what it begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carrying {
    /// Σ of the values in the stretches before the window; none without an event there.
    carried: Option<Decimal>,
    window: Ordered<Weighted>,
}

impl Carrying {
    /// Takes an event of the window, or of a stretch before it.
    pub fn add(&mut self, span: &Span<'_>, seen: &Seen<'_>) {
        if seen.in_window {
            let amount = Amount { at: seen.at(), value: seen.value.clone() };
            let weights = Weights { frame: &span.frame, initial: &self.initial() };
            if seen.again {
                self.window.replay(&weights, amount);
            } else {
                self.window.insert(&weights, amount);
            }
        } else if !seen.again {
            *self.carried.get_or_insert_default() += &seen.value;
        }
    }

    /// The value that the window begins with.
    fn initial(&self) -> Decimal {
        self.carried.clone().unwrap_or_default()
    }

    fn reading(&self, span: &Span<'_>) -> Weighted {
        self.window.reading(&Weights { frame: &span.frame, initial: &self.initial() })
    }

    /// The weighted sum, unrounded.
    pub fn value(&self, span: &Span<'_>) -> Decimal {
        self.reading(span).value(&span.frame)
    }

    /// What its figures are made of.
    pub fn parts(&self, span: &Span<'_>) -> figures::Weighted {
        let reading = self.reading(span);
        figures::Weighted {
            value: reading.value(&span.frame),
            count: Decimal::from(reading.count()),
            variation: reading.variation().clone(),
            initial: self.initial(),
            latest: reading.latest(),
        }
    }

    /// What mends it after an event that came too late.
    pub fn repair(&self, span: &Span<'_>) -> Option<Repair> {
        let since = self.window.since(&Weights { frame: &span.frame, initial: &self.initial() })?;
        Some(Repair::From(match since {
            Since::Beginning => span.frame.lower(),
            Since::After((at, _)) => at,
        }))
    }

    /// Goes back to where a repair begins.
    pub fn rewind(&mut self, span: &Span<'_>) {
        let initial = self.initial();
        self.window.rewind(&Weights { frame: &span.frame, initial: &initial });
    }

    /// Ends a repair.
    pub const fn settle(&mut self) {
        self.window.settle();
    }

    /// A copy that reads alike.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { carried: self.carried.clone(), window: self.window.snapshot() }
    }

    /// The same at a later window that carries all of this one.
    #[must_use]
    pub fn roll(&self, old: &Span<'_>) -> Self {
        let reading = self.reading(old);
        let carries = self.carried.is_some() || reading.count() > 0;
        Self {
            carried: carries.then(|| self.initial() + reading.variation()),
            window: Ordered::default(),
        }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.window.weight()
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_option(out, self.carried.as_ref(), |out, carried| carried.write_bytes(out));
        self.window.write_bytes(out);
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let carried = take_option(bytes, Decimal::read_bytes)?;
        Some(Self { carried, window: Ordered::read_bytes(bytes)? })
    }
}

/// Whether what a window carries is all that the one before it carried, and all of that one: then
/// the sum at its end is what the later one begins with. Nothing lies between the two.
pub fn carries_on(old: &Span<'_>, new: &Span<'_>) -> bool {
    let own = (old.frame.lower(), old.frame.to);
    let upto = |stretches: &[(Instant, Instant)]| {
        let cut = stretches.iter().map(|(from, to)| (*from, (*to).min(old.frame.to)));
        cut.collect::<Vec<_>>()
    };
    let mut expected = upto(old.stretches);
    expected.push(own);
    joined(expected) == joined(upto(new.stretches))
}

/// The same instants as stretches in order that neither meet nor touch.
fn joined(mut stretches: Vec<(Instant, Instant)>) -> Vec<(Instant, Instant)> {
    stretches.retain(|(from, to)| from <= to);
    stretches.sort_unstable();
    let mut joined: Vec<(Instant, Instant)> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match joined.last_mut().filter(|last| from <= last.1.plus_micros(1)) {
            Some(last) => last.1 = last.1.max(to),
            None => joined.push((from, to)),
        }
    }
    joined
}
