//! Jobs of data sets: trigger, progress, snapshot.
//!
//! Any id that begins with `gd_` is a data set: each input is a page of the built-in website, each record
//! its title and text. With `type=discover_new` the pages are found by the words of the inputs. The data
//! set `gd_failing` has jobs that fail.

mod formats;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use self::formats::{MIN_BATCH, csv, gzip, lines, part};
use self::records::{discovered, records};
use super::Office;
use super::rest::{Params, Shared, json_reply, text};

/// So many snapshots are kept; the vendor keeps them for 30 days.
const MAX_SNAPSHOTS: usize = 1_000;

/// So many jobs of one data set run at a time.
const MAX_RUNNING: usize = 100;

/// As many inputs are scraped at once.
const MAX_SCRAPE: usize = 20;

/// The snapshots that there are.
#[derive(Debug, Default)]
pub(super) struct Datasets(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    made: u64,
    by_id: BTreeMap<String, Snapshot>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    dataset: String,
    begun: Instant,
    ready: Instant,
    records: Arc<Vec<Value>>,
    cancelled: bool,
}

impl Snapshot {
    fn status(&self) -> &'static str {
        let now = Instant::now();
        if self.cancelled {
            "cancelled"
        } else if now >= self.ready && self.dataset == "gd_failing" {
            "failed"
        } else if now >= self.ready {
            "ready"
        } else if now.duration_since(self.begun) < self.ready.duration_since(self.begun) / 3 {
            "starting"
        } else {
            "running"
        }
    }
}

pub(super) fn routes() -> Router<Arc<Office>> {
    Router::new()
        .route("/datasets/v3/trigger", post(trigger))
        .route("/datasets/v3/scrape", post(scrape))
        .route("/datasets/v3/progress/{id}", get(progress))
        .route("/datasets/v3/snapshot/{id}", get(snapshot))
        .route("/datasets/v3/snapshot/{id}/parts", get(parts))
        .route("/datasets/v3/snapshot/{id}/cancel", post(cancel))
        .route("/datasets/v3/snapshots", get(list))
}

async fn trigger(State(office): Shared, Query(params): Params, body: Bytes) -> Response {
    let (dataset, inputs) = match job(&params, &body) {
        Ok(job) => job,
        Err(refused) => return *refused,
    };
    let errors = params
        .get("include_errors")
        .is_some_and(|value| value == "true");
    let mut kept = office.datasets.0.lock();
    let running = kept
        .by_id
        .values()
        .filter(|job| job.dataset == dataset && matches!(job.status(), "starting" | "running"))
        .count();
    if running >= MAX_RUNNING {
        office.ledger.refuse();
        return text(
            429,
            &format!(
                "You have too many running jobs for this dataset. Running jobs: \
                 {running}>={MAX_RUNNING}"
            ),
        );
    }
    let records = records(&office, &dataset, &inputs, errors);
    let id = kept.keep(&office, dataset, records);
    json_reply(200, &json!({ "snapshot_id": id }))
}

async fn scrape(State(office): Shared, Query(params): Params, body: Bytes) -> Response {
    let (dataset, inputs) = match job(&params, &body) {
        Ok(job) => job,
        Err(refused) => return *refused,
    };
    if inputs.len() > MAX_SCRAPE {
        return text(400, "Too many inputs");
    }
    let errors = params
        .get("include_errors")
        .is_some_and(|value| value == "true");
    let records = records(&office, &dataset, &inputs, errors);
    // A job that would take long goes on as one.
    if inputs.iter().any(|input| {
        input["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/slow"))
    }) {
        let id = office.datasets.0.lock().keep(&office, dataset, records);
        let mut reply = json_reply(202, &json!({ "snapshot_id": id }));
        reply
            .headers_mut()
            .insert("retry-after", HeaderValue::from_static("10"));
        return reply;
    }
    json_reply(200, &Value::Array(records))
}

impl Kept {
    fn keep(&mut self, office: &Office, dataset: String, records: Vec<Value>) -> String {
        self.made += 1;
        let id = format!("s_sandbox{}", self.made);
        while self.by_id.len() >= MAX_SNAPSHOTS {
            self.by_id.pop_first();
        }
        let begun = Instant::now();
        self.by_id.insert(
            id.clone(),
            Snapshot {
                dataset,
                begun,
                ready: begun + office.config.job_time,
                records: Arc::new(records),
                cancelled: false,
            },
        );
        id
    }
}

/// Reads what is to be collected, and refuses it in the vendor's words.
fn job(
    params: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<(String, Vec<Value>), Box<Response>> {
    let refused = |status, words: &str| Box::new(text(status, words));
    let dataset = params
        .get("dataset_id")
        .ok_or_else(|| refused(404, "Collector not found"))?;
    if !dataset.starts_with("gd_") {
        return Err(refused(404, "dataset does not exist"));
    }
    let body: Value =
        serde_json::from_slice(body).map_err(|_no_json| refused(400, "No data to trigger"))?;
    // The vendor's clients send the limit of each input as an option, or beside the inputs.
    let mut per_input = params.get("limit_per_input").cloned();
    let inputs = match body {
        Value::Array(inputs) => inputs,
        Value::Object(mut object) => {
            per_input = per_input.or_else(|| object.get("limit_per_input").map(Value::to_string));
            match object.remove("input") {
                Some(Value::Array(inputs)) => inputs,
                _ => return Err(refused(400, "No data to trigger")),
            }
        }
        _ => return Err(refused(400, "No data to trigger")),
    };
    if inputs.is_empty() {
        return Err(refused(400, "No data to trigger"));
    }
    if params
        .get("type")
        .is_some_and(|kind| kind == "discover_new")
    {
        let limit = |name: &str, given: Option<&String>| match given.map(|given| given.parse()) {
            None => Ok(usize::MAX),
            Some(Ok(limit @ 1..)) => Ok(limit),
            Some(_) => Err(refused(400, &format!("{name} must be a number above 0"))),
        };
        let per_input = limit("limit_per_input", per_input.as_ref())?;
        let all = params.get("limit_multiple_results");
        let all = limit("limit_multiple_results", all)?;
        return Ok((dataset.clone(), discovered(&inputs, per_input, all)));
    }
    let is_good = |input: &Value| {
        input["url"]
            .as_str()
            .is_some_and(|url| Url::parse(url).is_ok())
    };
    if !inputs.iter().all(is_good) {
        return Err(Box::new(json_reply(
            400,
            &json!({
                "error": "Invalid input provided",
                "code": "validation_error",
                "errors": [["url", "This input should be a valid URL"]],
            }),
        )));
    }
    Ok((dataset.clone(), inputs))
}

impl Office {
    fn snapshot(&self, id: &str) -> Result<Snapshot, Box<Response>> {
        let kept = self.datasets.0.lock().by_id.get(id).cloned();
        kept.ok_or_else(|| Box::new(text(404, "Snapshot does not exist")))
    }
}

async fn progress(State(office): Shared, Path(id): Path<String>) -> Response {
    match office.snapshot(&id) {
        Ok(job) => {
            let status = job.status();
            let mut body = serde_json::Map::new();
            let mut tell = |name: &str, value: Value| body.insert(name.to_owned(), value);
            tell("snapshot_id", json!(id));
            tell("dataset_id", json!(job.dataset));
            tell("status", json!(status));
            match status {
                "failed" => tell("error_message", json!("Account is suspended")),
                "ready" => tell("records", json!(job.records.len())),
                _ => None,
            };
            json_reply(200, &Value::Object(body))
        }
        Err(refused) => *refused,
    }
}

async fn snapshot(
    State(office): Shared,
    Path(id): Path<String>,
    Query(params): Params,
) -> Response {
    let job = match office.snapshot(&id) {
        Ok(job) => job,
        Err(refused) => return *refused,
    };
    if let Some(refused) = unready(&job) {
        return refused;
    }
    let records = match part(&params, &job.records) {
        Ok(records) => records,
        Err(words) => return text(400, words),
    };
    let (content_type, body) = match params.get("format").map_or("json", String::as_str) {
        "json" => (
            "application/json",
            Value::from(records.to_vec()).to_string(),
        ),
        "ndjson" | "jsonl" => ("application/x-ndjson", lines(records)),
        "csv" => ("text/csv", csv(records)),
        _ => return text(400, "Unknown format"),
    };
    let compress = params.get("compress").is_some_and(|value| value == "true");
    let (content_type, body) = if compress {
        match gzip(body.as_bytes()) {
            Ok(body) => ("application/gzip", body),
            Err(_io) => return text(500, "Cannot compress"),
        }
    } else {
        (content_type, body.into_bytes())
    };
    let mut reply = Response::new(Body::from(body));
    reply
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(content_type));
    reply
}

/// Says why a snapshot cannot be had: not yet, or never.
fn unready(job: &Snapshot) -> Option<Response> {
    match job.status() {
        "ready" => None,
        "failed" | "cancelled" => Some(text(400, "Snapshot is empty")),
        _ => Some(json_reply(
            202,
            &json!({ "status": "building", "message": "Snapshot is building, try again in 10s" }),
        )),
    }
}

async fn parts(State(office): Shared, Path(id): Path<String>, Query(params): Params) -> Response {
    match office.snapshot(&id) {
        Ok(job) => {
            if let Some(refused) = unready(&job) {
                return refused;
            }
            let batch_size = params.get("batch_size").and_then(|size| size.parse().ok());
            let batch_size: usize = batch_size.unwrap_or(MIN_BATCH).max(MIN_BATCH);
            json_reply(
                200,
                &json!({ "parts": job.records.len().div_ceil(batch_size) }),
            )
        }
        Err(refused) => *refused,
    }
}

async fn cancel(State(office): Shared, Path(id): Path<String>) -> Response {
    let mut kept = office.datasets.0.lock();
    match kept.by_id.get_mut(&id) {
        Some(job) if matches!(job.status(), "starting" | "running") => {
            job.cancelled = true;
            text(200, "OK")
        }
        Some(_) => text(400, "Snapshot is not running"),
        None => text(404, "Snapshot does not exist"),
    }
}

async fn list(State(office): Shared) -> Response {
    let kept = office.datasets.0.lock();
    let list: Vec<Value> = kept
        .by_id
        .iter()
        .map(|(id, job)| json!({ "id": id, "dataset_id": job.dataset, "status": job.status() }))
        .collect();
    json_reply(200, &Value::from(list))
}
