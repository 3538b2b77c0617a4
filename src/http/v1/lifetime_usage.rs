//! `/api/v1/subscriptions/:external_id/lifetime_usage` (specification 8.3).

use axum::response::Response;
use uuid::Uuid;

use super::parameters::REFLECTS;
use super::{freshness, parameters};
use crate::core::catalog::commands::{UpdateLifetimeUsage, row_in};
use crate::core::catalog::{LifetimeUsage, Subscription};
use crate::http::backend::{Backend, Lifetime, LifetimeUsageRequest, Snapshot, UsageError};
use crate::http::call::{Call, answer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::openapi::{Named, Operation, Schema, Shape, one};
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
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("lago_subscription_id", Schema::Id),
        ("external_subscription_id", Schema::Text),
        ("external_historical_usage_amount_cents", Schema::Integer),
        ("invoiced_usage_amount_cents", Schema::Integer),
        ("current_usage_amount_cents", Schema::Integer),
        ("from_datetime", Schema::Instant),
        ("to_datetime", Schema::Instant),
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
    printed(&call, row).await
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (external_id, status) = (call.name(0), status(&call.query()?)?);
    let input = call.root(RESOURCE)?;
    let row = call.command(UpdateLifetimeUsage { external_id, status, input }).await?;
    printed(&call, &row).await
}

async fn printed<B: Backend>(call: &Call<B>, row: &Subscription) -> Result<Response, ApiError> {
    let request = LifetimeUsageRequest {
        subscription: row.external_id.clone(),
        row: row.id,
        wait_for: freshness::wait_for(&call.query()?)?,
    };
    let used = call.app.backend.lifetime_usage(&call.session, request).await;
    let used = used.map_err(|error| match error {
        // It has gone meanwhile.
        UsageError::NoActiveSubscription => ApiError::NotFound(SUBSCRIPTION),
        error => ApiError::from_usage(error, call.app.limit()),
    })?;
    let shown = Shown::new(&call.catalogue()?, row, used.lifetime);
    let mut response = answer(RESOURCE, |out| shown.print(out));
    freshness::add_headers(response.headers_mut(), &used.freshness);
    Ok(response)
}

/// The status that a request names; an empty one is none.
fn status(query: &Query<'_>) -> Result<Option<String>, ApiError> {
    let status = query.text_or_alias("subscription_status", "status")?;
    Ok(status.filter(|status| !status.is_empty()).map(str::to_owned))
}

/// A lifetime usage as it is shown.
struct Shown<'a> {
    row: &'a Subscription,
    id: Uuid,
    historical_cents: i64,
    used: Lifetime,
}

impl<'a> Shown<'a> {
    fn new(catalogue: &Snapshot, row: &'a Subscription, used: Lifetime) -> Self {
        let organization = &catalogue.tenant.organization;
        let id = LifetimeUsage::id_of(organization.id, row);
        let stored = catalogue.directory.lifetime(&organization.external_id, id);
        let historical_cents = stored.map_or(0, |stored| stored.historical_cents);
        Self { row, id, historical_cents, used }
    }

    fn print(&self, out: &mut String) {
        Object::print(out, |object| {
            object
                .id("lago_id", self.id)
                .id("lago_subscription_id", self.row.id)
                .text("external_subscription_id", &self.row.external_id)
                .integer("external_historical_usage_amount_cents", self.historical_cents)
                .integer("invoiced_usage_amount_cents", self.used.invoiced_cents)
                .integer("current_usage_amount_cents", self.used.current_cents)
                .seconds("from_datetime", self.row.subscription_at)
                .seconds("to_datetime", self.used.now);
        });
    }
}
