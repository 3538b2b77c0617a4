//! Members that answers show again and nothing is computed from.

use crate::core::value::Value;

/// Members of a request that are kept to be shown: an e-mail address, a description. Nulls are not
/// kept, so that an absent member and one that was cleared are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo(Vec<(String, Value)>);

impl Echo {
    /// The member with this name; null if there is none.
    pub fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|(key, _)| key == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// The member with this name, if it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_text()
    }

    /// Sets a member; null takes it out.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.retain(|(key, _)| key != name);
        if !value.is_null() {
            self.0.push((name.to_owned(), value));
            self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
        }
    }

    /// The members in order of their names.
    pub fn members(&self) -> &[(String, Value)] {
        &self.0
    }
}

impl FromIterator<(String, Value)> for Echo {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        let mut echo = Self::default();
        members.into_iter().for_each(|(name, value)| echo.set(&name, value));
        echo
    }
}
