//! Asynchronous requests: submitted, billed, collected later.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::response::Response;
use parking_lot::Mutex;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::rest::{DataFormat, Params, Shared, invalid, json_reply, target, text};
use super::site::{self, Outcome};
use super::zones::{self, Kind};
use super::{Office, search};

/// So many results are kept; the vendor keeps them for 48 hours.
const MAX_JOBS: usize = 10_000;

/// The jobs that were submitted.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<Submitted>);

#[derive(Debug, Default)]
struct Submitted {
    submitted: u64,
    by_id: BTreeMap<String, Job>,
}

#[derive(Clone, Debug)]
struct Job {
    ready: Instant,
    outcome: Outcome,
}

pub(super) async fn submit_page(
    State(office): Shared,
    Query(params): Params,
    body: Bytes,
) -> Response {
    // As the vendor's client for Python has it, a search is submitted here too, for a search zone.
    let kind = match zone(&office, &params) {
        Ok(kind) => kind,
        Err(refused) => return *refused,
    };
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text_of = |name: &str| asked.get(name).and_then(Value::as_str);
    let Some(url) = text_of("url") else {
        return text(400, "url is required");
    };
    let format = match asked.get("data_format").map(DataFormat::deserialize) {
        None => None,
        Some(Ok(format)) => Some(format),
        Some(Err(error)) => return invalid(&error.to_string()),
    };
    match target(url, text_of("country"), text_of("method")) {
        Ok(url) => accept(&office, &url, format, kind),
        Err(problem) => invalid(problem),
    }
}

pub(super) async fn submit_search(
    State(office): Shared,
    Query(params): Params,
    body: Bytes,
) -> Response {
    match zone(&office, &params) {
        Ok(Kind::Search) => {}
        Ok(Kind::Unlocker) => return text(400, "the zone is none for searches"),
        Err(refused) => return *refused,
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let url = match (body.get("url").and_then(Value::as_str), body.get("query")) {
        (Some(url), _) => match target(url, None, None) {
            Ok(url) => Some(url),
            Err(problem) => return invalid(problem),
        },
        (None, Some(query)) => {
            let words = query.get("q").and_then(Value::as_str).unwrap_or_default();
            let mut params = vec![("q", words)];
            if body.get("brd_json").and_then(Value::as_i64) == Some(1) {
                params.push(("brd_json", "1"));
            }
            Url::parse_with_params("https://www.google.com/search", params).ok()
        }
        (None, None) => None,
    };
    match url {
        Some(url) => accept(&office, &url, None, Kind::Search),
        None => text(400, "query is required"),
    }
}

fn zone(office: &Office, params: &BTreeMap<String, String>) -> Result<Kind, Box<Response>> {
    let Some(name) = params.get("zone") else {
        return Err(Box::new(text(400, "zone is required")));
    };
    let kind = office.zones.kind(name);
    kind.ok_or_else(|| Box::new(zones::unknown(name)))
}

/// Takes a job up: from here on it is billed.
pub(super) fn accept(
    office: &Arc<Office>,
    url: &Url,
    format: Option<DataFormat>,
    kind: Kind,
) -> Response {
    office.ledger.bill();
    let outcome =
        search::results(url, format, kind == Kind::Search).unwrap_or_else(|| site::visit(url));
    let mut jobs = office.jobs.0.lock();
    jobs.submitted += 1;
    let id = format!("sandbox-{}", jobs.submitted);
    while jobs.by_id.len() >= MAX_JOBS {
        jobs.by_id.pop_first();
    }
    jobs.by_id.insert(
        id.clone(),
        Job {
            ready: Instant::now() + office.config.job_time,
            outcome,
        },
    );
    drop(jobs);
    let mut reply = json_reply(200, &json!({ "response_id": id }));
    if let Ok(id) = HeaderValue::from_str(&id) {
        reply.headers_mut().insert("x-response-id", id);
    }
    reply
}

pub(super) async fn collect(State(office): Shared, Query(params): Params) -> Response {
    let Some(id) = params.get("response_id") else {
        return text(400, "response_id is required");
    };
    if let Some(zone) = params.get("zone")
        && office.zones.kind(zone).is_none()
    {
        return zones::unknown(zone);
    }
    let job = office.jobs.0.lock().by_id.get(id).cloned();
    let Some(job) = job else {
        return text(404, "Response not found");
    };
    if Instant::now() < job.ready {
        return text(202, "Request is pending");
    }
    let mut reply = match job.outcome {
        Outcome::Page(page) => {
            let mut reply = Response::new(page.body.into());
            let headers = reply.headers_mut();
            headers.insert("content-type", HeaderValue::from_static(page.content_type));
            if let Ok(status) = HeaderValue::from_str(&page.status.to_string()) {
                headers.insert("x-brd-status-code", status);
            }
            reply
        }
        Outcome::Refused(refusal) => {
            let mut reply = Response::default();
            *reply.headers_mut() = refusal.headers();
            reply
        }
    };
    if let Ok(id) = HeaderValue::from_str(id) {
        reply.headers_mut().insert("x-response-id", id);
    }
    reply
}
