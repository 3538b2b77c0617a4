//! The one table from conditions to statuses and bodies (specification 1.4; SDK contract 3).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::backend::{Freshness, UsageError, UsageLimit};
use super::json;
use super::v1::freshness;

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
    /// The body cannot be used at all; the text stands where others have the name of the status.
    BadRequest(String),
    /// Several fields cannot be used: the details as JSON.
    Details(String),
    /// There is no such object: the resource.
    NotFound(&'static str),
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
            UsageError::NotReady => Self::NotReady,
            UsageError::LimitExceeded(limit) => Self::LimitExceeded(limit),
            UsageError::Overloaded => Self::Overloaded { limit },
            UsageError::Internal => Self::Internal,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::ProjectedUsageNotEnabled => StatusCode::FORBIDDEN,
            Self::RouteNotFound
            | Self::CustomerNotFound
            | Self::ChargeNotFound
            | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoActiveSubscription | Self::FullUsageNotAllowed => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::OffsetNotReached { timed_out: false, .. } => StatusCode::CONFLICT,
            Self::OffsetNotReached { timed_out: true, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid { .. } | Self::Details(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotReady | Self::LimitExceeded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word that clients branch on; Lago's 401 has none.
    fn code(&self) -> Option<String> {
        let code = match self {
            Self::Unauthorized | Self::BadRequest(_) => return None,
            Self::Forbidden { mode, resource } => {
                return Some(format!("{mode}_action_not_allowed_for_{resource}"));
            }
            Self::ProjectedUsageNotEnabled => "projected_usage_not_enabled",
            Self::RouteNotFound => "resource_not_found",
            Self::CustomerNotFound => "customer_not_found",
            Self::ChargeNotFound => "charge_not_found",
            Self::NotFound(resource) => return Some(format!("{resource}_not_found")),
            Self::NoActiveSubscription => "no_active_subscription",
            Self::FullUsageNotAllowed => "full_usage_not_allowed",
            Self::OffsetNotReached { .. } => "offset_not_reached",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "request_too_large",
            Self::Invalid { .. } | Self::Details(_) => "validation_errors",
            Self::Overloaded { .. } => "too_many_requests",
            Self::HeadersTooLarge => "headers_too_large",
            Self::NotReady => "not_ready",
            Self::LimitExceeded(_) => "bucket_limit_exceeded",
            Self::Internal => "internal_error",
        };
        Some(code.to_owned())
    }

    fn details(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Invalid { field, code } => Some((field, code)),
            Self::LimitExceeded(limit) => Some((limit.name(), "value_is_out_of_range")),
            _ => None,
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
            Self::NotReady => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SOON_SECONDS));
            }
            Self::LimitExceeded(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_LIMIT_SECONDS));
            }
            // The rest of the request is not read, so the connection cannot be used again.
            Self::BodyTooLarge | Self::HeadersTooLarge => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::OffsetNotReached { freshness, .. } => freshness::add_headers(headers, freshness),
            _ => {}
        }
    }

    fn body(&self) -> String {
        let status = self.status();
        let mut out = String::with_capacity(128);
        out.push_str("{\"status\":");
        json::integer(&mut out, i64::from(status.as_u16()));
        out.push_str(",\"error\":");
        json::string(
            &mut out,
            match self {
                Self::BadRequest(text) => text,
                _ => status.canonical_reason().unwrap_or("Error"),
            },
        );
        if let Some(code) = self.code() {
            out.push_str(",\"code\":");
            json::string(&mut out, &code);
        }
        if let Some((field, code)) = self.details() {
            out.push_str(",\"error_details\":{");
            json::key(&mut out, field);
            json::list(&mut out, json::ARRAY, [code], json::string);
            out.push('}');
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
