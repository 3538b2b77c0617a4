//! Accounts that have left memory: the owners of the slots do not know them by name.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::owner::Located;
use super::{Refusal, blocking};
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::{AccountKey, AccountName};
use crate::runtime::shared::Shared;
use crate::store::account::read_name;

/// Adds the accounts of an organisation that are in the store alone and that are wanted, up to so
/// many and one.
///
/// # Errors
///
/// The store cannot be read, or holds what nobody wrote.
pub(super) async fn with_away(
    shared: &Arc<Shared>,
    slot: SlotNumber,
    mut located: Located,
    organization: &str,
    max: usize,
    wanted: impl Fn(AccountKey) -> bool + Send + 'static,
) -> Result<Located, Refusal> {
    if !shared.board.has_left(slot) {
        return Ok(located);
    }
    let (shared, organization) = (Arc::clone(shared), organization.to_owned());
    let read = move || {
        let known: HashSet<AccountKey> = located.accounts.iter().map(|(key, _)| *key).collect();
        let mut damaged = None;
        shared.store.each_totals(slot, None, |key, _, bytes| {
            if known.contains(&key) || !wanted(key) {
                return ControlFlow::Continue(());
            }
            match read_name(bytes) {
                Ok(AccountName { organization: own, subscription }) if own == organization => {
                    located.accounts.push((key, subscription.map(str::to_owned)));
                }
                Ok(_) => {}
                Err(damage) => damaged = Some(damage),
            }
            if damaged.is_some() || located.accounts.len() > max {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok((damaged, located))
    };
    let internal = |error: crate::store::StoreError| Refusal::Internal(error.to_string());
    match blocking(read).await?.map_err(internal)? {
        (None, located) => Ok(located),
        (Some(damage), _) => Err(Refusal::Internal(damage.to_string())),
    }
}
