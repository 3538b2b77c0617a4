//! `/api/v1/billable_metrics` (specification 9.2).

use axum::response::Response;

use super::billable_metrics_body::{AGGREGATIONS, METRIC, ROUNDINGS, print};
use crate::core::catalog::commands::{
    CreateMetric, DeleteMetric, UpdateMetric, evaluate_expression,
};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::openapi::{FIGURE, Named, Operation, Schema, Shape, one, page};
use crate::http::page::newest;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "billable_metric";

/// What is read of a body.
const SENT: Shape = Shape::Root(RESOURCE, &INPUT);
static INPUT: Named = Named(
    "BillableMetricInput",
    Schema::Input(
        &[],
        &[
            ("name", Schema::Text),
            ("code", Schema::Text),
            ("description", Schema::Text),
            ("aggregation_type", Schema::Word(&AGGREGATIONS)),
            ("weighted_interval", Schema::Word(&["seconds"])),
            ("recurring", Schema::Flag),
            ("field_name", Schema::Text),
            ("expression", Schema::Text),
            ("rounding_function", Schema::Word(&ROUNDINGS)),
            ("rounding_precision", Schema::Integer),
            ("filters", Schema::List(&FILTER)),
        ],
    ),
);
const FILTER: Schema =
    Schema::Input(&["key"], &[("key", Schema::Text), ("values", Schema::List(&Schema::Text))]);
/// An expression and the event that it is evaluated on.
const EXPRESSION: Shape = Shape::Whole(Schema::Input(
    &[],
    &[
        ("expression", Schema::Text),
        (
            "event",
            Schema::Input(
                &[],
                &[
                    ("code", Schema::Text),
                    ("timestamp", FIGURE),
                    ("properties", Schema::Map(&Schema::Any)),
                ],
            ),
        ),
    ],
));
static EVALUATED: Named = Named("ExpressionResult", Schema::Object(&[("value", Schema::Text)]));

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let evaluated = Operation::new(
        "evaluateExpression",
        "Evaluates an expression on an event.",
        Shape::Root("expression_result", &EVALUATED),
    );
    Routes::of(RESOURCE, "/api/v1/billable_metrics")
        .post(create, one("createMetric", "Adds a billable metric.", RESOURCE, &METRIC).reads(SENT))
        .get(
            list,
            page(
                "listMetrics",
                "Lists billable metrics, the newest first.",
                "billable_metrics",
                &METRIC,
            ),
        )
        .at("/api/v1/billable_metrics/evaluate_expression")
        .post(evaluate, evaluated.reads(EXPRESSION))
        .at("/api/v1/billable_metrics/*code")
        .get(show, one("showMetric", "Shows a billable metric.", RESOURCE, &METRIC))
        .put(
            update,
            one("updateMetric", "Changes a billable metric.", RESOURCE, &METRIC).reads(SENT),
        )
        .delete(delete, one("deleteMetric", "Takes a billable metric out.", RESOURCE, &METRIC))
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let metric = call.command(CreateMetric { input: call.root(RESOURCE)? }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (code, input) = (call.name(0), call.root(RESOURCE)?);
    let metric = call.command(UpdateMetric { code, input }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn delete<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let metric = call.command(DeleteMetric { code: call.name(0) }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    let metric = tenant.metrics.by_code(call.path(0)).ok_or(call.not_found())?;
    Ok(answer(RESOURCE, |out| print(out, metric, false)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let tenant = call.catalogue()?.tenant;
    let metrics = newest(tenant.metrics.iter(), |metric| metric.created_at);
    Ok(answer_text(page.cut("billable_metrics", metrics, |out, metric| print(out, metric, true))))
}

/// `POST /billable_metrics/evaluate_expression`: no root key, and no body is an empty one.
async fn evaluate<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (body, now) = (call.json()?, call.catalogue()?.now);
    let value = evaluate_expression(&body, now).map_err(ApiError::from_refusal)?;
    Ok(answer("expression_result", |out| {
        Object::print(out, |object| {
            object.text("value", &value);
        });
    }))
}
