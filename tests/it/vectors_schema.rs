//! `schema.json`: whether a case has the form that the runners understand.
//!
//! A small part of JSON Schema, namely what the schema uses. Anything else in it is an error, so
//! that a new keyword is not passed over. `pattern` is not evaluated: what it describes is parsed
//! by the runners.

use serde_json::Value as Json;

use crate::vectors::{Comparison, decimal, same};

/// Words that say nothing about a value.
const SILENT: [&str; 6] = ["$schema", "$defs", "title", "description", "pattern", "then"];

/// A schema with its definitions.
pub struct Schema(Json);

impl Schema {
    /// Reads a schema.
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("the schema is JSON"))
    }

    /// What is wrong with a case; the schema speaks of a list of them.
    pub fn problems(&self, case: &Json) -> Vec<String> {
        let mut problems = Vec::new();
        let place = case["id"].as_str().unwrap_or("case");
        self.check(&self.0["items"], case, place, &mut problems);
        problems
    }

    fn holds(&self, schema: &Json, value: &Json) -> bool {
        let mut problems = Vec::new();
        self.check(schema, value, "", &mut problems);
        problems.is_empty()
    }

    fn check(&self, schema: &Json, value: &Json, place: &str, problems: &mut Vec<String>) {
        if let Json::Bool(allowed) = schema {
            if !allowed {
                problems.push(format!("{place} is not allowed"));
            }
            return;
        }
        for (word, rule) in schema.as_object().expect("a schema") {
            match word.as_str() {
                "properties" => self.members(rule, value, place, problems),
                "additionalProperties" => self.others(schema, rule, value, place, problems),
                "items" => {
                    for (at, item) in list(value).iter().enumerate() {
                        self.check(rule, item, &format!("{place}[{at}]"), problems);
                    }
                }
                "allOf" => {
                    for rule in list(rule) {
                        self.check(rule, value, place, problems);
                    }
                }
                "$ref" => self.check(self.definition(rule), value, place, problems),
                "if" => {
                    let branch = if self.holds(rule, value) { "then" } else { "else" };
                    if let Some(branch) = schema.get(branch) {
                        self.check(branch, value, place, problems);
                    }
                }
                "else" => {}
                silent if SILENT.contains(&silent) => {}
                _ => {
                    if !self.meets(word, rule, value) {
                        let shown = shortened(&value.to_string());
                        let rule = shortened(&rule.to_string());
                        problems.push(format!("{place}: {word} {rule} does not hold for {shown}"));
                    }
                }
            }
        }
    }

    fn meets(&self, word: &str, rule: &Json, value: &Json) -> bool {
        let matching = || list(rule).iter().filter(|rule| self.holds(rule, value)).count();
        let equal = |wanted: &Json| same(value, wanted, Comparison::Exact);
        let at_least = |length: Option<usize>| {
            length.is_none_or(|length| rule.as_u64().is_some_and(|min| length as u64 >= min))
        };
        match word {
            "type" => match rule {
                Json::Array(types) => types.iter().any(|name| is_a(value, name)),
                name => is_a(value, name),
            },
            "required" => {
                let has = |name: &Json| value.get(name.as_str().expect("a name")).is_some();
                !value.is_object() || list(rule).iter().all(has)
            }
            "enum" => list(rule).iter().any(equal),
            "const" => equal(rule),
            "anyOf" => matching() > 0,
            "oneOf" => matching() == 1,
            "contains" => {
                !value.is_array() || list(value).iter().any(|item| self.holds(rule, item))
            }
            "minLength" => at_least(value.as_str().map(|text| text.chars().count())),
            "minItems" => at_least(value.as_array().map(Vec::len)),
            "minProperties" => at_least(value.as_object().map(serde_json::Map::len)),
            other => panic!("the schema says {other}, which is not evaluated"),
        }
    }

    fn members(&self, rules: &Json, value: &Json, place: &str, problems: &mut Vec<String>) {
        for (name, rule) in rules.as_object().expect("members") {
            if let Some(member) = value.get(name) {
                self.check(rule, member, &format!("{place}.{name}"), problems);
            }
        }
    }

    fn others(
        &self,
        schema: &Json,
        rule: &Json,
        value: &Json,
        place: &str,
        problems: &mut Vec<String>,
    ) {
        let known = |name: &str| schema["properties"].get(name).is_some();
        for (name, member) in value.as_object().into_iter().flatten() {
            if !known(name) {
                self.check(rule, member, &format!("{place}.{name}"), problems);
            }
        }
    }

    fn definition(&self, reference: &Json) -> &Json {
        let name = reference.as_str().and_then(|text| text.strip_prefix("#/$defs/"));
        &self.0["$defs"][name.expect("a definition of this schema")]
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_a(value: &Json, name: &Json) -> bool {
    match name.as_str().expect("a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        // Whole numbers may be written with decimals or an exponent.
        "integer" => value.is_number() && decimal(value).is_some_and(|n| n.to_i128().is_some()),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

/// The beginning of a long text.
fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 120;
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain("…".chars()).collect()
}

mod tests {
    use serde_json::json;

    use super::Schema;

    #[test]
    fn what_the_schema_bars_is_found() {
        let schema = Schema(json!({"items": {
            "type": "object", "required": ["kind"], "additionalProperties": false,
            "properties": {
                "kind": {"enum": ["a", "b"]}, "n": {"$ref": "#/$defs/n"},
                "list": {"items": {"type": ["string", "null"], "minLength": 1}, "minItems": 1,
                    "contains": {"const": "x"}},
                "one": {"oneOf": [{"required": ["p"]}, {"required": ["q"]}]},
            },
            "allOf": [{"if": {"properties": {"kind": {"const": "b"}}},
                "then": {"required": ["n"]}, "else": {"minProperties": 2}}],
        }, "$defs": {"n": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}}}));
        for (case, right) in [
            (json!({"kind": "a", "n": 1}), true),
            (json!({"kind": "a", "n": 1.5}), false),
            (json!({"kind": "a", "n": 1.0}), true),
            (json!({"kind": "a"}), false),
            (json!({"kind": "b"}), false),
            (json!({"kind": "b", "n": true}), true),
            (json!({"kind": "c", "n": 1}), false),
            (json!({"kind": "b", "n": 1, "x": 1}), false),
            (json!({"kind": "b", "n": 1, "list": ["x", null]}), true),
            (json!({"kind": "b", "n": 1, "list": ["y"]}), false),
            (json!({"kind": "b", "n": 1, "list": []}), false),
            (json!({"kind": "b", "n": 1, "list": ["x", ""]}), false),
            (json!({"kind": "b", "n": 1, "one": {"p": 1}}), true),
            (json!({"kind": "b", "n": 1, "one": {"p": 1, "q": 1}}), false),
            (json!([]), false),
        ] {
            assert_eq!(schema.problems(&case).is_empty(), right, "{case}");
        }
    }
}
