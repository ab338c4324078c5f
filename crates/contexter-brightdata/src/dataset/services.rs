//! The requests of the data set interface, served.

use contexter_model::{Error, ErrorKind};
use contexter_service::{Cx, Service};
use serde_json::Value;

use super::job::MAX_SCRAPE_INPUTS;
use super::record::{Content, DatasetRecord};
use super::snapshot::MIN_BATCH;
use super::wire::{WireInputs, WireProgress, WireSnapshot, not_ready, parts_of};
use super::{
    CancelSnapshot, CountParts, Datasets, Download, FetchSnapshot, JobStatus, Progress, Records,
    ScrapeDataset, Scraped, SnapshotFormat, SnapshotId, SnapshotProgress, TriggerDataset,
};
use crate::link::refused_here;
use crate::target::PublicUrl;

fn batch(batch_size: u32, operation: &'static str) -> Result<(), Error> {
    if batch_size < MIN_BATCH {
        return Err(refused_here(
            format!("batch_size must be at least {MIN_BATCH}, got {batch_size}"),
            operation,
        ));
    }
    Ok(())
}

impl Service<TriggerDataset> for Datasets {
    type Response = SnapshotId;
    type Error = Error;

    async fn call(&self, trigger: TriggerDataset) -> Result<SnapshotId, Error> {
        const OPERATION: &str = "trigger_dataset";
        Self::inputs(&trigger.inputs, OPERATION)?;
        let mut request = self
            .path(contexter_http::Api::post, &["trigger"])
            .query("dataset_id", &trigger.dataset)
            .query("format", "json")
            .query("include_errors", true);
        if let Some(means) = &trigger.discover_by {
            request = request
                .query("type", "discover_new")
                .query("discover_by", means);
        }
        if let Some(limit) = trigger.limit_per_input {
            request = request.query("limit_per_input", limit);
        }
        if let Some(limit) = trigger.limit_total {
            request = request.query("limit_multiple_results", limit);
        }
        if !trigger.fields.is_empty() {
            request = request.query("custom_output_fields", trigger.fields.join("|"));
        }
        if let Some(notify) = &trigger.notify {
            let notify: PublicUrl = notify.parse().map_err(|error: Error| {
                refused_here(format!("notify: {}", error.message()), OPERATION)
            })?;
            request = request.query("notify", notify.as_str());
        }
        let request = request.json(&trigger.inputs);
        self.call(
            Cx::new().with_idempotent(false),
            OPERATION,
            trigger.dataset.as_str(),
            request,
            |reply, attempt| async move {
                let wire: WireSnapshot = reply
                    .json()
                    .map_err(|error| self.link.signed(error, attempt))?;
                wire.snapshot_id
                    .parse()
                    .map_err(|_bad| self.link.malformed(attempt, "the snapshot_id is malformed"))
            },
        )
        .await
    }
}

impl Service<ScrapeDataset> for Datasets {
    type Response = Scraped;
    type Error = Error;

    async fn call(&self, scrape: ScrapeDataset) -> Result<Scraped, Error> {
        const OPERATION: &str = "scrape_dataset";
        Self::inputs(&scrape.inputs, OPERATION)?;
        if scrape.inputs.len() > MAX_SCRAPE_INPUTS {
            return Err(refused_here(
                format!(
                    "at most {MAX_SCRAPE_INPUTS} inputs are scraped at once, got {}",
                    scrape.inputs.len()
                ),
                OPERATION,
            ));
        }
        let request = self
            .path(contexter_http::Api::post, &["scrape"])
            .query("dataset_id", &scrape.dataset)
            .query("format", "json")
            .query("include_errors", true)
            .json(&WireInputs {
                input: &scrape.inputs,
            })
            .max_body(self.max_snapshot);
        self.call(
            Cx::new().with_idempotent(false),
            OPERATION,
            scrape.dataset.as_str(),
            request,
            |reply, attempt| async move {
                if reply.status() == 202 {
                    let retry_after = reply.retry_after();
                    let wire: WireSnapshot = reply
                        .json()
                        .map_err(|error| self.link.signed(error, attempt))?;
                    let snapshot = wire.snapshot_id.parse().map_err(|_bad| {
                        self.link.malformed(attempt, "the snapshot_id is malformed")
                    })?;
                    return Ok(Scraped::GoesOn {
                        snapshot,
                        retry_after,
                    });
                }
                let retry_after = reply.retry_after();
                match self.content(reply.into_bytes(), attempt).await? {
                    Content::Records(records) => Ok(Scraped::Done(self.delivered(records))),
                    Content::Object(object) => object
                        .get("snapshot_id")
                        .and_then(Value::as_str)
                        .and_then(|id| id.parse().ok())
                        .map(|snapshot| Scraped::GoesOn {
                            snapshot,
                            retry_after,
                        })
                        .ok_or_else(|| self.link.malformed(attempt, NO_LIST)),
                }
            },
        )
        .await
    }
}

impl Service<SnapshotProgress> for Datasets {
    type Response = Progress;
    type Error = Error;

    async fn call(&self, request: SnapshotProgress) -> Result<Progress, Error> {
        self.progress(request, Cx::new()).await
    }
}

impl Service<FetchSnapshot> for Datasets {
    type Response = Download;
    type Error = Error;

    async fn call(&self, fetch: FetchSnapshot) -> Result<Download, Error> {
        self.fetch(fetch, Cx::new()).await
    }
}

impl Service<CountParts> for Datasets {
    type Response = u32;
    type Error = Error;

    async fn call(&self, request: CountParts) -> Result<u32, Error> {
        self.count(request, Cx::new()).await
    }
}

/// Those that are asked while a job is waited for, so that they end when the wait does.
impl Datasets {
    pub(super) async fn progress(
        &self,
        request: SnapshotProgress,
        cx: Cx,
    ) -> Result<Progress, Error> {
        let call = self.path(
            contexter_http::Api::get,
            &["progress", request.snapshot.as_str()],
        );
        self.call(
            cx,
            "snapshot_progress",
            request.snapshot.as_str(),
            call,
            |reply, attempt| async move {
                let wire: WireProgress = reply
                    .json()
                    .map_err(|error| self.link.signed(error, attempt))?;
                Ok(Progress {
                    status: JobStatus::of(&self.link.told(&wire.status, None)),
                    error_message: wire.why().map(|message| self.link.told(message, None)),
                    records: wire.records,
                })
            },
        )
        .await
    }

    pub(super) async fn fetch(&self, fetch: FetchSnapshot, cx: Cx) -> Result<Download, Error> {
        const OPERATION: &str = "fetch_snapshot";
        let mut request = self
            .path(
                contexter_http::Api::get,
                &["snapshot", fetch.snapshot.as_str()],
            )
            .query("format", fetch.format.as_str())
            .max_body(self.max_snapshot);
        if fetch.compressed {
            request = request.query("compress", true);
        }
        if let Some(part) = fetch.part {
            batch(part.batch_size, OPERATION)?;
            if part.number == 0 {
                return Err(refused_here("parts are counted from 1, got 0", OPERATION));
            }
            request = request
                .query("batch_size", part.batch_size)
                .query("part", part.number);
        }
        let (snapshot, form) = (&fetch.snapshot, fetch.format);
        self.call(
            cx,
            OPERATION,
            fetch.snapshot.as_str(),
            request,
            |reply, attempt| async move {
                let retry_after = reply.retry_after();
                let unready = |status: &str, why: Option<&str>| {
                    let state = JobStatus::of(status);
                    match self.ended(&state, snapshot, why, OPERATION) {
                        Some(ended) => Err(ended),
                        None => Ok(Download::NotReady {
                            status: self.link.told(status, None),
                            retry_after,
                        }),
                    }
                };
                if let Some((status, message)) = not_ready(reply.bytes()) {
                    return unready(&status, Some(&message));
                }
                if reply.status() == 202 {
                    return Ok(Download::NotReady {
                        status: "unknown".to_owned(),
                        retry_after,
                    });
                }
                match self.content(reply.into_bytes(), attempt).await? {
                    Content::Records(records) => Ok(Download::Records(self.delivered(records))),
                    // The only record of all.
                    Content::Object(fields) if form == SnapshotFormat::Ndjson => {
                        let records = Records {
                            records: vec![DatasetRecord::new(fields)],
                        };
                        Ok(Download::Records(self.delivered(records)))
                    }
                    Content::Object(object) => {
                        let text = |name| object.get(name).and_then(Value::as_str);
                        let status =
                            text("status").ok_or_else(|| self.link.malformed(attempt, NO_LIST))?;
                        let why = ["error_message", "error", "message"]
                            .into_iter()
                            .find_map(text);
                        unready(status, why)
                    }
                }
            },
        )
        .await
    }

    pub(super) async fn count(&self, request: CountParts, cx: Cx) -> Result<u32, Error> {
        const OPERATION: &str = "count_parts";
        batch(request.batch_size, OPERATION)?;
        let call = self
            .path(
                contexter_http::Api::get,
                &["snapshot", request.snapshot.as_str(), "parts"],
            )
            .query("batch_size", request.batch_size);
        let snapshot = &request.snapshot;
        self.call(
            cx,
            OPERATION,
            request.snapshot.as_str(),
            call,
            |reply, attempt| async move {
                let unready = not_ready(reply.bytes());
                if let Some((status, message)) = &unready
                    && let state = JobStatus::of(status)
                    && let Some(ended) = self.ended(&state, snapshot, Some(message), OPERATION)
                {
                    return Err(ended);
                }
                if unready.is_some() || reply.status() == 202 {
                    let error = Error::new(
                        ErrorKind::NotReady,
                        format!("snapshot {snapshot} is still being built"),
                    )
                    .with_retry_after(reply.retry_after());
                    return Err(self.link.signed(error, attempt));
                }
                let value: Value = reply
                    .json()
                    .map_err(|error| self.link.signed(error, attempt))?;
                parts_of(&value)
                    .filter(|parts| *parts <= MAX_PARTS)
                    .ok_or_else(|| {
                        self.link
                            .malformed(attempt, "the number of parts is no number")
                    })
            },
        )
        .await
    }
}

/// What is wrong with one object in the place of records.
const NO_LIST: &str = "the answer is no list of records";

/// More parts than a snapshot can have: its records of one input job are bounded by its gigabyte.
const MAX_PARTS: u32 = 1_000_000;

impl Service<CancelSnapshot> for Datasets {
    type Response = ();
    type Error = Error;

    async fn call(&self, request: CancelSnapshot) -> Result<(), Error> {
        let call = self
            .path(
                contexter_http::Api::post,
                &["snapshot", request.snapshot.as_str(), "cancel"],
            )
            // Said also where there is no body: some servers ask for it (RFC 9110, section 8.6).
            .header("content-length", "0");
        self.call(
            Cx::new(),
            "cancel_snapshot",
            request.snapshot.as_str(),
            call,
            |_reply, _attempt| async move { Ok(()) },
        )
        .await
    }
}
