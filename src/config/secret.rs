//! Values that must never be printed.

use std::collections::BTreeMap;
use std::fmt;

/// What is printed in place of a secret.
pub const MASK: &str = "***";

/// A secret text. Printing it shows a mask; [`Secret::expose`] is the only way to its content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The content, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { MASK })
    }
}

/// The librdkafka properties of the pass-through table. Printing masks those that hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

/// Whether a librdkafka property holds something that must not be printed.
pub fn is_secret_property(name: &str) -> bool {
    // `sasl.oauthbearer.config` and inline PEM are secrets without saying so in their names.
    ["password", "secret", "key.pem", "oauthbearer.config"].iter().any(|part| name.contains(part))
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            (name, if is_secret_property(name) { MASK } else { value.as_str() })
        });
        f.debug_map().entries(shown).finish()
    }
}
