//! How Graph says no.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use crate::guid;

/// A refusal with Graph's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// The property that belongs to something else already.
    pub conflict: Option<&'static str>,
}

impl GraphError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            conflict: None,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// What was sent is no request that the service could try.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    pub fn invalid(property: &str, resource: &str, why: &str) -> Self {
        Self::bad_request(format!(
            "Invalid value specified for property '{property}' of resource '{resource}': {why}."
        ))
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub fn no_such_segment(segment: &str) -> Self {
        Self::unreadable(format!("Resource not found for the segment '{segment}'."))
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    pub fn token(message: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            message,
        )
    }

    pub fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// Another domain, of this tenant or of any, has the value.
    pub fn taken(property: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            format!("Another object with the same value for property {property} already exists."),
        )
    }

    /// Another user of the tenant has the value.
    pub fn conflict(property: &'static str) -> Self {
        Self {
            conflict: Some(property),
            ..Self::bad_request(format!(
                "Another object with the same value for property {property} already exists."
            ))
        }
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Service_InternalServerError",
            "Encountered an internal server error.",
        )
    }

    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "serviceNotAvailable",
            "The service is temporarily unavailable.",
        )
    }

    pub fn throttled() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Too many requests.",
        )
    }

    pub fn response(&self, now: DateTime<Utc>) -> Response {
        let request_id = guid::random();
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": now.to_rfc3339_opts(SecondsFormat::Secs, true).trim_end_matches('Z'),
                "request-id": request_id,
                "client-request-id": request_id,
            },
        });
        if let Some(target) = self.conflict {
            error["details"] = json!([{ "target": target, "code": "ObjectConflict" }]);
        }
        let answer = (self.status, Json(json!({ "error": error })));
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            return ([(header::RETRY_AFTER, "0")], answer).into_response();
        }
        answer.into_response()
    }
}
