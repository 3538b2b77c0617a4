//! The accounts of one slot on the board, as the engine changes them.

use super::shared::Shared;
use crate::core::instant::Instant;
use crate::engine::account::Account;
use crate::engine::isolate::isolated;
use crate::engine::ledger::{AccountKey, AccountName};
use crate::engine::slot::Accounts;

/// The accounts of one slot on the board, as its owner changes them.
pub struct OnBoard<'a> {
    /// The service.
    pub shared: &'a Shared,
    /// When the batch is applied.
    pub now: Instant,
    /// Accounts of the slot; new ones are added.
    pub seen: &'a mut Vec<AccountKey>,
}

impl Accounts for OnBoard<'_> {
    fn change(
        &mut self,
        key: AccountKey,
        name: AccountName<'_>,
        change: &mut dyn FnMut(&mut Account, bool),
    ) {
        let catalogue = &self.shared.catalogue;
        let epoch = catalogue.epoch();
        let reframe = |account: &mut Account| {
            // Without rules events are kept, and count once the rules can be read.
            if let Err(panicked) = isolated(|| catalogue.reframe(account, self.now)) {
                tracing::error!(panic = %panicked, "the rules of an account cannot be read");
                account.reframe(None, epoch);
            }
        };
        let make = || {
            let mut account = Account::new(name);
            reframe(&mut account);
            Some(account)
        };
        let made = self.shared.board.change(key, make, |account, new| {
            if account.epoch != epoch {
                reframe(account);
            }
            change(account, new);
            new
        });
        if made == Some(true) {
            self.seen.push(key);
        }
    }
}
