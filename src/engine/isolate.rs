//! Panics as values, so that one defect costs one record.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest part of a panic's message that is kept: it goes into the reason of a rejected record.
const MESSAGE_BYTES_MAX: usize = 256;

/// Somebody panicked, and this is what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(pub String);

/// Runs something that concerns one record. Entering costs nothing that can be measured.
///
/// After a panic whatever `run` was changing may be half changed: callers put it back, or throw it
/// away.
///
/// # Errors
///
/// What the panic said.
pub fn isolated<R>(run: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Panicked(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message");
    text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_value_with_its_message_cut_to_size() {
        assert_eq!(isolated(|| 7), Ok(7));
        let said = |text: &str| isolated(|| panic!("{text}")).unwrap_err().0;
        assert_eq!(said("one"), "one");
        assert_eq!(said(&"ü".repeat(200)).len(), MESSAGE_BYTES_MAX);
        assert_eq!(isolated(|| panic!("static")), Err::<(), _>(Panicked("static".to_owned())));
        let other = isolated(|| std::panic::panic_any(7)).unwrap_err();
        assert_eq!(other.0, "a panic without a message");
    }
}
