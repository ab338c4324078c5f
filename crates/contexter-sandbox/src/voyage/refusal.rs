//! Replies that are no success.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refused request: a status and what the vendor says, as `{"detail": "…"}`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) detail: Value,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self {
            status,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The request cannot be served as it is.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail.into())
    }

    /// The request does not have the shape of one: 422, with a list, as FastAPI has it.
    pub(super) fn malformed(field: &str, message: &str) -> Self {
        let fault = json!({"loc": ["body", field], "msg": message, "type": "value_error"});
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json!([fault]))
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No such {what}: {id}"))
    }

    pub(super) fn retired(model: &str, replacement: &str) -> Self {
        Self::new(
            StatusCode::GONE,
            format!("Model '{model}' has been retired. Please use '{replacement}' instead."),
        )
    }

    /// The text that clients parse.
    pub(super) fn too_many_tokens(model: &str, allowed: u64, tokens: u64) -> Self {
        Self::invalid(format!(
            "Request to model '{model}' failed. The max allowed tokens per submitted batch is \
             {allowed}. Your batch has {tokens} tokens after truncation. Please lower the number \
             of tokens in the batch."
        ))
    }

    /// One input is longer than the model reads, and may not be cut.
    pub(super) fn too_long(what: &str, context: u64, tokens: u64) -> Self {
        Self::invalid(format!(
            "{what} has {tokens} tokens and does not fit into the model's context window of \
             {context} tokens. Please lower the number of tokens or use truncation."
        ))
    }

    pub(super) fn throttled(detail: String, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// Returns the detail as one line of text, for the error file of a batch.
    pub(super) fn message(&self) -> String {
        match &self.detail {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "detail": self.detail }));
        let mut response = (self.status, body).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let reset = jiff::Timestamp::now()
                .as_second()
                .saturating_add_unsigned(seconds);
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, seconds.into());
            headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
        }
        response
    }
}
