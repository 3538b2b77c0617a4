//! `/api/v1/plans/:code/charges` and their filters (charge properties 8.3, 10.3, 10.4).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use uuid::Uuid;

use super::Routes;
use super::plans::RESOURCE;
use super::plans_body::{charge as print, filter as print_filter};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::{
    CreateCharge, CreateFilter, DeleteCharge, DeleteFilter, FilterReply, UpdateCharge,
    UpdateFilter, charge_by_code, charges_in_force,
};
use crate::core::catalog::{Charge, Plan};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::router::App;

/// Root key of a charge. What a key has to be allowed is the plan.
const CHARGE: &str = "charge";
/// Root key of a filter.
const FILTER: &str = "filter";
/// What is not found if a filter is not.
const CHARGE_FILTER: &str = "charge_filter";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/plans/:code/charges", post(create::<B>).get(list::<B>)),
        (
            "/api/v1/plans/:code/charges/:charge_code",
            get(show::<B>).put(update::<B>).delete(delete::<B>),
        ),
        (
            "/api/v1/plans/:code/charges/:charge_code/filters",
            post(create_filter::<B>).get(list_filters::<B>),
        ),
        (
            "/api/v1/plans/:code/charges/:charge_code/filters/:id",
            get(show_filter::<B>).put(update_filter::<B>).delete(delete_filter::<B>),
        ),
    ]
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    // An unknown plan comes before a missing root here.
    find_plan(&call.catalogue()?.tenant, call.path(0))?;
    let (plan, input) = (call.path(0).to_owned(), call.root(CHARGE)?);
    let charge = call.command(CreateCharge { plan, input }).await?;
    answer_charge(&call, &charge)
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    find_charge(&call.catalogue()?.tenant, call.path(0), call.path(1))?;
    let (plan, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let charge = call.command(UpdateCharge { plan, charge, input: call.root(CHARGE)? }).await?;
    answer_charge(&call, &charge)
}

async fn delete<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (plan, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let charge = call.command(DeleteCharge { plan, charge }).await?;
    answer_charge(&call, &charge)
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let tenant = call.catalogue()?.tenant;
    let charge = find_charge(&tenant, call.path(0), call.path(1))?;
    Ok(answer(CHARGE, |out| print(out, charge, &tenant)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let tenant = call.catalogue()?.tenant;
    let charges: Vec<_> = charges_in_force(find_plan(&tenant, call.path(0))?, &tenant).collect();
    let (total, rows) = (charges.len(), charges.into_iter().skip(page.offset()).take(page.limit()));
    Ok(answer_text(page.print("charges", rows, total, |out, row| print(out, row, &tenant))))
}

async fn create_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    find_charge(&call.catalogue()?.tenant, call.path(0), call.path(1))?;
    let (plan, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let reply = call.command(CreateFilter { plan, charge, input: call.root(FILTER)? }).await?;
    Ok(answer_filter(&reply))
}

async fn update_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    find_filter(&call.catalogue()?.tenant, &call)?;
    let (plan, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let (filter, input) = (call.path(2).to_owned(), call.root(FILTER)?);
    let reply = call.command(UpdateFilter { plan, charge, filter, input }).await?;
    Ok(answer_filter(&reply))
}

async fn delete_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (plan, charge) = (call.path(0).to_owned(), call.path(1).to_owned());
    let filter = call.path(2).to_owned();
    let reply = call.command(DeleteFilter { plan, charge, filter }).await?;
    Ok(answer_filter(&reply))
}

async fn show_filter<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let reply = find_filter(&call.catalogue()?.tenant, &call)?;
    Ok(answer_filter(&reply))
}

async fn list_filters<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let tenant = call.catalogue()?.tenant;
    let charge = find_charge(&tenant, call.path(0), call.path(1))?;
    let rows = charge.filters.iter().skip(page.offset()).take(page.limit());
    Ok(answer_text(page.print("filters", rows, charge.filters.len(), |out, row| {
        print_filter(out, row, &charge.code);
    })))
}

fn find_plan<'a>(tenant: &'a Tenant, code: &str) -> Result<&'a Plan, ApiError> {
    tenant.plans.by_code(code).map(|plan| &*plan.entity).ok_or(ApiError::NotFound(RESOURCE))
}

fn find_charge<'a>(tenant: &'a Tenant, plan: &str, code: &str) -> Result<&'a Charge, ApiError> {
    let charge = charge_by_code(find_plan(tenant, plan)?, tenant, code);
    charge.ok_or(ApiError::NotFound(CHARGE))
}

/// The filter that the path names.
fn find_filter<B: Backend>(tenant: &Tenant, call: &Call<'_, B>) -> Result<FilterReply, ApiError> {
    let charge = find_charge(tenant, call.path(0), call.path(1))?;
    let id = Uuid::try_parse(call.path(2)).ok();
    let filter = charge.filters.iter().find(|filter| Some(filter.id) == id);
    let filter = filter.ok_or(ApiError::NotFound(CHARGE_FILTER))?;
    Ok(FilterReply { charge_code: charge.code.clone(), filter: filter.clone() })
}

fn answer_charge<B: Backend>(call: &Call<'_, B>, charge: &Charge) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, charge, &tenant)))
}

fn answer_filter(reply: &FilterReply) -> Response {
    answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code))
}
