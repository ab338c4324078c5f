//! Asynchronous requests: submitted, billed, collected later.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::Office;
use super::ask::{Ask, Form};
use super::kept::Kept;
use super::rest::{Params, Shared, invalid, json_reply, text};
use super::site::Outcome;
use super::zones::{self, Kind};

/// So many results are kept; the vendor keeps them for 48 hours.
const MAX_JOBS: usize = 10_000;

/// Where a search goes that is submitted by its words.
const ENGINE: &str = "https://www.google.com/search";

/// The jobs that were submitted.
#[derive(Debug)]
pub(super) struct Jobs(Mutex<Kept<Job>>);

#[derive(Clone, Debug)]
struct Job {
    ready: Instant,
    outcome: Outcome,
    form: Form,
}

impl Jobs {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Kept::new("sandbox-", MAX_JOBS)))
    }
}

pub(super) async fn submit_page(
    State(office): Shared,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // As the vendor's client for Python has it, a search is submitted here too, for a search zone.
    let submitted = zone(&office, &params)
        .and_then(|kind| Ok((kind, read(&body)?)))
        .and_then(|(kind, body)| Ok((kind, Ask::read(&headers, body)?)));
    match submitted {
        Ok((kind, ask)) => accept(&office, &ask, kind),
        Err(refused) => *refused,
    }
}

pub(super) async fn submit_search(
    State(office): Shared,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match zone(&office, &params) {
        Ok(Kind::Search) => {}
        Ok(Kind::Unlocker) => return text(400, "the zone is none for searches"),
        Err(refused) => return *refused,
    }
    let submitted = read(&body)
        .and_then(addressed)
        .and_then(|body| Ask::read(&headers, body));
    match submitted {
        Ok(ask) => accept(&office, &ask, Kind::Search),
        Err(refused) => *refused,
    }
}

fn zone(office: &Office, params: &BTreeMap<String, String>) -> Result<Kind, Box<Response>> {
    let Some(name) = params.get("zone") else {
        return Err(Box::new(text(400, "zone is required")));
    };
    let kind = office.zones.kind(name);
    kind.ok_or_else(|| Box::new(zones::unknown(name)))
}

fn read(body: &[u8]) -> Result<Value, Box<Response>> {
    let body =
        serde_json::from_slice(body).map_err(|error| Box::new(invalid(&error.to_string())))?;
    match hooked(&body) {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(body),
    }
}

/// Refuses what asks for a webhook: a client that waits for one here would wait for ever.
pub(super) fn hooked(body: &Value) -> Option<Response> {
    let names = ["webhook_url", "webhook_method", "webhook_data"];
    let name = names
        .into_iter()
        .find(|name| body.get(*name).is_some_and(|value| !value.is_null()))?;
    Some(text(
        400,
        &format!(
            "{name} is not offered: the sandbox delivers no webhooks, ask get_result for the \
             response_id until it is ready"
        ),
    ))
}

/// Makes an address of the words and options of a search, unless it has one.
fn addressed(mut body: Value) -> Result<Value, Box<Response>> {
    if body.get("url").is_some_and(Value::is_string) {
        return Ok(body);
    }
    let Some(query) = body.get("query").and_then(Value::as_object) else {
        return Err(Box::new(text(400, "query is required")));
    };
    let parsed = body.get("brd_json").map(|value| ("brd_json", value));
    let options = query.iter().map(|(name, value)| (name.as_str(), value));
    let mut pairs = Vec::new();
    for (name, value) in options.chain(parsed) {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let problem = format!("\"{name}\" must be a text, a number or a boolean");
                return Err(Box::new(invalid(&problem)));
            }
        };
        pairs.push((name, value));
    }
    let url = Url::parse_with_params(ENGINE, pairs)
        .map_err(|error| Box::new(invalid(&error.to_string())))?;
    if let Some(body) = body.as_object_mut() {
        body.insert("url".to_owned(), Value::from(String::from(url)));
    }
    Ok(body)
}

/// Takes a job up: from here on it is billed.
pub(super) fn accept(office: &Office, ask: &Ask, kind: Kind) -> Response {
    office.ledger.bill();
    let job = Job {
        ready: Instant::now() + office.config.job_time,
        outcome: office.unlock(ask, kind),
        form: ask.form,
    };
    let id = office.jobs.0.lock().keep(job);
    let mut reply = json_reply(200, &json!({ "response_id": id }));
    if let Ok(id) = HeaderValue::from_str(&id) {
        reply.headers_mut().insert("x-response-id", id);
    }
    reply
}

/// Tells of a job as the unlocker tells of what it does at once.
pub(super) async fn collect(State(office): Shared, Query(params): Params) -> Response {
    let Some(id) = params.get("response_id") else {
        return text(400, "response_id is required");
    };
    if let Some(zone) = params.get("zone")
        && office.zones.kind(zone).is_none()
    {
        return zones::unknown(zone);
    }
    let job = office.jobs.0.lock().get(id).cloned();
    let Some(job) = job else {
        return text(404, "Response not found");
    };
    if Instant::now() < job.ready {
        return text(202, "Request is pending");
    }
    let mut reply = office.tell(&job.outcome, job.form, true);
    if let Ok(id) = HeaderValue::from_str(id) {
        reply.headers_mut().insert("x-response-id", id);
    }
    reply
}
