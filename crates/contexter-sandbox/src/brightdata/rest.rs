//! The REST interface: unlocker, search, asynchronous requests, account.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::unlock::unlock;
use super::{Office, account, dataset, jobs, site, zones};

/// How many bytes a body holds at most: 1 GB, as the inputs of a job do.
const MAX_BODY: usize = 1 << 30;

/// The share of requests that succeed, for every domain.
const SUCCESS_RATE: f64 = 0.98;

pub(super) type Params = Query<BTreeMap<String, String>>;
pub(super) type Shared = State<Arc<Office>>;

pub(super) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/request", post(unlock))
        .route("/unblocker/req", post(jobs::submit_page))
        .route("/unblocker/get_result", get(jobs::collect))
        .route("/unblocker/success_rate/{domain}", get(success_rate))
        .route("/serp/req", post(jobs::submit_search))
        .route("/serp/get_result", get(jobs::collect))
        .route("/status", get(status))
        .merge(dataset::routes())
        .merge(zones::routes())
        .fallback(|| async { text(404, "Not found") })
        .method_not_allowed_fallback(|| async { text(405, "Method not allowed") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&office), door))
        .with_state(office)
}

/// Turns away who has no key, or asks too often.
async fn door(State(office): Shared, request: Request, next: Next) -> Response {
    if let Err(too_many) = office.ledger.admit(office.config.requests_per_minute) {
        let words = if too_many.blocked {
            "Your IP is blocked, contact support"
        } else {
            "Too many requests"
        };
        let mut reply = text(429, words);
        if let Ok(wait) = HeaderValue::from_str(&too_many.retry_after.to_string()) {
            reply.headers_mut().insert("retry-after", wait);
        }
        return reply;
    }
    match account::refused_key(&office.config, request.headers()) {
        Some(words) => text(401, words),
        None => next.run(request).await,
    }
}

/// A plain text, which is what most refusals of the interface are.
pub(super) fn text(status: u16, words: &str) -> Response {
    reply(status, "text/plain; charset=utf-8", words.to_owned())
}

pub(super) fn json_reply(status: u16, body: &Value) -> Response {
    reply(status, "application/json", body.to_string())
}

pub(super) fn reply(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(content_type));
    reply
}

pub(super) fn invalid(problem: &str) -> Response {
    json_reply(
        400,
        &json!({
            "error": "Request validation failed",
            "error_code": "validation",
            "details": [problem],
        }),
    )
}

async fn status(State(office): Shared) -> Json<Value> {
    Json(json!({
        "status": "active",
        "customer": office.config.customer,
        "can_make_requests": !office.ledger.is_blocked(),
    }))
}

/// Tells the share of requests to a domain that succeed; `example.*` asks for all that begin so.
async fn success_rate(Path(domain): Path<String>) -> Json<Value> {
    let domains = match domain.strip_suffix(".*") {
        Some(name) => site::ENDINGS
            .map(|ending| format!("{name}.{ending}"))
            .to_vec(),
        None => vec![domain],
    };
    let rates: Map<String, Value> = domains
        .into_iter()
        .filter(|domain| site::has(domain))
        .map(|domain| (domain, json!(SUCCESS_RATE)))
        .collect();
    Json(Value::Object(rates))
}
