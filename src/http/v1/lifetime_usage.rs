//! `/api/v1/subscriptions/:external_id/lifetime_usage` (specification 8.3).

use axum::response::Response;
use uuid::Uuid;

use super::parameters::REFLECTS;
use super::{freshness, parameters};
use crate::core::catalog::commands::{UpdateLifetimeUsage, row_in};
use crate::core::catalog::{LifetimeUsage, Subscription};
use crate::core::usage::{Completion, Threshold, USAGE_THRESHOLDS, completions, thresholds_of};
use crate::http::backend::{Backend, Lifetime, LifetimeUsageRequest, Snapshot, UsageError};
use crate::http::call::{Call, answer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::openapi::{MAYBE_INSTANT, Named, Operation, Schema, Shape, one};
use crate::http::query::Query;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "lifetime_usage";
const SUBSCRIPTION: &str = "subscription";

/// What is read of a body.
static INPUT: Named = Named(
    "LifetimeUsageInput",
    Schema::Input(
        &["external_historical_usage_amount_cents"],
        &[("external_historical_usage_amount_cents", Schema::Integer)],
    ),
);
/// What [`Shown::print`] prints.
static LIFETIME: Named = Named(
    "LifetimeUsage",
    Schema::Partly(
        &[
            ("lago_id", Schema::Id),
            ("lago_subscription_id", Schema::Id),
            ("external_subscription_id", Schema::Text),
            ("external_historical_usage_amount_cents", Schema::Integer),
            ("invoiced_usage_amount_cents", Schema::Integer),
            ("current_usage_amount_cents", Schema::Integer),
            ("from_datetime", Schema::Instant),
            ("to_datetime", Schema::Instant),
        ],
        &[("usage_thresholds", Schema::List(&Schema::Ref(&COMPLETION)))],
    ),
);
/// What [`completion`] prints.
static COMPLETION: Named = Named(
    "ThresholdCompletion",
    Schema::Object(&[
        ("amount_cents", Schema::Integer),
        ("completion_ratio", Schema::Number),
        ("reached_at", MAYBE_INSTANT),
    ]),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let about = "What a subscription has used since it began.";
    let show_it = one("showLifetimeUsage", about, RESOURCE, &LIFETIME);
    let about = "Sets what was used before events were recorded here.";
    let update_it = one("updateLifetimeUsage", about, RESOURCE, &LIFETIME);
    let further = |operation: Operation| {
        operation.with(&parameters::LIFETIME).tells(REFLECTS).or(&[409, 504])
    };
    Routes::of(RESOURCE, "/api/v1/subscriptions/:external_id/lifetime_usage")
        .get(show, further(show_it))
        .put(update, further(update_it).reads(Shape::Root(RESOURCE, &INPUT)))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let rows = catalogue.directory.subscriptions(organization, call.path(0));
    let row = row_in(&rows, status(&call.query()?)?.as_deref(), catalogue.now);
    let row = row.ok_or(ApiError::NotFound(SUBSCRIPTION))?;
    let max_staleness = freshness::max_staleness(&call.query()?)?;
    printed(&call, row, max_staleness).await
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (external_id, status) = (call.name(0), status(&call.query()?)?);
    let input = call.root(RESOURCE)?;
    let row = call.command(UpdateLifetimeUsage { external_id, status, input }).await?;
    // The change is made, so its answer is given however old the figures beside it are.
    printed(&call, &row, None).await
}

async fn printed<B: Backend>(
    call: &Call<B>,
    row: &Subscription,
    max_staleness: Option<i64>,
) -> Result<Response, ApiError> {
    let before = Before::new(&call.catalogue()?, row);
    let request = LifetimeUsageRequest {
        subscription: row.external_id.clone(),
        row: row.id,
        historical_cents: before.historical_cents,
        thresholds: before.thresholds.clone(),
        wait_for: freshness::wait_for(&call.query()?)?,
    };
    let used = call.app.backend.lifetime_usage(&call.session, request).await;
    let used = used.map_err(|error| match error {
        // It has gone meanwhile.
        UsageError::NoActiveSubscription => ApiError::NotFound(SUBSCRIPTION),
        error => ApiError::from_usage(error, call.app.limit()),
    })?;
    freshness::fresh_enough(&used.freshness, max_staleness)?;
    let mut response = answer(RESOURCE, |out| print(out, row, &before, &used.lifetime));
    freshness::add_headers(response.headers_mut(), &used.freshness);
    Ok(response)
}

/// The status that a request names; an empty one is none.
fn status(query: &Query<'_>) -> Result<Option<String>, ApiError> {
    let status = query.text_or_alias("subscription_status", "status")?;
    Ok(status.filter(|status| !status.is_empty()).map(str::to_owned))
}

/// What the catalogue says of a lifetime usage.
struct Before {
    id: Uuid,
    historical_cents: i64,
    thresholds: Vec<Threshold>,
}

impl Before {
    fn new(catalogue: &Snapshot, row: &Subscription) -> Self {
        let tenant = &catalogue.tenant;
        let id = LifetimeUsage::id_of(tenant.organization.id, row);
        let stored = catalogue.directory.lifetime(&tenant.organization.external_id, id);
        let of_plan = |id| tenant.plan(id).map(|plan| (thresholds_of(&plan.echo), plan.parent));
        // A private plan without thresholds has those of the plan that it overrides (8.4).
        let thresholds = match of_plan(row.plan) {
            Some((own, Some(parent))) if own.is_empty() => of_plan(parent),
            of_plan => of_plan,
        };
        Self {
            id,
            historical_cents: stored.map_or(0, |stored| stored.historical_cents),
            thresholds: thresholds.map_or_else(Vec::new, |(thresholds, _)| thresholds),
        }
    }
}

fn print(out: &mut String, row: &Subscription, before: &Before, used: &Lifetime) {
    let total = before.historical_cents.saturating_add(used.invoiced_cents);
    let total = total.saturating_add(used.current_cents);
    let reached_at = |amount| match used.reached.iter().find(|(own, _)| *own == amount) {
        Some((_, at)) => Some(*at),
        // It had been reached before the subscription came here.
        None => (amount <= before.historical_cents).then_some(row.subscription_at),
    };
    Object::print(out, |object| {
        object
            .id("lago_id", before.id)
            .id("lago_subscription_id", row.id)
            .text("external_subscription_id", &row.external_id)
            .integer("external_historical_usage_amount_cents", before.historical_cents)
            .integer("invoiced_usage_amount_cents", used.invoiced_cents)
            .integer("current_usage_amount_cents", used.current_cents)
            .seconds("from_datetime", row.subscription_at)
            .seconds("to_datetime", used.now);
        if !before.thresholds.is_empty() {
            let list = completions(&before.thresholds, total, reached_at);
            object.array(USAGE_THRESHOLDS, &list, completion);
        }
    });
}

fn completion(out: &mut String, own: &Completion) {
    Object::print(out, |object| {
        object
            .integer("amount_cents", own.amount_cents)
            // A number such as 0.25 or 1.0.
            .member("completion_ratio", |out| out.push_str(&own.ratio.to_string()))
            .maybe_seconds("reached_at", own.reached_at);
    });
}
