//! `GET /odometer/v1/customers/:external_customer_id/usage`: all active subscriptions of a customer
//! in one answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::usage_body::{self, Element};
use crate::core::catalog::serving;
use crate::http::backend::{Backend, CurrentUsageRequest, Freshness, Snapshot};
use crate::http::call::Call;
use crate::http::error::{ApiError, json_response};
use crate::http::etag::IfNoneMatch;
use crate::http::page::Page;
use crate::http::query::Query;
use crate::http::router::App;
use crate::http::v1::current_usage::{RESOURCE, if_none_match};
use crate::http::v1::current_usage_body;
use crate::http::v1::freshness;
use crate::http::v1::parameters::{self, Asked};

/// Most subscriptions of one answer; those beyond are on further pages.
pub(super) const SUBSCRIPTIONS_MAX: usize = 100;

/// Answers a page of the customer's active subscriptions, in the order of their external ids.
pub async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let known = if_none_match(request.headers());
    let text = request.uri().query().unwrap_or("").to_owned();
    let call = Call::open(app, request, RESOURCE).await?;
    let asked = parameters::read(&text)?;
    let page = Page::read(&Query::parse(&text)?)?.at_most(SUBSCRIPTIONS_MAX);
    let catalogue = call.catalogue()?;
    let customer = call.name(0);
    let (selected, of) = (page, customer.clone());
    // A customer may have very many subscriptions, each of which is a row of the store.
    let found = tokio::task::spawn_blocking(move || active(&catalogue, &of, selected)).await;
    let (ids, total) = found.map_err(|_| ApiError::Internal)?.ok_or(ApiError::CustomerNotFound)?;
    let listed = Some((page, total));
    let pairs: Vec<_> = ids.into_iter().map(|id| (customer.clone(), Some(id))).collect();
    if known != IfNoneMatch::default() {
        let tags = elements(&call.app, &call.session, &pairs, &asked, true).await;
        let whole = usage_body::freshness(&tags, listed);
        if whole.etag.as_deref().is_some_and(|tag| known.names(tag)) {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            add_headers(response.headers_mut(), &whole);
            return Ok(response);
        }
    }
    let elements = elements(&call.app, &call.session, &pairs, &asked, false).await;
    let body = usage_body::print(&elements, listed)?;
    let mut response = json_response(StatusCode::OK, body);
    add_headers(response.headers_mut(), &usage_body::freshness(&elements, listed));
    Ok(response)
}

/// What every pair of customer and subscription is answered with. `tags_only`: nothing is priced.
pub(super) async fn elements<B: Backend>(
    app: &App<B>,
    session: &B::Session,
    pairs: &[(String, Option<String>)],
    asked: &Asked,
    tags_only: bool,
) -> Vec<Element> {
    let tags = if tags_only { IfNoneMatch::any() } else { IfNoneMatch::default() };
    let request = |(customer, subscription): &(String, Option<String>)| CurrentUsageRequest {
        customer: customer.clone(),
        subscription: subscription.clone(),
        usage: asked.usage.clone(),
        full_usage: asked.full_usage,
        wait_for: asked.wait_for.clone(),
        max_staleness: asked.max_staleness,
        if_none_match: tags.clone(),
    };
    let requests = pairs.iter().map(request).collect();
    let answers = app.backend.current_usages(session, requests, current_usage_body::print).await;
    let element = |((customer, subscription), answer): (&(String, Option<String>), _)| Element {
        customer: customer.clone(),
        subscription: subscription.clone(),
        answer: Result::map_err(answer, |error| ApiError::from_usage(error, app.limit())),
    };
    pairs.iter().zip(answers).map(element).collect()
}

/// Headers and tag of the whole.
pub(super) fn add_headers(headers: &mut HeaderMap, whole: &Freshness) {
    freshness::add_headers(headers, whole);
    freshness::add_tag(headers, whole);
}

/// External ids of the active subscriptions of a customer that are on a page, and how many there
/// are in all; none if there is no such customer.
fn active(catalogue: &Snapshot, customer: &str, page: Page) -> Option<(Vec<String>, usize)> {
    let Snapshot { tenant, directory, now } = catalogue;
    let organization = &tenant.organization.external_id;
    directory.customer(organization, customer)?;
    let mut ids = directory.subscriptions_of(organization, customer);
    ids.retain(|id| {
        let rows = directory.subscriptions(organization, id);
        serving(&rows, *now).is_some_and(|row| row.customer == customer)
    });
    let total = ids.len();
    Some((ids.into_iter().skip(page.offset()).take(page.limit()).collect(), total))
}
