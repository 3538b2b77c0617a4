//! Group values: the texts that split a bucket (specification 6.4).

use crate::core::planted::{Fault, planted};
use crate::core::properties::{Kind, Properties};

/// The property that names a wallet; it splits usage of charges that accept target wallets (6.4).
pub const TARGET_WALLET_KEY: &str = "target_wallet_code";

/// The texts of an event's group keys, in key order. Missing, null and empty are one value: none.
///
/// Groups compare as answers list them: none first, then by bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub Vec<Option<Box<str>>>);

impl Group {
    /// The group of an event under these keys.
    pub fn of<K: AsRef<str>>(properties: Properties<'_>, keys: &[K]) -> Self {
        Self(keys.iter().map(|key| value(properties, key.as_ref()).map(Box::from)).collect())
    }

    /// The group of events without any value: that of a grouped bucket without usage (2.5).
    pub fn empty(keys: usize) -> Self {
        Self(vec![None; keys])
    }

    /// The values at these places of the key list, in their order.
    #[must_use]
    pub fn project(&self, places: &[usize]) -> Self {
        Self(places.iter().map(|place| self.0.get(*place).cloned().flatten()).collect())
    }

    /// Whether an event belongs to this group, without building the event's own.
    pub fn holds<K: AsRef<str>>(&self, properties: Properties<'_>, keys: &[K]) -> bool {
        self.0.len() == keys.len()
            && keys
                .iter()
                .zip(&self.0)
                .all(|(key, own)| value(properties, key.as_ref()) == own.as_deref())
    }

    /// Whether an event is found when this group is looked up by its values: a value finds only
    /// properties that were sent as JSON text, none finds missing, null and empty ones
    /// (aggregation details 1, `grouped_by_values`).
    pub fn finds<K: AsRef<str>>(&self, properties: Properties<'_>, keys: &[K]) -> bool {
        keys.iter().zip(&self.0).all(|(key, own)| match (properties.get(key.as_ref()), own) {
            (Some(found), Some(own)) => found.kind == Kind::Text && *found.text == **own,
            (Some(found), None) => found.text().is_none_or(str::is_empty),
            (None, own) => own.is_none(),
        })
    }
}

fn value<'a>(properties: Properties<'a>, key: &str) -> Option<&'a str> {
    properties.text(key).filter(|text| !text.is_empty() || planted(Fault::EmptyGroupApart))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::properties::PropertiesBuf;

    #[test]
    fn missing_null_and_empty_values_are_one_group_and_listed_first() {
        let group = |kind, text| {
            let mut properties = PropertiesBuf::new();
            properties.push("k", kind, text);
            Group::of(properties.as_ref(), &["k"])
        };
        let none = Group::of(Properties::EMPTY, &["k"]);
        assert_eq!(none, group(Kind::Null, ""));
        assert_eq!(none, group(Kind::Text, ""));
        assert_eq!(group(Kind::Number, "1"), group(Kind::Text, "1"));
        assert!(none < group(Kind::Text, "A") && group(Kind::Text, "A") < group(Kind::Text, "a"));
    }

    #[test]
    fn a_number_forms_a_group_that_a_look_up_by_value_does_not_find() {
        let mut properties = PropertiesBuf::new();
        properties.push("k", Kind::Number, "1");
        let group = Group::of(properties.as_ref(), &["k"]);
        assert!(group.holds(properties.as_ref(), &["k"]));
        assert!(!group.finds(properties.as_ref(), &["k"]));
        assert!(Group::empty(1).finds(Properties::EMPTY, &["k"]));
        assert!(!Group::empty(1).finds(properties.as_ref(), &["k"]));
    }
}
