//! The description of the service in the form of OpenAPI 3.1, made of what the routes register.

pub mod docs;
mod document;
mod operation;
mod schema;

pub use document::{ERROR, document};
pub use operation::{Headers, Operation, Parameter, Shape, one, page, query};
pub use schema::{CONDITION, FIGURE, MAYBE_INSTANT, MAYBE_TEXT, Member, NOTHING, Named, Schema};
