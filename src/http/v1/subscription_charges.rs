//! `/api/v1/subscriptions/:external_id/charges` and their filters (charge properties 10.5).

use axum::response::Response;
use uuid::Uuid;

use super::plans_body::{
    CHARGE as SHOWN, FILTER as SHOWN_FILTER, charge as print, filter as print_filter,
};
use super::plans_input::{CHARGE_INPUT, FILTER_INPUT};
use crate::core::catalog::commands::{
    AddFilter, OverrideCharge, OverrideFilter, State as Catalogue, charges_in_force,
    subscribed_charge,
};
use crate::core::catalog::{Charge, Status};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Shape, one, page};
use crate::http::route::Routes;

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
    let sent = Shape::Root(CHARGE, &CHARGE_INPUT);
    let filter = Shape::Root(FILTER, &FILTER_INPUT);
    Routes::of(RESOURCE, "/api/v1/subscriptions/:external_id/charges")
        .get(list, page("listSubscribedCharges", "Lists subscribed charges.", "charges", &SHOWN))
        .at("/api/v1/subscriptions/:external_id/charges/:charge_code")
        .get(show, one("showSubscribedCharge", "Shows a subscribed charge.", CHARGE, &SHOWN))
        .put(
            update,
            one("overrideCharge", "Changes a charge for one subscription.", CHARGE, &SHOWN)
                .reads(sent),
        )
        .at("/api/v1/subscriptions/:external_id/charges/:charge_code/filters")
        .post(
            create_filter,
            one("addFilter", "Adds a filter for one subscription.", FILTER, &SHOWN_FILTER)
                .reads(filter),
        )
        .get(
            list_filters,
            page("listSubscribedFilters", "Lists filters.", "filters", &SHOWN_FILTER),
        )
        .at("/api/v1/subscriptions/:external_id/charges/:charge_code/filters/:id")
        .get(show_filter, one("showSubscribedFilter", "Shows a filter.", FILTER, &SHOWN_FILTER))
        .put(
            update_filter,
            one("overrideFilter", "Changes a filter for one subscription.", FILTER, &SHOWN_FILTER)
                .reads(filter),
        )
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let seen = call.catalogue()?;
    let tenant = &seen.tenant;
    let rows = seen.directory.subscriptions(&tenant.organization.external_id, call.path(0));
    let row = rows.iter().find(|row| row.status_at(seen.now) == Status::Active);
    let plan = tenant.plan(row.ok_or(call.not_found())?.plan);
    let charges: Vec<_> =
        plan.into_iter().flat_map(|plan| charges_in_force(&plan.entity, tenant)).collect();
    let charges = charges.into_iter();
    Ok(answer_text(page.cut("charges", charges, |out, row| print(out, row, tenant))))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let charge = find(&call)?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, &charge, &tenant)))
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    find(&call)?;
    let (subscription, charge) = (call.name(0), call.name(1));
    let input = call.root(CHARGE)?;
    let charge = call.command(OverrideCharge { subscription, charge, input }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(CHARGE, |out| print(out, &charge, &tenant)))
}

async fn create_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    find(&call)?;
    let (subscription, charge) = (call.name(0), call.name(1));
    let input = call.root(FILTER)?;
    let reply = call.command(AddFilter { subscription, charge, input }).await?;
    Ok(answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code)))
}

async fn list_filters<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (page, charge) = (call.page()?, find(&call)?);
    Ok(answer_text(page.cut("filters", charge.filters.iter(), |out, row| {
        print_filter(out, row, &charge.code);
    })))
}

async fn show_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (charge, id) = (find(&call)?, Uuid::try_parse(call.path(2)).ok());
    let filter = charge.filters.iter().find(|filter| Some(filter.id) == id);
    let filter = filter.ok_or(ApiError::NotFound(CHARGE_FILTER))?;
    Ok(answer(FILTER, |out| print_filter(out, filter, &charge.code)))
}

async fn update_filter<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let id = Uuid::try_parse(call.path(2)).ok();
    if find(&call)?.filters.iter().all(|filter| Some(filter.id) != id) {
        return Err(ApiError::NotFound(CHARGE_FILTER));
    }
    let (subscription, charge) = (call.name(0), call.name(1));
    let (filter, input) = (call.name(2), call.root(FILTER)?);
    let reply = call.command(OverrideFilter { subscription, charge, filter, input }).await?;
    Ok(answer(FILTER, |out| print_filter(out, &reply.filter, &reply.charge_code)))
}

/// The charge that the path names: what is not there comes before a missing root here.
fn find<B: Backend>(call: &Call<B>) -> Result<Charge, ApiError> {
    let seen = call.catalogue()?;
    let state = Catalogue::new(&seen.tenant, &*seen.directory, seen.now, Uuid::nil());
    let found = subscribed_charge(&state, call.path(0), call.path(1));
    found.map(|(_, _, charge)| charge.clone()).map_err(ApiError::from_refusal)
}
