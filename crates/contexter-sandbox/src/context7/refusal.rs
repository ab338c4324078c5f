//! Replies that are no documentation.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

/// A refused request: a status, and `{"error": "<code>", "message": "<text>"}`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    redirect: Option<String>,
    limits: Option<Limits>,
}

/// What the headers of a 429 say.
#[derive(Clone, Copy, Debug)]
struct Limits {
    limit: u64,
    retry_after: u64,
    reset: Timestamp,
    ask_to_sign_in: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            redirect: None,
            limits: None,
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    pub(super) fn invalid_id(id: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_library_id",
            format!(
                "Invalid library ID \"{id}\". Expected format: /owner/repo or /owner/repo/version"
            ),
        )
    }

    pub(super) fn wrong_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "Invalid API key. Please check your API key. API keys should start with 'ctx7sk'.",
        )
    }

    pub(super) fn spending_limit() -> Self {
        Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "spending_limit_exceeded",
            "Your team has reached its monthly spending limit.",
        )
    }

    pub(super) fn private(id: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "access_denied",
            format!("You do not have access to library \"{id}\"."),
        )
    }

    pub(super) fn too_large(id: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "library_too_large",
            format!("Library \"{id}\" is too large."),
        )
    }

    pub(super) fn unknown_library(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "library_not_found",
            format!("Library \"{id}\" not found."),
        )
    }

    pub(super) fn unknown_tag<'a>(
        id: &str,
        tag: &str,
        tags: impl Iterator<Item = &'a str>,
    ) -> Self {
        let tags = tags.collect::<Vec<_>>().join(", ");
        Self::new(
            StatusCode::NOT_FOUND,
            "tag_not_found",
            format!("Tag \"{tag}\" not found for library \"{id}\". Available tags: {tags}"),
        )
    }

    pub(super) fn no_snippets(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_snippets_found",
            format!("No snippets found for library \"{id}\"."),
        )
    }

    pub(super) fn not_finalized(id: &str) -> Self {
        Self::new(
            StatusCode::ACCEPTED,
            "library_not_finalized",
            format!("Library \"{id}\" is not finalized yet. Please try again later."),
        )
    }

    pub(super) fn moved(from: &str, to: &str) -> Self {
        Self {
            redirect: Some(to.to_owned()),
            ..Self::new(
                StatusCode::MOVED_PERMANENTLY,
                "library_redirected",
                format!("Library \"{from}\" has moved to \"{to}\"."),
            )
        }
    }

    pub(super) fn throttled(limit: u64, left: Duration, now: Timestamp, anonymous: bool) -> Self {
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let reset = now
            .as_second()
            .saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
        Self {
            limits: Some(Limits {
                limit,
                retry_after: seconds,
                reset: Timestamp::from_second(reset).unwrap_or(now),
                ask_to_sign_in: anonymous,
            }),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                "Rate limit exceeded. Please slow down.",
            )
        }
    }

    pub(super) fn quota_exhausted(
        limit: u64,
        (now, reset): (Timestamp, Timestamp),
        anonymous: bool,
    ) -> Self {
        let seconds = reset.as_second().saturating_sub(now.as_second());
        let message = if anonymous {
            "Monthly quota exceeded. Create a free API key at https://context7.com/dashboard for \
             more requests."
        } else {
            "Monthly quota exceeded. Upgrade your plan at https://context7.com/plans for more \
             requests."
        };
        Self {
            limits: Some(Limits {
                limit,
                retry_after: u64::try_from(seconds).unwrap_or(0),
                reset,
                ask_to_sign_in: anonymous,
            }),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                message,
            )
        }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.limits.map(|limits| limits.retry_after)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.code, "message": self.message });
        if let (Some(redirect), Some(body)) = (self.redirect, body.as_object_mut()) {
            body.insert("redirectUrl".to_owned(), redirect.into());
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(limits) = self.limits {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, limits.retry_after.into());
            for (name, value) in [
                ("ratelimit-limit", HeaderValue::from(limits.limit)),
                ("ratelimit-remaining", HeaderValue::from(0)),
                (
                    "ratelimit-reset",
                    HeaderValue::from(limits.reset.as_second()),
                ),
            ] {
                headers.insert(HeaderName::from_static(name), value);
            }
            if limits.ask_to_sign_in {
                let name = HeaderName::from_static("x-context7-auth-prompt");
                headers.insert(name, HeaderValue::from_static("1"));
            }
        }
        response
    }
}
