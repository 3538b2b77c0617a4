//! Routes of the operator, under a key of their own. They exist only if one is set.
//!
//! * `GET /odometer/v1/operator/gaps`: partitions that stand still, and gaps that were accepted.
//! * `POST /odometer/v1/operator/gaps` accepts one:
//!   `{"topic":"events_raw","partition":0,"from_offset":42,"by":"…","note":"…"}`.
//! * `GET /odometer/v1/operator/rejected?from=0&limit=100`: rejected records, oldest first.
//! * `GET /odometer/v1/operator/rejected/NUMBER`: one of them with its bytes, as text if they are;
//!   `GET …/NUMBER/bytes`: the bytes alone, as they came.
//! * `POST /odometer/v1/operator/rejected/replay` with `{"from":0,"to":10,"reason":"too_deep"}`,
//!   each of which may be left out.
//! * `POST /odometer/v1/operator/backups` makes a backup where `backup.to` says.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::auth;
use super::error::{ApiError, json_response};
use super::guard::{Panicked, guard};
use super::operator_body as print;
use super::query::Query;
use crate::config::Secret;
use crate::runtime::gaps::{Accept, Refusal};
use crate::runtime::operator::{NoBackup, Operator};
use crate::runtime::replay::Selection;

/// Longest request body: two texts and some numbers.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Records of a page if no number is asked for.
const PER_PAGE: usize = 100;
/// Most records of a page, so that an answer stays small.
const PER_PAGE_MAX: usize = 1_000;

struct Api {
    operator: Operator,
    /// Digest of the key, so that comparing takes the same time whatever is sent.
    key: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    topic: String,
    partition: u16,
    from_offset: i64,
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    #[serde(default)]
    from: u64,
    to: Option<u64>,
    reason: Option<String>,
}

/// The routes; none without a key.
pub fn routes(operator: Operator, key: &Secret) -> Router {
    if key.is_empty() {
        return Router::new();
    }
    let key = Sha256::digest(key.expose().as_bytes()).into();
    let api = Arc::new(Api { operator, key });
    Router::new()
        .route("/odometer/v1/operator/gaps", get(gaps).post(accept))
        .route("/odometer/v1/operator/backups", post(back_up))
        .route("/odometer/v1/operator/rejected", get(rejected))
        .route("/odometer/v1/operator/rejected/replay", post(replay))
        .route("/odometer/v1/operator/rejected/{number}", get(show))
        .route("/odometer/v1/operator/rejected/{number}/bytes", get(bytes))
        .layer(from_fn_with_state(Arc::clone(&api), admit))
        .with_state(api)
}

/// Lets the operator in, and nobody else.
async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let token = auth::token(request.headers()).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    if !bool::from(digest.ct_eq(&api.key)) {
        return ApiError::Unauthorized.into_response();
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = guard(next.run(request)).await;
    let answer = answer.unwrap_or_else(|Panicked| ApiError::Internal.into_response());
    tracing::info!(%method, path, status = answer.status().as_u16(), "operator");
    answer
}

async fn gaps(State(api): State<Arc<Api>>) -> Response {
    blocking(move || match api.operator.gaps() {
        Ok(gaps) => json_response(StatusCode::OK, print::gaps(&gaps)),
        Err(error) => failed(&error),
    })
    .await
}

async fn accept(State(api): State<Arc<Api>>, body: Body) -> Response {
    let asked: AcceptBody = match read(body).await {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    let AcceptBody { topic, partition, from_offset: from, by, note } = asked;
    let asked = Accept { topic, partition, from, by, note };
    blocking(move || match api.operator.accept(&asked) {
        Ok(gap) => json_response(StatusCode::OK, print::accepted(&gap)),
        Err(refusal) => refuse(&refusal),
    })
    .await
}

async fn back_up(State(api): State<Arc<Api>>) -> Response {
    blocking(move || match api.operator.back_up() {
        Ok(made) => json_response(StatusCode::OK, print::backup(&made)),
        Err(NoBackup::Failed(error)) => failed(&error),
        Err(refusal) => {
            let (status, code) = match refusal {
                NoBackup::Nowhere => (StatusCode::UNPROCESSABLE_ENTITY, "no_place_for_backups"),
                _ => (StatusCode::CONFLICT, "backup_under_way"),
            };
            json_response(status, print::refusal(status.as_u16(), code, &refusal.to_string()))
        }
    })
    .await
}

async fn rejected(State(api): State<Arc<Api>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or("").to_owned();
    let (from, limit) = match page(&query) {
        Ok(page) => page,
        Err(error) => return error.into_response(),
    };
    blocking(move || match api.operator.rejected(from, limit) {
        Ok(page) => json_response(StatusCode::OK, print::rejected(&page)),
        Err(error) => failed(&error),
    })
    .await
}

async fn show(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Response {
    blocking(move || {
        let Ok(number) = number.parse() else { return ApiError::RouteNotFound.into_response() };
        match api.operator.rejected_at(number) {
            Ok(Some(entry)) => json_response(StatusCode::OK, print::record(number, &entry)),
            Ok(None) => ApiError::NotFound("rejected_record").into_response(),
            Err(error) => failed(&error),
        }
    })
    .await
}

async fn bytes(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Response {
    blocking(move || {
        let Ok(number) = number.parse() else { return ApiError::RouteNotFound.into_response() };
        match api.operator.rejected_at(number) {
            Ok(Some(entry)) => {
                ([(header::CONTENT_TYPE, "application/octet-stream")], entry.bytes).into_response()
            }
            Ok(None) => ApiError::NotFound("rejected_record").into_response(),
            Err(error) => failed(&error),
        }
    })
    .await
}

async fn replay(State(api): State<Arc<Api>>, body: Body) -> Response {
    let ReplayBody { from, to, reason } = match read(body).await {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    let selection = Selection { from, to, reason };
    blocking(move || match api.operator.replay(&selection) {
        Ok(replayed) => json_response(StatusCode::OK, print::replayed(replayed)),
        Err(error) => failed(&error),
    })
    .await
}

/// Everything an operator asks for waits for the store, the brokers or the fold.
async fn blocking(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| ApiError::Internal.into_response())
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| ApiError::BodyTooLarge)?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::BadRequest(error.to_string()))
}

fn page(query: &str) -> Result<(u64, usize), ApiError> {
    let query = Query::parse(query)?;
    let from = query.text("from")?.map_or(Ok(0), str::parse);
    let limit = query.text("limit")?.map_or(Ok(PER_PAGE), str::parse);
    let from = from.map_err(|_| ApiError::malformed("from"))?;
    let limit: usize = limit.map_err(|_| ApiError::malformed("limit"))?;
    Ok((from, limit.clamp(1, PER_PAGE_MAX)))
}

fn refuse(refusal: &Refusal) -> Response {
    let (status, code) = match refusal {
        Refusal::Unknown(..) => (StatusCode::NOT_FOUND, "partition_not_found"),
        Refusal::NoGap { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_gap"),
        Refusal::Outside { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "offset_not_available"),
        Refusal::TooLong => (StatusCode::UNPROCESSABLE_ENTITY, "text_too_long"),
        Refusal::Unsettled => (StatusCode::CONFLICT, "not_settled"),
        Refusal::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_confirmed"),
    };
    json_response(status, print::refusal(status.as_u16(), code, &refusal.to_string()))
}

fn failed(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "an operator's request failed");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    json_response(status, print::refusal(status.as_u16(), "failed", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_and_what_is_no_number_is_refused() {
        for (query, expected) in [
            ("", (0, PER_PAGE)),
            ("from=7&limit=2", (7, 2)),
            ("limit=0", (0, 1)),
            ("limit=99999999", (0, PER_PAGE_MAX)),
        ] {
            assert_eq!(page(query), Ok(expected), "{query}");
        }
        assert_eq!(page("from=-1"), Err(ApiError::malformed("from")));
        assert_eq!(page("limit=x"), Err(ApiError::malformed("limit")));
    }
}
