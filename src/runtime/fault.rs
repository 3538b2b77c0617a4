//! Faults that the kill test asks for; no setting, and of no use to anybody else.
//!
//! `ODOMETER_TEST_FAULT=pause_in_commit:MS` marks the beginning and the end of every checkpoint's
//! write in the log and waits a while on both sides of it, so that a kill can be aimed at it.
//! `ODOMETER_TEST_FAULT=positions_early` lets every checkpoint store positions that are one block
//! ahead of its rows: the defect that the kill test has to find.
//! Two more keep slots away at start, so that a test sees what is answered without them; they have
//! no name in the environment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::worker::Handed;

/// The variable that asks for a fault.
const VARIABLE: &str = "ODOMETER_TEST_FAULT";

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The write of a checkpoint is marked, and this much longer before and after it.
    PauseInCommit(Duration),
    /// The newest block of every slot is held back until the next checkpoint, its positions are
    /// not.
    PositionsEarly,
    /// At start only slots that somebody asks for come back.
    UnaskedHeld,
    /// At start no slot comes back, only single accounts that readers ask for.
    SlotsHeld,
}

impl Fault {
    /// What the environment asks for. A word that is none of ours is an error, so that no test
    /// passes because it has misspelt its fault.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Result<Self, String> {
        let Some(text) = environment.get(VARIABLE) else { return Ok(Self::None) };
        if text == "positions_early" {
            return Ok(Self::PositionsEarly);
        }
        let millis = text.strip_prefix("pause_in_commit:").and_then(|ms| ms.parse().ok());
        let pause = millis.map(|millis| Self::PauseInCommit(Duration::from_millis(millis)));
        pause.ok_or_else(|| format!("{VARIABLE} is not understood\n  found \"{text}\""))
    }

    /// Takes away what the checkpoint shall lack.
    pub fn tamper(self, handed: &mut [Handed]) {
        if self != Self::PositionsEarly {
            return;
        }
        for taken in handed.iter_mut().flat_map(|handed| &mut handed.slots) {
            if let Some(held_back) = taken.blocks.pop() {
                taken.head.next_sequence = held_back.sequence;
            }
        }
    }

    /// Whether the next slot may come back; `asked` tells whether somebody waits for it.
    pub fn lets_back(self, asked: bool) -> bool {
        match self {
            Self::None | Self::PauseInCommit(_) | Self::PositionsEarly => true,
            Self::UnaskedHeld => asked,
            Self::SlotsHeld => false,
        }
    }

    /// Does the write of a checkpoint.
    pub fn around<R>(self, write: impl FnOnce() -> R) -> R {
        let Self::PauseInCommit(pause) = self else { return write() };
        tracing::info!("commit begins");
        std::thread::sleep(pause);
        let written = write();
        std::thread::sleep(pause);
        tracing::info!("commit ends");
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_asked_for_by_its_exact_name() {
        let asked = |text: &str| {
            let environment = BTreeMap::from([(VARIABLE.to_owned(), text.to_owned())]);
            Fault::from_environment(&environment)
        };
        assert_eq!(Fault::from_environment(&BTreeMap::new()), Ok(Fault::None));
        assert_eq!(asked("positions_early"), Ok(Fault::PositionsEarly));
        let pause = Fault::PauseInCommit(Duration::from_millis(7));
        assert_eq!(asked("pause_in_commit:7"), Ok(pause));
        for wrong in ["", "positions_late", "pause_in_commit", "pause_in_commit:soon"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }
}
