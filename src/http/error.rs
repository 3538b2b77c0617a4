//! The one table from conditions to statuses and bodies (specification 1.4; SDK contract 3).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::backend::{CommandError, Freshness, UsageError, UsageLimit};
use super::json;
use super::v1::freshness;
use crate::core::catalog::check::Errors;
use crate::core::catalog::commands::Refusal;

/// Media type of every answer but the metrics.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Seconds after which a caller who met load or an account that is being read may come again.
/// Small, because both pass quickly and clients wait as long as they are told.
const RETRY_SOON_SECONDS: u64 = 1;
/// Seconds after which a read beyond a hard limit may be tried again: only another setting or
/// another billing period changes it.
const RETRY_LIMIT_SECONDS: u64 = 60;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Why a request gets no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No key, or none that is known.
    Unauthorized,
    /// The key may not do this.
    Forbidden {
        /// `read` or `write`.
        mode: &'static str,
        /// What it is about.
        resource: &'static str,
    },
    /// The tenant has no projected usage.
    ProjectedUsageNotEnabled,
    /// There is nothing under this path and method.
    RouteNotFound,
    /// A parameter cannot be used.
    Invalid {
        /// The parameter.
        field: &'static str,
        /// What is wrong with it.
        code: &'static str,
    },
    /// The body cannot be used; Lago's words for it.
    BadRequest(String),
    /// There is no such object; the kind of object.
    NotFound(&'static str),
    /// Something that is not offered.
    FeatureUnavailable,
    /// Members that cannot be accepted.
    Refused(Errors),
    /// The catalogue cannot be written, or it is not known whether it was.
    CatalogUnavailable,
    /// Several members cannot be used: the details as JSON.
    Details(String),
    /// The request did not arrive in time.
    RequestTimeout,
    /// The body is larger than the setting allows.
    BodyTooLarge,
    /// Request line and headers are larger than the setting allows.
    HeadersTooLarge,
    /// As many requests as the setting allows are being answered.
    Overloaded {
        /// How many that is.
        limit: usize,
    },
    /// The wanted offsets are not applied.
    OffsetNotReached {
        /// Whether the wait is over.
        timed_out: bool,
        /// What is applied.
        freshness: Freshness,
    },
    /// The figure would be older than the caller wants.
    TooStale(Freshness),
    /// No copy of an event was found where stories are looked for.
    StoryNotFound {
        /// Refused records that were looked at, and how many are kept.
        refused: (u64, u64),
    },
    /// The customer is unknown.
    CustomerNotFound,
    /// No active subscription fits.
    NoActiveSubscription,
    /// `full_usage` is not permitted.
    FullUsageNotAllowed,
    /// No charge is selected.
    ChargeNotFound,
    /// The account is not back from the store yet.
    NotReady,
    /// Stored events of the account cannot be read.
    Unreadable,
    /// A read beyond a hard limit.
    LimitExceeded(UsageLimit),
    /// A defect of ours.
    Internal,
}

impl ApiError {
    /// A parameter whose form is wrong.
    pub const fn malformed(field: &'static str) -> Self {
        Self::Invalid { field, code: "invalid_format" }
    }

    /// A body without the object that it should hold.
    pub fn missing_root(name: &str) -> Self {
        let what = "param is missing or the value is empty or invalid";
        Self::BadRequest(format!("BadRequest: {what}: {name}"))
    }

    /// What the backend says about a command.
    pub fn from_command(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => Self::from_refusal(refusal),
            // Its keys are gone with it.
            CommandError::NoOrganization => Self::Unauthorized,
            CommandError::Unavailable => Self::CatalogUnavailable,
        }
    }

    /// What a rule of the catalogue says.
    pub fn from_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(resource) => Self::NotFound(resource),
            Refusal::FeatureUnavailable => Self::FeatureUnavailable,
            Refusal::Invalid(errors) => Self::Refused(errors),
        }
    }

    /// What the backend says, where `limit` is the bound on requests at once.
    pub fn from_usage(error: UsageError, limit: usize) -> Self {
        match error {
            UsageError::CustomerNotFound => Self::CustomerNotFound,
            UsageError::SubscriptionMandatory => {
                Self::Invalid { field: "external_subscription_id", code: "value_is_mandatory" }
            }
            UsageError::NoActiveSubscription => Self::NoActiveSubscription,
            UsageError::FullUsageNotAllowed => Self::FullUsageNotAllowed,
            UsageError::ChargeNotFound => Self::ChargeNotFound,
            UsageError::OffsetNotReached { timed_out, freshness } => {
                Self::OffsetNotReached { timed_out, freshness }
            }
            UsageError::MalformedOffset => Self::malformed("min_offset"),
            UsageError::TooStale(freshness) => Self::TooStale(freshness),
            UsageError::NotReady => Self::NotReady,
            UsageError::Unreadable => Self::Unreadable,
            UsageError::LimitExceeded(limit) => Self::LimitExceeded(limit),
            UsageError::Overloaded => Self::Overloaded { limit },
            UsageError::Internal => Self::Internal,
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::FeatureUnavailable | Self::ProjectedUsageNotEnabled => {
                StatusCode::FORBIDDEN
            }
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::RouteNotFound
            | Self::CustomerNotFound
            | Self::ChargeNotFound
            | Self::StoryNotFound { .. }
            | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NoActiveSubscription | Self::FullUsageNotAllowed => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::OffsetNotReached { timed_out: false, .. } => StatusCode::CONFLICT,
            Self::OffsetNotReached { timed_out: true, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid { .. } | Self::Refused(_) | Self::Details(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotReady
            | Self::Unreadable
            | Self::TooStale(_)
            | Self::LimitExceeded(_)
            | Self::CatalogUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word that clients branch on; Lago's 400 and 401 have none.
    fn code(&self) -> Option<String> {
        let code = match self {
            Self::Unauthorized | Self::BadRequest(_) => return None,
            Self::NotFound(resource) => return Some(format!("{resource}_not_found")),
            Self::Forbidden { mode, resource } => {
                return Some(format!("{mode}_action_not_allowed_for_{resource}"));
            }
            Self::ProjectedUsageNotEnabled => "projected_usage_not_enabled",
            Self::FeatureUnavailable => "feature_unavailable",
            Self::CatalogUnavailable => "catalog_unavailable",
            Self::RouteNotFound => "resource_not_found",
            Self::CustomerNotFound => "customer_not_found",
            Self::ChargeNotFound => "charge_not_found",
            Self::NoActiveSubscription => "no_active_subscription",
            Self::FullUsageNotAllowed => "full_usage_not_allowed",
            Self::OffsetNotReached { .. } => "offset_not_reached",
            Self::TooStale(_) => "too_stale",
            Self::StoryNotFound { .. } => "event_story_not_found",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "request_too_large",
            Self::Invalid { .. } | Self::Refused(_) | Self::Details(_) => "validation_errors",
            Self::Overloaded { .. } => "too_many_requests",
            Self::HeadersTooLarge => "headers_too_large",
            Self::NotReady => "not_ready",
            Self::Unreadable => "ledger_unreadable",
            Self::LimitExceeded(_) => "bucket_limit_exceeded",
            Self::Internal => "internal_error",
        };
        Some(code.to_owned())
    }

    fn details(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        match self {
            Self::StoryNotFound { refused: (looked_at, kept) } => {
                let whole = if looked_at == kept { "not_found" } else { "not_found_in_newest" };
                vec![("ledger", vec!["not_found"]), ("rejected", vec![whole])]
            }
            Self::Invalid { field, code } => vec![(field, vec![code])],
            Self::LimitExceeded(limit) => vec![(limit.name(), vec!["value_is_out_of_range"])],
            Self::Refused(errors) => {
                errors.iter().map(|(field, codes)| (field, codes.to_vec())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Overloaded { limit } => {
                headers.insert(LIMIT, HeaderValue::from(*limit));
                headers.insert(REMAINING, HeaderValue::from(0_u64));
                headers.insert(RESET, HeaderValue::from(RETRY_SOON_SECONDS));
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON_SECONDS));
            }
            Self::NotReady | Self::CatalogUnavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON_SECONDS));
            }
            Self::LimitExceeded(_) | Self::Unreadable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_LIMIT_SECONDS));
            }
            // The rest of the request is not read, so the connection cannot be used again.
            Self::BodyTooLarge | Self::HeadersTooLarge => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::OffsetNotReached { freshness, .. } => freshness::add_headers(headers, freshness),
            Self::TooStale(freshness) => {
                freshness::add_headers(headers, freshness);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON_SECONDS));
            }
            _ => {}
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> String {
        let status = self.status();
        let mut out = String::with_capacity(128);
        out.push_str("{\"status\":");
        json::integer(&mut out, i64::from(status.as_u16()));
        out.push_str(",\"error\":");
        let reason = status.canonical_reason().unwrap_or("Error");
        json::string(&mut out, if let Self::BadRequest(words) = self { words } else { reason });
        if let Some(code) = self.code() {
            out.push_str(",\"code\":");
            json::string(&mut out, &code);
        }
        let details = self.details();
        if !details.is_empty() {
            out.push_str(",\"error_details\":");
            json::list(&mut out, json::OBJECT, details, |out, (field, codes)| {
                json::key(out, field);
                json::list(out, json::ARRAY, codes, json::string);
            });
        }
        if let Self::Details(details) = self {
            out.push_str(",\"error_details\":");
            out.push_str(details);
        }
        out.push('}');
        out
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status(), self.body());
        self.add_headers(response.headers_mut());
        response
    }
}

/// The bytes of an answer to a request that never became one, after which the connection is closed.
pub fn raw_response(error: &ApiError) -> String {
    let (status, body) = (error.status(), error.body());
    let media = JSON;
    let media = media.to_str().unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// An answer with a JSON body.
pub fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
