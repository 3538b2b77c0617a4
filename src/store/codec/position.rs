//! A position on disk: log time zigzag | topic label u16 big endian | partition varint |
//! offset zigzag | index varint. About 15 bytes.

use crate::core::instant::Instant;
use crate::core::position::{Position, Source};

use super::{Damage, Input, put_varint, put_zigzag};

/// Appends a position.
pub fn write_position(out: &mut Vec<u8>, position: Position) {
    put_zigzag(out, position.log_time.0);
    out.extend(position.source.topic().to_be_bytes());
    put_varint(out, u64::from(position.source.partition()));
    put_zigzag(out, position.offset);
    put_varint(out, u64::from(position.index));
}

/// Reads a position that is all of `bytes`.
pub fn read_position(bytes: &[u8]) -> Result<Position, Damage> {
    let mut input = Input(bytes);
    let position = take_position(&mut input)?;
    input.end("position")?;
    Ok(position)
}

/// Reads the next position.
pub(crate) fn take_position(input: &mut Input<'_>) -> Result<Position, Damage> {
    const WHAT: &str = "position";
    let log_time = Instant(input.zigzag(WHAT)?);
    let topic = u16::from_be_bytes(input.array(WHAT)?);
    let partition = u16::try_from(input.varint(WHAT)?).map_err(|_| Damage::Unreadable(WHAT))?;
    Ok(Position {
        log_time,
        source: Source::new(topic, partition),
        offset: input.zigzag(WHAT)?,
        index: input.varint32(WHAT)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_come_back(log_time: i64, source: u32, offset: i64, index: u32) {
            let position = Position {
                log_time: Instant(log_time), source: Source(source), offset, index,
            };
            let mut out = Vec::new();
            write_position(&mut out, position);
            prop_assert_eq!(read_position(&out), Ok(position));
            for end in 0..out.len() {
                prop_assert!(read_position(&out[..end]).is_err());
            }
        }
    }

    #[test]
    fn a_usual_position_is_short() {
        let mut out = Vec::new();
        write_position(
            &mut out,
            Position {
                log_time: Instant(1_750_000_000_123_000),
                source: Source::new(0x8000, 11),
                offset: 1_000_000,
                index: 0,
            },
        );
        assert!(out.len() <= 16, "{} bytes", out.len());
    }
}
