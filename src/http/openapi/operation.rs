//! What one route answers to one method, for the description.

use super::schema::{Named, Schema};

/// A parameter of the query or the head.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `query` or `header`.
    pub place: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Its shape.
    pub schema: Schema,
}

/// A parameter of the query.
pub const fn query(name: &'static str, about: &'static str, schema: Schema) -> Parameter {
    Parameter { name, place: "query", about, schema }
}

/// The shape of a body.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// JSON of this shape.
    Whole(Schema),
    /// JSON: a named shape under a root key.
    Root(&'static str, &'static Named),
    /// JSON: a page of rows under a root key, with what the page says about itself.
    Page(&'static str, &'static Named),
    /// A text of another media type.
    Text(&'static str),
}

/// Headers that answers carry beside those of HTTP: the name, what it says, and its shape.
pub type Headers = &'static [(&'static str, &'static str, Schema)];

/// What one route answers to one method.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name, which is unique.
    pub id: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Parameters of the query and the head; those of the path are known from the route.
    pub parameters: Vec<Parameter>,
    /// The body that is read.
    pub body: Option<Shape>,
    /// The answer 200.
    pub answer: Shape,
    /// Headers of it.
    pub headers: Headers,
    /// Whether it is asked for with a key.
    pub keyed: bool,
    /// Statuses beside those that every route of its kind has, with another body than an error has
    /// if there is one.
    pub others: Vec<(u16, Option<Shape>)>,
}

impl Operation {
    /// An operation that reads no body.
    pub const fn new(id: &'static str, about: &'static str, answer: Shape) -> Self {
        Self {
            id,
            about,
            parameters: Vec::new(),
            body: None,
            answer,
            headers: &[],
            keyed: true,
            others: Vec::new(),
        }
    }

    /// With a body.
    #[must_use]
    pub const fn reads(mut self, body: Shape) -> Self {
        self.body = Some(body);
        self
    }

    /// With parameters.
    #[must_use]
    pub fn with(mut self, parameters: &[Parameter]) -> Self {
        self.parameters.extend_from_slice(parameters);
        self
    }

    /// With headers in its answer.
    #[must_use]
    pub const fn tells(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// With further statuses, whose bodies are errors.
    #[must_use]
    pub fn or(mut self, statuses: &[u16]) -> Self {
        self.others.extend(statuses.iter().map(|status| (*status, None)));
        self
    }

    /// With a further status that has a body of its own.
    #[must_use]
    pub fn or_answers(mut self, status: u16, body: Shape) -> Self {
        self.others.push((status, Some(body)));
        self
    }

    /// For everybody.
    #[must_use]
    pub const fn for_all(mut self) -> Self {
        self.keyed = false;
        self
    }
}

/// The answer is one object under its root key.
pub const fn one(
    id: &'static str,
    about: &'static str,
    root: &'static str,
    shape: &'static Named,
) -> Operation {
    Operation::new(id, about, Shape::Root(root, shape))
}

/// The answer is a page of rows.
pub fn page(
    id: &'static str,
    about: &'static str,
    root: &'static str,
    row: &'static Named,
) -> Operation {
    Operation::new(id, about, Shape::Page(root, row)).with(&[
        query("page", "Number of the page, from 1.", Schema::Integer),
        query(
            "per_page",
            "Rows of a page: 100 unless said otherwise, 1000 at most.",
            Schema::Integer,
        ),
    ])
}
