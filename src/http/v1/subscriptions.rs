//! `/api/v1/subscriptions` (specification 9.5 and 9.6).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use uuid::Uuid;

use super::Routes;
use super::subscriptions_body::Shown;
use crate::core::catalog::commands::{
    CreateSubscription, EndSubscription, UpdateSubscription, row_in,
};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Status, Subscription};
use crate::core::instant::Instant;
use crate::http::backend::{Backend, Snapshot};
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::query::Query;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "subscription";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/subscriptions", post(create::<B>).get(list::<B>)),
        ("/api/v1/subscriptions/:external_id", get(show::<B>).put(update::<B>).delete(end::<B>)),
        ("/api/v1/customers/:external_customer_id/subscriptions", get(list_of_customer::<B>)),
    ]
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let row = call.command(CreateSubscription { input: call.root(RESOURCE)? }).await?;
    printed(&call, &row)
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (external_id, status) = (call.path(0).to_owned(), status(&call.query()?)?);
    let input = call.root(RESOURCE)?;
    let row = call.command(UpdateSubscription { external_id, status, input }).await?;
    printed(&call, &row)
}

async fn end<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let pending = status(&call.query()?)?.as_deref() == Some(Status::Pending.name());
    let row = call.command(EndSubscription { external_id: call.path(0).to_owned(), pending });
    printed(&call, &row.await?)
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let status = status(&call.query()?)?;
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let rows = catalogue.directory.subscriptions(organization, call.path(0));
    let row = row_in(&rows, status.as_deref(), catalogue.now);
    let row = row.ok_or(ApiError::NotFound(RESOURCE))?;
    Ok(answer(RESOURCE, |out| Shown::new(&catalogue, row).print(out)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let query = call.query()?;
    page_of(call.catalogue()?, Page::read(&query)?, Filter::read(&query)?).await
}

async fn list_of_customer<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let query = call.query()?;
    let (page, mut filter) = (Page::read(&query)?, Filter::read(&query)?);
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let customer = catalogue.directory.customer(organization, call.path(0));
    let customer = customer.ok_or(ApiError::CustomerNotFound)?;
    filter.customer = Some(customer.external_id.clone());
    page_of(catalogue, page, filter).await
}

/// The selected subscriptions of a page.
async fn page_of(catalogue: Snapshot, page: Page, filter: Filter) -> Result<Response, ApiError> {
    let seen = catalogue.clone();
    // Every subscription may be looked at, which takes a while when there are millions.
    let selected = tokio::task::spawn_blocking(move || select(&seen, &filter, page)).await;
    let (rows, total) = selected.map_err(|_| ApiError::Internal)?;
    Ok(answer_text(page.print("subscriptions", rows, total, |out, row| {
        Shown::new(&catalogue, &row).print(out);
    })))
}

fn printed<B: Backend>(call: &Call<'_, B>, row: &Subscription) -> Result<Response, ApiError> {
    let catalogue = call.catalogue()?;
    Ok(answer(RESOURCE, |out| Shown::new(&catalogue, row).print(out)))
}

/// The status that a request names; an empty one is none.
fn status(query: &Query<'_>) -> Result<Option<String>, ApiError> {
    let status = query.text("status")?;
    Ok(status.filter(|status| !status.is_empty()).map(str::to_owned))
}

/// Which subscriptions a list holds.
struct Filter {
    customer: Option<String>,
    plan: Option<String>,
    /// Names of statuses; one that is none selects nothing.
    statuses: Vec<String>,
}

impl Filter {
    fn read(query: &Query<'_>) -> Result<Self, ApiError> {
        let named = |name| -> Result<Option<String>, ApiError> {
            Ok(query.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
        };
        let sent = query.family("status").map(|(_, status)| status.unwrap_or_default());
        let mut statuses: Vec<String> =
            sent.filter(|status| !status.is_empty()).map(str::to_owned).collect();
        if statuses.is_empty() {
            statuses.push(Status::Active.name().to_owned());
        }
        let (customer, plan) = (named("external_customer_id")?, named("plan_code")?);
        Ok(Self { customer, plan, statuses })
    }

    fn selects(&self, catalogue: &Snapshot, row: &Subscription) -> bool {
        let status = row.status_at(catalogue.now).name();
        let plan = || catalogue.tenant.plan(row.plan).map(|plan| plan.code.as_str());
        self.statuses.iter().any(|own| own == status)
            && self.plan.as_deref().is_none_or(|code| plan() == Some(code))
    }
}

/// The subscriptions of a page, those that begin last first, and how many there are in all. No more
/// are held at a time than stand up to the end of the page.
fn select(
    catalogue: &Snapshot,
    filter: &Filter,
    page: Page,
) -> (Vec<Versioned<Subscription>>, usize) {
    let directory = &catalogue.directory;
    let organization = &catalogue.tenant.organization.external_id;
    let mut newest =
        Newest { wanted: page.offset().saturating_add(page.limit()), ..Newest::default() };
    let mut visit = |customer: &str| {
        for external_id in directory.subscriptions_of(organization, customer) {
            let rows = directory.subscriptions(organization, &external_id);
            let own = rows.iter().filter(|row| row.customer == customer);
            own.filter(|row| filter.selects(catalogue, row)).for_each(|row| newest.add(row));
        }
    };
    match &filter.customer {
        Some(customer) => visit(customer),
        None => directory.each_customer(organization, &mut |row| visit(&row.external_id)),
    }
    let keys = newest.first.into_sorted_vec().into_iter().skip(page.offset());
    let rows = keys.filter_map(|(_, _, id, external_id)| {
        let rows = directory.subscriptions(organization, &external_id);
        rows.iter().find(|row| row.id == id).cloned()
    });
    (rows.collect(), newest.total)
}

/// What a row is sorted by, and what it is found by again.
type Key = (Reverse<Instant>, Reverse<Instant>, Uuid, String);

/// The rows that begin last.
#[derive(Default)]
struct Newest {
    wanted: usize,
    first: BinaryHeap<Key>,
    total: usize,
}

impl Newest {
    fn add(&mut self, row: &Subscription) {
        self.total += 1;
        let (begins, created) = (Reverse(row.subscription_at), Reverse(row.created_at));
        self.first.push((begins, created, row.id, row.external_id.clone()));
        if self.first.len() > self.wanted {
            self.first.pop();
        }
    }
}
