//! Refusals by field.

/// Codes per field, in the order in which fields were first refused; repeats are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(Vec<(&'static str, Vec<&'static str>)>);

impl Errors {
    /// Adds a code to a field.
    pub fn add(&mut self, field: &'static str, code: &'static str) {
        self.extend(field, [code]);
    }

    /// Adds several codes to a field.
    pub fn extend(&mut self, field: &'static str, codes: impl IntoIterator<Item = &'static str>) {
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, list)) => list.extend(codes),
            None => self.0.push((field, codes.into_iter().collect())),
        }
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes of a field.
    pub fn codes(&self, field: &str) -> &[&'static str] {
        self.0.iter().find(|(name, _)| *name == field).map_or(&[], |(_, codes)| codes)
    }

    /// Fields with their codes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[&'static str])> {
        self.0.iter().map(|(field, codes)| (*field, codes.as_slice()))
    }

    /// All codes without their fields, as answers show a refused property check (section 10.1).
    pub fn flatten(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().flat_map(|(_, codes)| codes).copied()
    }
}
