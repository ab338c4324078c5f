//! Jobs of data sets: trigger, progress, snapshot.
//!
//! Any id that begins with `gd_` is a data set: each input is a page of the built-in website, each record
//! its title and text. With `type=discover_new` the pages are found by the words of the inputs. The data
//! set `gd_failing` has jobs that fail.

mod download;
mod formats;
mod records;
mod wanted;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::formats::Format;
use self::records::records;
use self::wanted::Wanted;
use super::Office;
use super::kept::Kept;
use super::rest::{Params, Shared, json_reply, reply, text};

/// So many snapshots are kept; the vendor keeps them for 30 days.
const MAX_SNAPSHOTS: usize = 1_000;

/// So many jobs of one data set run at a time.
const MAX_RUNNING: usize = 100;

/// As many inputs are scraped at once.
const MAX_SCRAPE: usize = 20;

/// The snapshots that there are.
#[derive(Debug)]
pub(super) struct Datasets(Mutex<Kept<Snapshot>>);

impl Datasets {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Kept::new("s_sandbox", MAX_SNAPSHOTS)))
    }
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
    fn begun(office: &Office, dataset: String, records: Vec<Value>) -> Self {
        let begun = Instant::now();
        Self {
            dataset,
            begun,
            ready: begun + office.config.job_time,
            records: Arc::new(records),
            cancelled: false,
        }
    }

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
        .route("/datasets/v3/snapshot/{id}", get(download::snapshot))
        .route("/datasets/v3/snapshot/{id}/parts", get(download::parts))
        .route("/datasets/v3/snapshot/{id}/cancel", post(cancel))
        .route("/datasets/v3/deliver/{id}", post(download::deliver))
        .route("/datasets/v3/delivery/{id}", get(download::delivery))
        .route("/datasets/v3/snapshots", get(list))
}

async fn trigger(State(office): Shared, Query(params): Params, body: Bytes) -> Response {
    let wanted = match Wanted::read(&params, &body) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let mut kept = office.datasets.0.lock();
    let running = kept
        .values()
        .filter(|job| {
            job.dataset == wanted.dataset && matches!(job.status(), "starting" | "running")
        })
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
    let records = records(&office, &wanted);
    let id = kept.keep(Snapshot::begun(&office, wanted.dataset, records));
    json_reply(200, &json!({ "snapshot_id": id }))
}

async fn scrape(State(office): Shared, Query(params): Params, body: Bytes) -> Response {
    let wanted = match Wanted::read(&params, &body) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    if wanted.inputs.len() > MAX_SCRAPE {
        return text(400, "Too many inputs");
    }
    let format = match Format::read(params.get("format")) {
        Ok(format) => format,
        Err(words) => return text(400, words),
    };
    let records = records(&office, &wanted);
    // A job that would take long goes on as one.
    if wanted.inputs.iter().any(|input| {
        input["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/slow"))
    }) {
        let job = Snapshot::begun(&office, wanted.dataset, records);
        let id = office.datasets.0.lock().keep(job);
        let mut reply = json_reply(202, &json!({ "snapshot_id": id }));
        reply
            .headers_mut()
            .insert("retry-after", HeaderValue::from_static("10"));
        return reply;
    }
    reply(200, format.content_type(), format.write(&records, &records))
}

impl Office {
    fn snapshot(&self, id: &str) -> Result<Snapshot, Box<Response>> {
        let kept = self.datasets.0.lock().get(id).cloned();
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

async fn cancel(State(office): Shared, Path(id): Path<String>) -> Response {
    let mut kept = office.datasets.0.lock();
    match kept.get_mut(&id) {
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
        .iter()
        .map(|(id, job)| json!({ "id": id, "dataset_id": job.dataset, "status": job.status() }))
        .collect();
    json_reply(200, &Value::from(list))
}
