//! `/api/v1/plans/:code/charges` and their filters (charge properties 8.3, 10.3, 10.4).

use axum::response::Response;
use uuid::Uuid;

use super::plans::RESOURCE;
use super::plans_body::{
    CHARGE as SHOWN, FILTER as SHOWN_FILTER, charge as print, filter as print_filter,
};
use super::plans_input::{CHARGE_INPUT, FILTER_INPUT};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::{
    CreateCharge, CreateFilter, DeleteCharge, DeleteFilter, FilterReply, UpdateCharge,
    UpdateFilter, charge_by_code, charges_in_force,
};
use crate::core::catalog::{Charge, Plan};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Shape, one, page};
use crate::http::route::Routes;

/// Root key of a charge. What a key has to be allowed is the plan.
const CHARGE: &str = "charge";
/// Root key of a filter.
const FILTER: &str = "filter";
/// What is not found if a filter is not.
const CHARGE_FILTER: &str = "charge_filter";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let sent = Shape::Root(CHARGE, &CHARGE_INPUT);
    let filter = Shape::Root(FILTER, &FILTER_INPUT);
    Routes::of(RESOURCE, "/api/v1/plans/:code/charges")
        .post(create, one("createCharge", "Adds a charge to a plan.", CHARGE, &SHOWN).reads(sent))
        .get(list, page("listCharges", "Lists the charges of a plan.", "charges", &SHOWN))
        .at("/api/v1/plans/:code/charges/:charge_code")
        .get(show, one("showCharge", "Shows a charge.", CHARGE, &SHOWN))
        .put(update, one("updateCharge", "Changes a charge.", CHARGE, &SHOWN).reads(sent))
        .delete(delete, one("deleteCharge", "Takes a charge out.", CHARGE, &SHOWN))
        .at("/api/v1/plans/:code/charges/:charge_code/filters")
        .post(
            create_filter,
            one("createFilter", "Adds a filter to a charge.", FILTER, &SHOWN_FILTER).reads(filter),
        )
        .get(
            list_filters,
            page("listFilters", "Lists the filters of a charge.", "filters", &SHOWN_FILTER),
        )
        .at("/api/v1/plans/:code/charges/:charge_code/filters/:id")
        .get(show_filter, one("showFilter", "Shows a filter.", FILTER, &SHOWN_FILTER))
        .put(
            update_filter,
            one("updateFilter", "Changes a filter.", FILTER, &SHOWN_FILTER).reads(filter),
        )
        .delete(delete_filter, one("deleteFilter", "Takes a filter out.", FILTER, &SHOWN_FILTER))
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    // An unknown plan comes before a missing root here.
    find_plan(&call.catalogue()?.tenant, call.path(0))?;
    let (plan, input) = (call.name(0), call.root(CHARGE)?);
    let charge = call.command(CreateCharge { plan, input }).await?;
    answer_charge(&call, &charge)
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    find_charge(&call.catalogue()?.tenant, call.path(0), call.path(1))?;
    let (plan, charge) = (call.name(0), call.name(1));
    let charge = call.command(UpdateCharge { plan, charge, input: call.root(CHARGE)? }).await?;
    answer_charge(&call, &charge)
}

async fn delete<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (plan, charge) = (call.name(0), call.name(1));
    let charge = call.command(DeleteCharge { plan, charge }).await?;
    answer_charge(&call, &charge)
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    let charge = find_charge(&tenant, call.path(0), call.path(1))?;
    Ok(answer(CHARGE, |out| print(out, charge, &tenant)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let tenant = call.catalogue()?.tenant;
    let charges: Vec<_> = charges_in_force(find_plan(&tenant, call.path(0))?, &tenant).collect();
    let charges = charges.into_iter();
    Ok(answer_text(page.cut("charges", charges, |out, row| print(out, row, &tenant))))
}

async fn create_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    find_charge(&call.catalogue()?.tenant, call.path(0), call.path(1))?;
    let (plan, charge) = (call.name(0), call.name(1));
    let reply = call.command(CreateFilter { plan, charge, input: call.root(FILTER)? }).await?;
    Ok(answer_filter(&reply))
}

async fn update_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    find_filter(&call.catalogue()?.tenant, &call)?;
    let (plan, charge) = (call.name(0), call.name(1));
    let (filter, input) = (call.name(2), call.root(FILTER)?);
    let reply = call.command(UpdateFilter { plan, charge, filter, input }).await?;
    Ok(answer_filter(&reply))
}

async fn delete_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (plan, charge) = (call.name(0), call.name(1));
    let filter = call.name(2);
    let reply = call.command(DeleteFilter { plan, charge, filter }).await?;
    Ok(answer_filter(&reply))
}

async fn show_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let reply = find_filter(&call.catalogue()?.tenant, &call)?;
    Ok(answer_filter(&reply))
}

async fn list_filters<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let tenant = call.catalogue()?.tenant;
    let charge = find_charge(&tenant, call.path(0), call.path(1))?;
    Ok(answer_text(page.cut("filters", charge.filters.iter(), |out, row| {
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
fn find_filter<B: Backend>(tenant: &Tenant, call: &Call<B>) -> Result<FilterReply, ApiError> {
    let charge = find_charge(tenant, call.path(0), call.path(1))?;
    let id = Uuid::try_parse(call.path(2)).ok();
    let filter = charge.filters.iter().find(|filter| Some(filter.id) == id);
    let filter = filter.ok_or(ApiError::NotFound(CHARGE_FILTER))?;
    Ok(FilterReply { charge_code: charge.code.clone(), filter: filter.clone() })
}

fn answer_charge<B: Backend>(call: &Call<B>, charge: &Charge) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, charge, &tenant)))
}

fn answer_filter(reply: &FilterReply) -> Response {
    answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code))
}
