//! Shapes of bodies, declared beside what prints or reads them.

use serde_json::{Map, Value, json};

/// A shape that has a name of its own in the description.
#[derive(Debug)]
pub struct Named(pub &'static str, pub Schema);

/// A member of an object: its name and its shape.
pub type Member = (&'static str, Schema);

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// Whatever it is.
    Any,
    /// Null.
    Null,
    /// A text.
    Text,
    /// A UUID as a text.
    Id,
    /// An instant as a text in RFC 3339.
    Instant,
    /// A day as a text.
    Date,
    /// An exact decimal as a text in positional notation.
    Decimal,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Flag,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// This or null.
    Maybe(&'static Schema),
    /// One of several.
    Either(&'static [Schema]),
    /// An array.
    List(&'static Schema),
    /// An object whose members all have one shape.
    Map(&'static Schema),
    /// A shape by its name.
    Ref(&'static Named),
    /// An object of an answer: these members, always, and no others.
    Object(&'static [Member]),
    /// The same, of lists that several shapes have in common.
    Joined(&'static [&'static [Member]]),
    /// An object of an answer: the first members always, the others not always, and no more.
    Partly(&'static [Member], &'static [Member]),
    /// An object of a request: these members are looked at, and the named ones are needed.
    Input(&'static [&'static str], &'static [Member]),
}

/// A figure of a request, which may come as a text.
pub const FIGURE: Schema = Schema::Either(&[Schema::Number, Schema::Text]);
/// A text of an answer, or null.
pub const MAYBE_TEXT: Schema = Schema::Maybe(&Schema::Text);
/// An instant of an answer, or null.
pub const MAYBE_INSTANT: Schema = Schema::Maybe(&Schema::Instant);
/// A list that is always empty, of something that is not offered.
pub const NOTHING: Schema = Schema::List(&Schema::Any);
/// Values that a filter asks for, by key.
pub const CONDITION: Schema = Schema::Map(&Schema::List(&Schema::Text));

/// The named shapes that a description refers to.
#[derive(Debug, Default)]
pub struct Shapes(Map<String, Value>);

impl Shapes {
    /// The JSON schema of a shape. Named ones are referred to, and kept.
    pub fn schema(&mut self, schema: &Schema) -> Value {
        match schema {
            Schema::Any => json!({}),
            Schema::Null => json!({"type": "null"}),
            Schema::Text => json!({"type": "string"}),
            Schema::Id => json!({"type": "string", "format": "uuid"}),
            Schema::Instant => json!({"type": "string", "format": "date-time"}),
            Schema::Date => json!({"type": "string", "format": "date"}),
            Schema::Decimal => json!({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]+$"}),
            Schema::Integer => json!({"type": "integer"}),
            Schema::Number => json!({"type": "number"}),
            Schema::Flag => json!({"type": "boolean"}),
            Schema::Word(words) => json!({"type": "string", "enum": words}),
            Schema::Maybe(inner) => json!({"anyOf": [self.schema(inner), {"type": "null"}]}),
            Schema::Either(several) => {
                let several: Vec<_> = several.iter().map(|one| self.schema(one)).collect();
                json!({"anyOf": several})
            }
            Schema::List(item) => json!({"type": "array", "items": self.schema(item)}),
            Schema::Map(member) => {
                json!({"type": "object", "additionalProperties": self.schema(member)})
            }
            Schema::Ref(named) => self.named(named),
            Schema::Object(members) => self.closed(members, &[]),
            Schema::Joined(lists) => self.closed(&lists.concat(), &[]),
            Schema::Partly(members, others) => self.closed(members, others),
            Schema::Input(needed, members) => {
                let members = self.members(members);
                json!({"type": "object", "required": needed, "properties": members})
            }
        }
    }

    /// What was referred to so far.
    pub fn into_named(self) -> Map<String, Value> {
        self.0
    }

    fn named(&mut self, Named(name, schema): &Named) -> Value {
        if !self.0.contains_key(*name) {
            // Kept before it is known, so that a shape may refer to itself.
            self.0.insert((*name).to_owned(), Value::Null);
            let known = self.schema(schema);
            self.0.insert((*name).to_owned(), known);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn closed(&mut self, always: &[(&str, Schema)], sometimes: &[(&str, Schema)]) -> Value {
        let needed: Vec<_> = always.iter().map(|(name, _)| *name).collect();
        let mut members = self.members(always);
        members.extend(self.members(sometimes));
        json!({
            "type": "object",
            "required": needed,
            "properties": members,
            "additionalProperties": false,
        })
    }

    fn members(&mut self, members: &[(&str, Schema)]) -> Map<String, Value> {
        members.iter().map(|(name, schema)| ((*name).to_owned(), self.schema(schema))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEAF: Named = Named("Leaf", Schema::Object(&[("a", Schema::Maybe(&Schema::Integer))]));
    static TREE: Named =
        Named("Tree", Schema::Object(&[("of", Schema::List(&Schema::Ref(&TREE)))]));

    #[test]
    fn named_shapes_are_kept_once() {
        static ALL: Schema =
            Schema::Either(&[Schema::Ref(&LEAF), Schema::Ref(&LEAF), Schema::Ref(&TREE)]);
        let mut shapes = Shapes::default();
        let leaf = json!({"$ref": "#/components/schemas/Leaf"});
        let tree = json!({"$ref": "#/components/schemas/Tree"});
        assert_eq!(shapes.schema(&ALL), json!({"anyOf": [leaf, leaf, tree]}));
        let named = shapes.into_named();
        assert_eq!(named.len(), 2);
        let items = json!({"type": "array", "items": tree});
        assert_eq!(named["Tree"]["properties"], json!({"of": items}));
        assert_eq!(named["Leaf"]["required"], json!(["a"]));
    }

    #[test]
    fn answers_are_closed_and_requests_are_open() {
        let mut shapes = Shapes::default();
        let members = &[("a", Schema::Flag)];
        let answer = shapes.schema(&Schema::Partly(members, &[("b", Schema::Text)]));
        assert_eq!(answer["required"], json!(["a"]));
        assert_eq!(answer["additionalProperties"], json!(false));
        assert_eq!(answer["properties"]["b"], json!({"type": "string"}));
        let request = shapes.schema(&Schema::Input(&["a"], members));
        assert_eq!(request["additionalProperties"], Value::Null);
        assert_eq!(request["required"], json!(["a"]));
    }
}
