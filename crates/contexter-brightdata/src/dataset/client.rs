//! The data set interface.

use std::future::Future;

use bytes::Bytes;
use contexter_http::{Reply, Request};
use contexter_model::{Error, ErrorKind};
use contexter_service::{
    Backoff, Clock as _, Cx, DefaultClock, Sample, Service, Timer as _, later,
};
use serde_json::Value;

use super::failure;
use super::record::{Records, UnreadableRecords, read_records};
use super::request::{
    CancelSnapshot, CountParts, Download, FetchSnapshot, JobStatus, MAX_SCRAPE_INPUTS, MIN_BATCH,
    Part, Progress, ScrapeDataset, Scraped, SnapshotId, SnapshotProgress, TriggerDataset,
    WireInputs, WireProgress, WireSnapshot, not_ready, parts_of,
};
use crate::judge::Passed;
use crate::link::{Attempt, Link, refused_here};
use crate::target::PublicUrl;

/// The data set interface of an account.
#[derive(Clone, Debug)]
pub(crate) struct Datasets {
    link: Link,
    max_snapshot: u64,
    polling: Backoff,
}

impl Datasets {
    pub(crate) fn new(link: Link, max_snapshot: u64, polling: Backoff) -> Self {
        Self {
            link,
            max_snapshot,
            polling,
        }
    }

    /// Sends one request of the interface under the stack, and reads the answer with `read`.
    async fn call<V, Fut>(
        &self,
        cx: Cx,
        operation: &'static str,
        about: &str,
        request: Request,
        read: impl Fn(Reply, Attempt<'static>) -> Fut + Clone + Send + Sync,
    ) -> Result<V, Error>
    where
        V: Send,
        Fut: Future<Output = Result<V, Error>> + Send,
    {
        let request = &request;
        self.link
            .run(cx, move |number| {
                let read = read.clone();
                async move {
                    let attempt = Attempt {
                        operation,
                        about,
                        hidden: None,
                        number,
                    };
                    let reply = self.link.send(request.clone(), attempt).await?;
                    let is_unready = not_ready(reply.bytes()).is_some();
                    // A snapshot that is not ready comes as 200, 202 or 409.
                    let judged = if reply.is_success() || (reply.status() == 409 && is_unready) {
                        Ok(Passed::of(reply.status(), None))
                    } else {
                        Err(failure::refusal(reply.status(), reply.bytes()))
                    };
                    self.link.settle(&reply, judged, None, attempt)?;
                    let anonymous = Attempt {
                        operation,
                        about: "",
                        hidden: None,
                        number,
                    };
                    read(reply, anonymous).await
                }
            })
            .await
    }

    fn path(
        &self,
        method: fn(&contexter_http::Api, &str) -> Request,
        segments: &[&str],
    ) -> Request {
        segments
            .iter()
            .fold(method(&self.link.api, "datasets/v3"), |request, segment| {
                request.segment(segment)
            })
    }

    fn inputs(inputs: &[Value], operation: &'static str) -> Result<(), Error> {
        if inputs.is_empty() {
            return Err(refused_here("a job needs at least one input", operation));
        }
        for input in inputs {
            if let Some(Value::String(url)) = input.get("url") {
                url.parse::<PublicUrl>()
                    .map_err(|error| refused_here(error.message(), operation))?;
            }
        }
        Ok(())
    }

    async fn records(&self, body: Bytes, attempt: Attempt<'_>) -> Result<Records, Error> {
        let limit = self.max_snapshot;
        // Records are many; reading them would hold up everything else on this thread.
        let read = tokio::task::spawn_blocking(move || read_records(&body, limit))
            .await
            .map_err(|failed| {
                self.link.signed(
                    Error::new(ErrorKind::Unexpected, "reading the records was broken off")
                        .with_source(failed),
                    attempt,
                )
            })?;
        let records = read.map_err(|problem| {
            let kind = match problem {
                UnreadableRecords::TooLarge { .. } => ErrorKind::TooLarge,
                _ => ErrorKind::Protocol,
            };
            self.link
                .signed(Error::new(kind, problem.to_string()), attempt)
        })?;
        let failed = records.failed().count();
        let good = records.records.len().saturating_sub(failed);
        self.link.meter.delivered(good as u64, failed as u64);
        Ok(records)
    }

    /// Waits until a job has ended well or `cx` says that it is too late.
    pub(crate) async fn wait(&self, snapshot: &SnapshotId, cx: Cx) -> Result<(), Error> {
        const OPERATION: &str = "wait_for_snapshot";
        let mut delays = self.polling.delays();
        let failed = |kind, message: String| {
            Error::new(kind, message)
                .with_service(crate::NAME)
                .with_operation(OPERATION)
                .with_verdict(Sample::Neutral, false)
        };
        loop {
            let progress = self.call_progress(snapshot).await?;
            match progress.status {
                JobStatus::Ready => return Ok(()),
                JobStatus::Failed => {
                    let why = progress
                        .error_message
                        .unwrap_or_else(|| "no reason given".to_owned());
                    return Err(failed(
                        ErrorKind::Unavailable,
                        format!("job {snapshot} failed: {}", self.link.hide(&why, None)),
                    ));
                }
                JobStatus::Cancelled => {
                    return Err(failed(
                        ErrorKind::Cancelled,
                        format!("job {snapshot} was called off"),
                    ));
                }
                _ => {}
            }
            self.pause(&mut delays, None, cx, snapshot, OPERATION)
                .await?;
        }
    }

    /// Waits before the next question; an error if there is no time for it.
    async fn pause(
        &self,
        delays: &mut impl Iterator<Item = std::time::Duration>,
        asked: Option<std::time::Duration>,
        cx: Cx,
        snapshot: &SnapshotId,
        operation: &'static str,
    ) -> Result<(), Error> {
        let pause = delays
            .next()
            .unwrap_or(LONGEST_POLL)
            .max(asked.unwrap_or_default());
        let now = DefaultClock.now();
        let deadline = cx.deadline().unwrap_or_else(|| later(now, LONGEST_WAIT));
        let next = later(now, pause);
        if next >= deadline {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("job {snapshot} is not ready in time; it can be fetched later"),
            )
            .with_service(crate::NAME)
            .with_operation(operation)
            .with_verdict(Sample::Neutral, false));
        }
        DefaultClock.sleep_until(next).await;
        Ok(())
    }

    /// Waits for a job and fetches all its records, in parts of `batch_size` where that is given.
    pub(crate) async fn fetch_when_ready(
        &self,
        snapshot: &SnapshotId,
        batch_size: Option<u32>,
        cx: Cx,
    ) -> Result<Records, Error> {
        self.wait(snapshot, cx).await?;
        let parts = match batch_size {
            None => vec![None],
            Some(batch_size) => {
                let count =
                    Service::call(self, CountParts::new(snapshot.clone(), batch_size)).await?;
                (1..=count)
                    .map(|number| Some(Part::new(number, batch_size)))
                    .collect()
            }
        };
        let mut all = Records::default();
        for part in parts {
            let mut request = FetchSnapshot::new(snapshot.clone()).compressed();
            request.part = part;
            let mut delays = self.polling.delays();
            loop {
                match Service::call(self, request.clone()).await? {
                    Download::Records(records) => {
                        all.records.extend(records.records);
                        break;
                    }
                    Download::NotReady { retry_after, .. } => {
                        self.pause(&mut delays, retry_after, cx, snapshot, "fetch_snapshot")
                            .await?;
                    }
                }
            }
        }
        Ok(all)
    }

    async fn call_progress(&self, snapshot: &SnapshotId) -> Result<Progress, Error> {
        let request = self.path(contexter_http::Api::get, &["progress", snapshot.as_str()]);
        self.call(
            Cx::new(),
            "snapshot_progress",
            snapshot.as_str(),
            request,
            |reply, attempt| async move {
                let wire: WireProgress = reply
                    .json()
                    .map_err(|error| self.link.signed(error, attempt))?;
                Ok(Progress {
                    status: JobStatus::of(&wire.status),
                    error_message: wire
                        .error_message
                        .map(|message| self.link.hide(&contexter_http::clean(&message), None)),
                    records: wire.records,
                })
            },
        )
        .await
    }
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: std::time::Duration = std::time::Duration::from_secs(10);

/// Who names no deadline waits for so long in all between two states, which no job takes.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_hours(24);

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
                let records = self.records(reply.into_bytes(), attempt).await?;
                Ok(Scraped::Done(records))
            },
        )
        .await
    }
}

impl Service<SnapshotProgress> for Datasets {
    type Response = Progress;
    type Error = Error;

    async fn call(&self, request: SnapshotProgress) -> Result<Progress, Error> {
        self.call_progress(&request.snapshot).await
    }
}

impl Service<FetchSnapshot> for Datasets {
    type Response = Download;
    type Error = Error;

    async fn call(&self, fetch: FetchSnapshot) -> Result<Download, Error> {
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
        self.call(
            Cx::new(),
            OPERATION,
            fetch.snapshot.as_str(),
            request,
            |reply, attempt| async move {
                if let Some(status) = not_ready(reply.bytes()) {
                    return Ok(Download::NotReady {
                        status: contexter_http::clean(&status),
                        retry_after: reply.retry_after(),
                    });
                }
                if reply.status() == 202 {
                    return Ok(Download::NotReady {
                        status: "unknown".to_owned(),
                        retry_after: reply.retry_after(),
                    });
                }
                let records = self.records(reply.into_bytes(), attempt).await?;
                Ok(Download::Records(records))
            },
        )
        .await
    }
}

impl Service<CountParts> for Datasets {
    type Response = u32;
    type Error = Error;

    async fn call(&self, request: CountParts) -> Result<u32, Error> {
        const OPERATION: &str = "count_parts";
        batch(request.batch_size, OPERATION)?;
        let call = self
            .path(
                contexter_http::Api::get,
                &["snapshot", request.snapshot.as_str(), "parts"],
            )
            .query("batch_size", request.batch_size);
        self.call(
            Cx::new(),
            OPERATION,
            request.snapshot.as_str(),
            call,
            |reply, attempt| async move {
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

/// More parts than a snapshot can have: its records of one input job are bounded by its gigabyte.
const MAX_PARTS: u32 = 1_000_000;

impl Service<CancelSnapshot> for Datasets {
    type Response = ();
    type Error = Error;

    async fn call(&self, request: CancelSnapshot) -> Result<(), Error> {
        let call = self.path(
            contexter_http::Api::post,
            &["snapshot", request.snapshot.as_str(), "cancel"],
        );
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
