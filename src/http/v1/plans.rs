//! `/api/v1/plans` (specification 9.3, charge properties 10.2).

use axum::response::Response;

use super::plans_body::{PLAN, print};
use super::plans_input::PLAN_INPUT;
use crate::core::catalog::commands::{CreatePlan, DeletePlan, UpdatePlan};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Shape, one, page};
use crate::http::page::newest;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
pub const RESOURCE: &str = "plan";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let sent = Shape::Root(RESOURCE, &PLAN_INPUT);
    Routes::of(RESOURCE, "/api/v1/plans")
        .post(
            create,
            one("createPlan", "Adds a plan with its charges.", RESOURCE, &PLAN).reads(sent),
        )
        .get(list, page("listPlans", "Lists plans, the newest first.", "plans", &PLAN))
        .at("/api/v1/plans/:code")
        .get(show, one("showPlan", "Shows a plan.", RESOURCE, &PLAN))
        .put(update, one("updatePlan", "Changes a plan.", RESOURCE, &PLAN).reads(sent))
        .delete(delete, one("deletePlan", "Takes a plan out.", RESOURCE, &PLAN))
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let plan = call.command(CreatePlan { input: call.root(RESOURCE)? }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (code, input) = (call.name(0), call.root(RESOURCE)?);
    let plan = call.command(UpdatePlan { code, input }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn delete<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let plan = call.command(DeletePlan { code: call.name(0) }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    let plan = tenant.plans.by_code(call.path(0)).ok_or(call.not_found())?;
    Ok(answer(RESOURCE, |out| print(out, plan, &tenant)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let tenant = call.catalogue()?.tenant;
    // Private plans belong to their subscriptions.
    let plans = tenant.plans.iter().filter(|plan| plan.parent.is_none());
    let plans = newest(plans, |plan| plan.created_at);
    Ok(answer_text(page.cut("plans", plans, |out, plan| print(out, plan, &tenant))))
}
