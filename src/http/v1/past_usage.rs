//! `GET /api/v1/customers/:external_customer_id/past_usage` (specification 8.1).

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::current_usage::{RESOURCE, if_none_match};
use super::current_usage_body::{PAST_USAGE, object};
use super::{freshness, parameters};
use crate::core::usage::CurrentUsage;
use crate::http::auth;
use crate::http::backend::{Backend, PastUsageRequest};
use crate::http::error::{ApiError, json_response};
use crate::http::openapi::{Schema, page, query};
use crate::http::page::Page;
use crate::http::query::Query;
use crate::http::route::Routes;
use crate::http::router::App;

/// The list's root key.
const ROOT: &str = "usage_periods";
const METRIC: &str = "billable_metric";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let about = "What a subscription used in its closed periods, the newest first.";
    let periods = [
        query("billable_metric_code", "Charges on this metric only.", Schema::Text),
        query("periods_count", "The newest periods only.", Schema::Integer),
    ];
    Routes::of(RESOURCE, "/api/v1/customers/:external_customer_id/past_usage").raw_get(
        show::<B>,
        parameters::reflecting(page("pastUsage", about, ROOT, &PAST_USAGE)).with(&periods),
    )
}

/// Answers a page of closed windows, newest first.
async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter(&session)?;
    let query = Query::parse(uri.query().unwrap_or(""))?;
    let asked = Asked::read(&query)?;
    let metric = match &asked.metric {
        None => None,
        Some(code) => {
            let catalogue = app.backend.catalogue(&session).ok_or(ApiError::Unauthorized)?;
            let metric = catalogue.tenant.metric(code).ok_or(ApiError::NotFound(METRIC))?;
            Some(metric.id)
        }
    };
    // Bytes that are no text are nobody's id.
    let customer = path.ok().and_then(|path| path.iter().next().map(|(_, id)| id.to_owned()));
    let page = asked.page;
    let max_staleness = freshness::max_staleness(&query)?;
    let request = PastUsageRequest {
        customer: customer.unwrap_or_default(),
        subscription: asked.subscription,
        metric,
        periods_max: asked.periods_max,
        skip: page.offset(),
        take: page.limit(),
        wait_for: freshness::wait_for(&query)?,
        if_none_match: if_none_match(&headers),
    };
    let answer = app.backend.past_usage(&session, request, print).await;
    let answer = answer.map_err(|error| ApiError::from_usage(error, app.limit()))?;
    freshness::fresh_enough(&answer.freshness, max_staleness)?;
    let mut response = match answer.page {
        Some(periods) => {
            let rows = periods.periods.iter();
            let body = page.print(ROOT, rows, periods.total, |out, row| out.push_str(row));
            json_response(StatusCode::OK, body)
        }
        None => StatusCode::NOT_MODIFIED.into_response(),
    };
    freshness::add_headers(response.headers_mut(), &answer.freshness);
    freshness::add_tag(response.headers_mut(), &answer.freshness);
    Ok(response)
}

/// What the query string asks for.
struct Asked {
    subscription: String,
    /// Code of a metric.
    metric: Option<String>,
    periods_max: Option<usize>,
    page: Page,
}

impl Asked {
    fn read(query: &Query<'_>) -> Result<Self, ApiError> {
        let named = |name| -> Result<Option<&str>, ApiError> {
            Ok(query.text(name)?.filter(|text| !text.trim().is_empty()))
        };
        let subscription = "external_subscription_id";
        let missing = ApiError::Invalid { field: subscription, code: "value_is_mandatory" };
        Ok(Self {
            subscription: named(subscription)?.ok_or(missing)?.to_owned(),
            metric: named("billable_metric_code")?.map(str::to_owned),
            // What is no number counts as absent, as in pages.
            periods_max: named("periods_count")?.and_then(|text| text.trim().parse().ok()),
            page: Page::read(query)?,
        })
    }
}

/// Prints one window.
fn print(usage: &CurrentUsage<'_>, invoice: Uuid) -> String {
    let mut out = String::new();
    object(&mut out, usage, Some(invoice));
    out
}
