//! `/api/v1/subscriptions` (specification 9.5 and 9.6).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use axum::response::Response;
use uuid::Uuid;

use super::subscriptions_body::{BILLING_TIMES, STATUSES, SUBSCRIPTION, Shown};
use crate::core::catalog::commands::{
    CreateSubscription, EndSubscription, UpdateSubscription, row_in,
};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{Status, Subscription};
use crate::core::instant::Instant;
use crate::http::backend::{Backend, Snapshot};
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Named, Schema, Shape, one, page, query};
use crate::http::page::Page;
use crate::http::query::Query;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "subscription";

static INPUT: Named = Named(
    "SubscriptionInput",
    Schema::Input(
        &["external_customer_id", "plan_code", "external_id"],
        &[
            ("external_customer_id", Schema::Text),
            ("plan_code", Schema::Text),
            ("external_id", Schema::Text),
            ("name", Schema::Text),
            ("billing_time", Schema::Word(&BILLING_TIMES)),
            ("subscription_at", Schema::Text),
            ("ending_at", Schema::Text),
            ("plan_overrides", Schema::Map(&Schema::Any)),
        ],
    ),
);
static CHANGE: Named = Named(
    "SubscriptionChange",
    Schema::Input(
        &[],
        &[
            ("name", Schema::Text),
            ("subscription_at", Schema::Text),
            ("ending_at", Schema::Text),
            ("plan_overrides", Schema::Map(&Schema::Any)),
        ],
    ),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let (created, changed) = (Shape::Root(RESOURCE, &INPUT), Shape::Root(RESOURCE, &CHANGE));
    let status = [query("status", "Which row of the external id.", Schema::Word(&STATUSES))];
    let filters = [
        query("external_customer_id", "Of this customer only.", Schema::Text),
        query("plan_code", "On this plan only.", Schema::Text),
        query("status[]", "In one of these; active if absent.", Schema::Word(&STATUSES)),
    ];
    Routes::of(RESOURCE, "/api/v1/subscriptions")
        .post(
            create,
            one("createSubscription", "Subscribes, or changes the plan.", RESOURCE, &SUBSCRIPTION)
                .reads(created),
        )
        .get(
            list,
            page("listSubscriptions", "Lists subscriptions.", "subscriptions", &SUBSCRIPTION)
                .with(&filters),
        )
        .at("/api/v1/subscriptions/:external_id")
        .get(
            show,
            one("showSubscription", "Shows a subscription.", RESOURCE, &SUBSCRIPTION).with(&status),
        )
        .put(
            update,
            one("updateSubscription", "Changes a subscription.", RESOURCE, &SUBSCRIPTION)
                .reads(changed)
                .with(&status),
        )
        .delete(
            end,
            one("terminateSubscription", "Ends a subscription.", RESOURCE, &SUBSCRIPTION)
                .with(&status),
        )
        .at("/api/v1/customers/:external_customer_id/subscriptions")
        .get(
            list_of_customer,
            page("listSubscriptionsOf", "Lists a customer's.", "subscriptions", &SUBSCRIPTION)
                .with(&filters[1..]),
        )
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let row = call.command(CreateSubscription { input: call.root(RESOURCE)? }).await?;
    printed(&call, &row)
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (external_id, status) = (call.name(0), status(&call.query()?)?);
    let input = call.root(RESOURCE)?;
    let row = call.command(UpdateSubscription { external_id, status, input }).await?;
    printed(&call, &row)
}

async fn end<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let pending = status(&call.query()?)?.as_deref() == Some(Status::Pending.name());
    let row = call.command(EndSubscription { external_id: call.name(0), pending });
    printed(&call, &row.await?)
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let status = status(&call.query()?)?;
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let rows = catalogue.directory.subscriptions(organization, call.path(0));
    let row = row_in(&rows, status.as_deref(), catalogue.now);
    let row = row.ok_or(call.not_found())?;
    Ok(answer(RESOURCE, |out| Shown::new(&catalogue, row).print(out)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let query = call.query()?;
    page_of(call.catalogue()?, Page::read(&query)?, Filter::read(&query)?).await
}

async fn list_of_customer<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let query = call.query()?;
    let (page, mut filter) = (Page::read(&query)?, Filter::read(&query)?);
    let catalogue = call.catalogue()?;
    let organization = &catalogue.tenant.organization.external_id;
    let customer = catalogue.directory.customer(organization, call.path(0));
    filter.customer = Some(customer.ok_or(ApiError::CustomerNotFound)?.external_id.clone());
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

fn printed<B: Backend>(call: &Call<B>, row: &Subscription) -> Result<Response, ApiError> {
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
