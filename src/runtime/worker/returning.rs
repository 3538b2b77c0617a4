//! How an owner has its slots back at start: step by step, and between two steps it obeys.
//!
//! Accounts that a reader waits for come first, then slots that somebody waits for, then the
//! others. A slot that is under way is left where it stands when another one is asked for, unless
//! it is asked for itself: then it is the next one to be through. Commands for slots that are not
//! back wait here; batches wait until all slots are back.

use std::collections::VecDeque;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::{COMMANDS_WAITING_MAX, Command, Worker};
use crate::engine::keys::SlotNumber;
use crate::runtime::fatal::Fatal;
use crate::runtime::recovery::Recovery;
use crate::runtime::sweeper::Swept;

/// Pause between two looks at what is asked for, while a fault keeps the other slots away.
const HELD_PAUSE: Duration = Duration::from_millis(1);

/// The slots that are not back, and what waits for them.
#[derive(Default)]
pub(super) struct Returning {
    /// In ascending order, which is the order in which they are back if nobody asks.
    missing: Vec<Recovery>,
    /// The slot that is under way.
    current: Option<SlotNumber>,
    /// Commands for slots that are not back.
    waiting: VecDeque<Command>,
}

impl Returning {
    fn find(&self, slot: SlotNumber) -> Option<usize> {
        self.missing.iter().position(|recovery| recovery.number() == slot)
    }
}

impl Worker {
    /// Has these slots back. Returns false if it was told to end before.
    pub(super) fn return_slots(
        &mut self,
        slots: &[SlotNumber],
        ids_bytes_max: usize,
        commands: &Receiver<Command>,
    ) -> Result<bool, Fatal> {
        self.begin(slots, ids_bytes_max)?;
        while !self.is_back() {
            while self.returning.waiting.len() < COMMANDS_WAITING_MAX {
                match commands.try_recv() {
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Ok(false),
                    Ok(command) => self.obey_meanwhile(command),
                    Err(TryRecvError::Empty) => break,
                }
            }
            if self.take_step()? {
                continue;
            }
            match commands.recv_timeout(HELD_PAUSE) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Ok(command) => self.obey_meanwhile(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(true)
    }

    /// Begins to have these slots back. Each may hold so many bytes of ids in memory.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn begin(&mut self, slots: &[SlotNumber], ids_bytes_max: usize) -> Result<(), Fatal> {
        for slot in slots {
            let recovery = Recovery::begin(&self.shared, *slot, ids_bytes_max)?;
            self.returning.missing.push(recovery);
        }
        Ok(())
    }

    /// Whether all its slots are back.
    pub fn is_back(&self) -> bool {
        self.returning.missing.is_empty()
    }

    /// Obeys, or puts the command off until its slot is back.
    pub fn take(&mut self, command: Command) {
        if self.is_back() { self.obey(command) } else { self.obey_meanwhile(command) }
    }

    /// Takes the step that is most wanted. Returns whether there was one to take.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn take_step(&mut self) -> Result<bool, Fatal> {
        // When the service stops there is no use in what is not back.
        if self.shared.is_stopping() {
            return Ok(false);
        }
        let Self { shared, returning, folding, .. } = self;
        if let Some(recovery) = returning.missing.iter_mut().find(|one| one.is_wanted()) {
            recovery.bring_back(shared, folding)?;
            shared.wake();
            return Ok(true);
        }
        let Some(at) = self.next_missing() else { return Ok(false) };
        let Self { shared, returning, folding, .. } = self;
        let recovery = &mut returning.missing[at];
        let slot = recovery.number();
        returning.current = Some(slot);
        if recovery.step(shared, folding)? {
            let owned = returning.missing.remove(at).finish();
            owned.announce(&shared.board);
            self.slots.push(owned);
            self.shared.wake();
            self.obey_waiting(slot);
        }
        Ok(true)
    }

    /// The slot whose turn it is; none if a fault keeps it away.
    fn next_missing(&self) -> Option<usize> {
        let Returning { missing, current, .. } = &self.returning;
        let current = current.and_then(|slot| self.returning.find(slot));
        let is_asked = |at: &usize| self.shared.is_asked(missing[*at].number());
        let asked = current.filter(is_asked).or_else(|| (0..missing.len()).find(is_asked));
        let next = asked.or(current).unwrap_or(0);
        self.shared.fault.lets_back(asked.is_some()).then_some(next)
    }

    /// Obeys, or puts the command off until its slot is back.
    fn obey_meanwhile(&mut self, command: Command) {
        let slot = match &command {
            Command::Recall(slot, _)
            | Command::Cut(slot, ..)
            | Command::Rebuild(slot, ..)
            | Command::Sweep { slot, .. }
            | Command::Events(slot, _) => *slot,
            _ => return self.obey(command),
        };
        let Some(at) = self.returning.find(slot) else { return self.obey(command) };
        match command {
            Command::Recall(_, account) => {
                self.shared.ask_for(slot);
                self.returning.missing[at].want(account);
            }
            // Nobody waits for it.
            Command::Sweep { reply, .. } => {
                let _ = reply.send(Swept::Busy);
            }
            // Whoever waits for it asks again.
            Command::Rebuild(..) => self.shared.ask_for(slot),
            command => {
                self.shared.ask_for(slot);
                self.returning.waiting.push_back(command);
            }
        }
    }

    /// Obeys what has waited for a slot.
    fn obey_waiting(&mut self, slot: SlotNumber) {
        for command in std::mem::take(&mut self.returning.waiting) {
            match command {
                Command::Cut(own, ..) | Command::Events(own, _) if own == slot => {
                    self.obey(command);
                }
                command => self.returning.waiting.push_back(command),
            }
        }
    }
}
