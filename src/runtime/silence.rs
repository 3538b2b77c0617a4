//! Partitions about which the client has fallen silent.
//!
//! When a broker goes away right after partitions were assigned, librdkafka may come back to it and
//! fetch nothing any more, for ever and without an error. The kill rig has seen it. Only the broker
//! can tell: it has more, and nothing comes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Stopwatch;
use crate::core::position::Source;

/// How far each partition was when it was looked at, and since when.
#[derive(Debug)]
pub struct Silence {
    max: Duration,
    seen: BTreeMap<Source, (i64, Stopwatch)>,
}

impl Silence {
    /// A look-out for partitions that stand still for longer than this.
    pub fn new(max: Duration) -> Self {
        Self { max, seen: BTreeMap::new() }
    }

    /// Which of these have stood still for too long although there is more, given the next offset
    /// of each. A partition is told once, and again if it has not moved after the same time.
    pub fn find(
        &mut self,
        standing: impl Iterator<Item = (Source, i64)>,
        mut has_more: impl FnMut(Source, i64) -> bool,
    ) -> Vec<Source> {
        let mut before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for (source, next) in standing {
            let mut since = Stopwatch::start();
            match before.remove(&source) {
                Some((old, watch)) if old == next && watch.elapsed() < self.max => since = watch,
                Some((old, _)) if old == next && has_more(source, next) => silent.push(source),
                _ => {}
            }
            self.seen.insert(source, (next, since));
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Source = Source::new(0, 1);
    const TWO: Source = Source::new(0, 2);

    #[test]
    fn who_stands_still_although_there_is_more_is_silent() {
        let mut silence = Silence::new(Duration::ZERO);
        let mut look = |at: &[(Source, i64)]| silence.find(at.iter().copied(), |_, next| next < 9);
        assert_eq!(look(&[(ONE, 5), (TWO, 9)]), [], "seen for the first time");
        assert_eq!(look(&[(ONE, 5), (TWO, 9)]), [ONE], "the other one is at its end");
        assert_eq!(look(&[(ONE, 6), (TWO, 9)]), [], "it has moved");
        assert_eq!(look(&[(ONE, 6)]), [ONE]);
        assert_eq!(look(&[(ONE, 6)]), [ONE], "and is told again");
        assert_eq!(look(&[]), []);
        assert_eq!(look(&[(ONE, 6)]), [], "it was away in between");
    }

    #[test]
    fn a_short_silence_is_none() {
        let mut silence = Silence::new(Duration::from_hours(1));
        for _ in 0..3 {
            assert_eq!(silence.find([(ONE, 5)].into_iter(), |_, _| true), []);
        }
    }
}
