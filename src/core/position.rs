//! Where a record stands in the logs: the order that decides everything "arrival" would decide.

use super::instant::Instant;

/// The position of one event (specification 10.4), compared field by field in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Greatest record timestamp seen so far in the partition, this record included.
    pub log_time: Instant,
    /// The partition the record lies in.
    pub source: Source,
    /// Offset of the record in its partition.
    pub offset: i64,
    /// Place of the event inside a record that holds several, from 0.
    pub index: u32,
}

/// A partition, numbered so that numbers compare as (topic name, partition) do.
///
/// The upper half labels the topic: a topic that is added later gets a label between those of its
/// neighbours by name, so labels never change and every store orders the same records the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u32);

impl Source {
    /// The partition with this number of the topic with this label.
    pub const fn new(topic: u16, partition: u16) -> Self {
        Self(((topic as u32) << 16) | partition as u32)
    }

    /// The label of the topic.
    pub const fn topic(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The partition's number inside its topic.
    pub const fn partition(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_compare_by_log_time_then_partition_then_offset() {
        let at = |log_time, partition, offset| Position {
            log_time: Instant(log_time),
            source: Source::new(0, partition),
            offset,
            index: 0,
        };
        // The worked example of specification 10.4.
        let mut read = [at(100, 0, 8), at(100, 0, 7), at(95, 1, 3)];
        read.sort();
        assert_eq!(read, [at(95, 1, 3), at(100, 0, 7), at(100, 0, 8)]);
    }
}
