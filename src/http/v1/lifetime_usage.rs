//! `/api/v1/subscriptions/:external_id/lifetime_usage` (specification 8.3).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use uuid::Uuid;

use super::{Routes, freshness};
use crate::core::catalog::commands::{UpdateLifetimeUsage, row_in};
use crate::core::catalog::{LifetimeUsage, Subscription};
use crate::http::backend::{Backend, Lifetime, LifetimeUsageRequest, Snapshot, UsageError};
use crate::http::call::{Call, answer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::query::Query;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "lifetime_usage";
const SUBSCRIPTION: &str = "subscription";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let route = get(show::<B>).put(update::<B>);
    vec![("/api/v1/subscriptions/:external_id/lifetime_usage", route)]
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let rows = catalogue.directory.subscriptions(organization, call.path(0));
    let row = row_in(&rows, status(&call.query()?)?.as_deref(), catalogue.now);
    let row = row.ok_or(ApiError::NotFound(SUBSCRIPTION))?;
    printed(&call, row).await
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (external_id, status) = (call.path(0).to_owned(), status(&call.query()?)?);
    let input = call.root(RESOURCE)?;
    let row = call.command(UpdateLifetimeUsage { external_id, status, input }).await?;
    printed(&call, &row).await
}

async fn printed<B: Backend>(call: &Call<'_, B>, row: &Subscription) -> Result<Response, ApiError> {
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
