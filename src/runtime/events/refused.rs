//! Refused records that carried a transaction id: those kept are searched from the newest on.

use serde_json::Value;

pub use crate::store::Rejected;
use crate::store::{Store, StoreError};

/// Refused records that one question looks at. They lie under no index, since most carry no id.
pub const REFUSED_LOOKED_AT_MAX: u64 = 20_000;
/// Bytes of them that one question reads; records may be as long as the log takes.
const REFUSED_BYTES_MAX: usize = 32 << 20;
/// Records that one step back looks at.
const STEP: u64 = 256;
/// Refused records of one answer.
const REFUSED_TOLD_MAX: usize = 100;

/// What was found among the refused records, and where it was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedCopies {
    /// The newest first.
    pub records: Vec<Rejected>,
    /// Records looked at, the newest ones.
    pub looked_at: u64,
    /// Records kept in all.
    pub kept: u64,
}

/// Searches the refused records of an organisation for a transaction id, and for an external
/// subscription id if one is named.
///
/// # Errors
///
/// What the store reports.
pub fn refused_copies(
    store: &Store,
    organization: &str,
    transaction: &str,
    subscription: Option<&str>,
) -> Result<RefusedCopies, StoreError> {
    let state = store.rejected_state();
    let kept = state.next - state.first;
    let mut found = RefusedCopies { kept, ..RefusedCopies::default() };
    let (mut end, mut bytes) = (state.next, 0);
    while end > state.first && found.looked_at < REFUSED_LOOKED_AT_MAX {
        if bytes > REFUSED_BYTES_MAX || found.records.len() >= REFUSED_TOLD_MAX {
            break;
        }
        let start = end.saturating_sub(STEP).max(state.first);
        let mut step = Vec::new();
        let mut next = Some(start);
        while let Some(from) = next.filter(|from| *from < end) {
            let room = usize::try_from(end - from).unwrap_or(usize::MAX);
            let page = store.rejected(from, room)?;
            bytes += page.entries.iter().map(|(_, entry)| entry.bytes.len()).sum::<usize>();
            step.extend(page.entries.into_iter().map(|(_, entry)| entry).filter(|entry| {
                let named = names(entry);
                named.is_some_and(|named| named.are(organization, transaction, subscription))
            }));
            next = page.next;
        }
        found.records.extend(step.into_iter().rev());
        found.looked_at += end - start;
        end = start;
    }
    found.records.truncate(REFUSED_TOLD_MAX);
    Ok(found)
}

/// The names in a record that was refused, as far as it can be read.
struct Names {
    organization: Option<String>,
    transaction: Option<String>,
    subscription: Option<String>,
}

impl Names {
    fn are(&self, organization: &str, transaction: &str, subscription: Option<&str>) -> bool {
        self.organization.as_deref() == Some(organization)
            && self.transaction.as_deref() == Some(transaction)
            && subscription.is_none_or(|asked| self.subscription.as_deref() == Some(asked))
    }
}

/// Reads the names of the event that an entry is about: the record, or its item of that index.
fn names(entry: &Rejected) -> Option<Names> {
    let record: Value = serde_json::from_slice(&entry.bytes).ok()?;
    let event = match &record {
        Value::Array(items) => items.get(usize::try_from(entry.index).ok()?)?,
        event => event,
    };
    let text = |name: &str| match event.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    Some(Names {
        organization: text("organization_id"),
        transaction: text("transaction_id"),
        subscription: text("external_subscription_id"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::instant::Instant;

    fn entry(bytes: &str, index: u32) -> Rejected {
        Rejected {
            source: "events-0".into(),
            offset: 1,
            index,
            reason: "invalid_format".into(),
            detail: "timestamp: invalid_format".into(),
            log_time: Instant(0),
            bytes: bytes.as_bytes().to_vec(),
            replayed: None,
        }
    }

    #[test]
    fn names_are_those_of_the_item_that_was_refused() {
        let one = r#"{"organization_id":"o","transaction_id":7,"external_subscription_id":"s"}"#;
        let are = |bytes: &str, index, transaction: &str, subscription| {
            names(&entry(bytes, index)).is_some_and(|n| n.are("o", transaction, subscription))
        };
        assert!(are(one, 0, "7", Some("s")) && are(one, 0, "7", None));
        assert!(!are(one, 0, "7", Some("x")) && !are(one, 0, "8", None));
        let list = format!(r#"[{{"organization_id":"x","transaction_id":"7"}},{one}]"#);
        assert!(are(&list, 1, "7", None) && !are(&list, 0, "7", None) && !are(&list, 2, "7", None));
        assert!(!are("no json", 0, "7", None) && !are("[1]", 0, "7", None));
    }
}
