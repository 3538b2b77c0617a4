//! A plain tree of values, as charge properties and expression inputs arrive: exact, and free of
//! any wire format.

/// One value. Numbers keep the text they were written with, so nothing is lost to a double.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number literal as written, e.g. `10`, `1.50`, `1e3`.
    Number(String),
    /// A text.
    Text(String),
    /// An ordered list.
    List(Vec<Value>),
    /// Members in the order they were given; the last of equal names counts.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member with this name; [`Value::Null`] if there is none or this is no object.
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => {
                members.iter().rev().find(|(key, _)| key == name).map_or(&Self::Null, |(_, v)| v)
            }
            _ => &Self::Null,
        }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether this is null or absent.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
