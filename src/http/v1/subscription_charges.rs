//! `/api/v1/subscriptions/:external_id/charges` and their filters (charge properties 10.5).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use uuid::Uuid;

use super::Routes;
use super::plans_body::{charge as print, filter as print_filter};
use crate::core::catalog::commands::{
    AddFilter, OverrideCharge, OverrideFilter, State as Catalogue, charges_in_force,
    subscribed_charge,
};
use crate::core::catalog::{Charge, Status};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::router::App;

/// What a key has to be allowed to read or write.
const RESOURCE: &str = "subscription";
/// Root key of a charge.
const CHARGE: &str = "charge";
/// Root key of a filter.
const FILTER: &str = "filter";
/// What is not found if a filter is not.
const CHARGE_FILTER: &str = "charge_filter";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/subscriptions/:external_id/charges", get(list::<B>)),
        (
            "/api/v1/subscriptions/:external_id/charges/:charge_code",
            get(show::<B>).put(update::<B>),
        ),
        (
            "/api/v1/subscriptions/:external_id/charges/:charge_code/filters",
            post(create_filter::<B>).get(list_filters::<B>),
        ),
        (
            "/api/v1/subscriptions/:external_id/charges/:charge_code/filters/:id",
            put(update_filter::<B>).get(show_filter::<B>),
        ),
    ]
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let seen = call.catalogue()?;
    let tenant = &seen.tenant;
    let rows = seen.directory.subscriptions(&tenant.organization.external_id, call.path(0));
    let row = rows.iter().find(|row| row.status_at(seen.now) == Status::Active);
    let plan = tenant.plan(row.ok_or(ApiError::NotFound(RESOURCE))?.plan);
    let charges: Vec<_> =
        plan.into_iter().flat_map(|plan| charges_in_force(&plan.entity, tenant)).collect();
    let (total, rows) = (charges.len(), charges.into_iter().skip(page.offset()).take(page.limit()));
    Ok(answer_text(page.print("charges", rows, total, |out, row| print(out, row, tenant))))
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let charge = find(&call)?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, &charge, &tenant)))
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    find(&call)?;
    let (subscription, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let input = call.root(CHARGE)?;
    let charge = call.command(OverrideCharge { subscription, charge, input }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, &charge, &tenant)))
}

async fn create_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    find(&call)?;
    let (subscription, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let input = call.root(FILTER)?;
    let reply = call.command(AddFilter { subscription, charge, input }).await?;
    Ok(answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code)))
}

async fn list_filters<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let charge = find(&call)?;
    let rows = charge.filters.iter().skip(page.offset()).take(page.limit());
    Ok(answer_text(page.print("filters", rows, charge.filters.len(), |out, row| {
        print_filter(out, row, &charge.code);
    })))
}

async fn show_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (charge, id) = (find(&call)?, Uuid::try_parse(call.path(2)).ok());
    let filter = charge.filters.iter().find(|filter| Some(filter.id) == id);
    let filter = filter.ok_or(ApiError::NotFound(CHARGE_FILTER))?;
    Ok(answer(FILTER, |out| print_filter(out, filter, &charge.code)))
}

async fn update_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let id = Uuid::try_parse(call.path(2)).ok();
    if find(&call)?.filters.iter().all(|filter| Some(filter.id) != id) {
        return Err(ApiError::NotFound(CHARGE_FILTER));
    }
    let (subscription, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let (filter, input) = (call.path(2).to_owned(), call.root(FILTER)?);
    let reply = call.command(OverrideFilter { subscription, charge, filter, input }).await?;
    Ok(answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code)))
}

/// The charge that the path names: what is not there comes before a missing root here.
fn find<B: Backend>(call: &Call<'_, B>) -> Result<Charge, ApiError> {
    let seen = call.catalogue()?;
    let state = Catalogue::new(&seen.tenant, &*seen.directory, seen.now, Uuid::nil());
    let found = subscribed_charge(&state, call.path(0), call.path(1));
    found.map(|(_, _, charge)| charge.clone()).map_err(ApiError::from_refusal)
}
