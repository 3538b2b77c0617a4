//! Finds members that nobody reads.

use serde_json::Value;

/// The path of a member of `given` that `known` lacks, e.g. `changes[0].put.colour`.
///
/// `known` is what writing the decoded record again gives, so a member that is missing there was
/// not understood. Free-form trees (charge properties) come back whole and are never reported.
pub(super) fn unknown_member(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            given.iter().find_map(|(name, value)| match known.get(name) {
                None => Some(name.clone()),
                Some(known) => unknown_member(value, known).map(|path| join(name, &path)),
            })
        }
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).enumerate().find_map(|(place, (given, known))| {
                unknown_member(given, known).map(|path| join(&format!("[{place}]"), &path))
            })
        }
        _ => None,
    }
}

fn join(front: &str, back: &str) -> String {
    if back.starts_with('[') { format!("{front}{back}") } else { format!("{front}.{back}") }
}
