//! The table of all keys and what each may hold.

use super::settings::KEYS;

/// What a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never printed; a key of the same name with `_file` names a file holding it.
    Secret,
    /// A path of the file system.
    Path,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Several texts; separated by commas where only one text can be given.
    List,
    /// An IP address and a port.
    Address,
    /// A table of librdkafka properties.
    Properties,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name in that table.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
}

impl Key {
    /// `section.name`, as in flags and messages.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// The key with this path, and the property's name where the path goes into a table of properties.
pub fn find(path: &str) -> Option<(&'static Key, Option<&str>)> {
    KEYS.iter().find_map(|key| {
        let rest = path.strip_prefix(key.section)?.strip_prefix('.')?.strip_prefix(key.name)?;
        match (key.kind, rest.strip_prefix('.')) {
            (Kind::Properties, Some(property)) if !property.is_empty() => {
                Some((key, Some(property)))
            }
            _ if rest.is_empty() => Some((key, None)),
            _ => None,
        }
    })
}

/// Whether a table of this name holds settings.
pub fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section == name)
}
