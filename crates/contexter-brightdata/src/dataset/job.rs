//! What can be asked of a job that collects records.

use std::fmt;
use std::time::Duration;

use contexter_model::Error;
use contexter_service::Capability;
use serde::Serialize;
use serde_json::Value;

use super::{DatasetId, Records, SnapshotId};

/// As many inputs are taken by [`ScrapeDataset`]
/// (<https://docs.brightdata.com/products/scrapers/limits>).
pub(crate) const MAX_SCRAPE_INPUTS: usize = 20;

/// Starts a job that collects records. Starting is not repeated unless it was surely not sent.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::TriggerDataset;
/// use serde_json::json;
///
/// let trigger = TriggerDataset::new("gd_l1viktl72bvl7bjuj0".parse()?)
///     .input(json!({ "url": "https://example.org/item/1" }));
/// assert_eq!(trigger.inputs.len(), 1);
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TriggerDataset {
    /// The data set.
    pub dataset: DatasetId,
    /// What to collect, as the data set's own form asks for. Values of `url` are checked to be public.
    pub inputs: Vec<Value>,
    /// How new inputs are found (`type=discover_new&discover_by=…`); not at all by default.
    pub discover_by: Option<String>,
    /// How many records an input may give at most.
    pub limit_per_input: Option<u32>,
    /// How many records there may be at most.
    pub limit_total: Option<u32>,
    /// Which fields are wanted; all by default.
    pub fields: Vec<String>,
    /// Where the vendor announces the end; a public address.
    pub notify: Option<String>,
}

impl TriggerDataset {
    /// Begins a job of `dataset`; it needs an input.
    #[must_use]
    pub fn new(dataset: DatasetId) -> Self {
        Self {
            dataset,
            inputs: Vec::new(),
            discover_by: None,
            limit_per_input: None,
            limit_total: None,
            fields: Vec::new(),
            notify: None,
        }
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.inputs.push(input);
        self
    }

    /// Adds inputs.
    #[must_use]
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = Value>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// Finds new inputs by this means, such as `keyword`.
    #[must_use]
    pub fn discover_by(mut self, means: impl Into<String>) -> Self {
        self.discover_by = Some(means.into());
        self
    }

    /// Sets how many records an input may give at most.
    #[must_use]
    pub fn limit_per_input(mut self, limit: u32) -> Self {
        self.limit_per_input = Some(limit);
        self
    }

    /// Sets how many records there may be at most.
    #[must_use]
    pub fn limit_total(mut self, limit: u32) -> Self {
        self.limit_total = Some(limit);
        self
    }

    /// Sets which fields are wanted.
    #[must_use]
    pub fn fields<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Sets where the vendor announces the end.
    #[must_use]
    pub fn notify(mut self, url: impl Into<String>) -> Self {
        self.notify = Some(url.into());
        self
    }
}

/// Without the inputs, and without the query of the address to notify.
impl fmt::Debug for TriggerDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notify = self.notify.as_deref().map(contexter_http::redact_url);
        f.debug_struct("TriggerDataset")
            .field("dataset", &self.dataset)
            .field("inputs", &self.inputs.len())
            .field("notify", &notify)
            .finish_non_exhaustive()
    }
}

impl Capability for TriggerDataset {
    const NAME: &'static str = "datasets";
    type Response = SnapshotId;
    type Error = Error;
}

/// Collects records at once: at most twenty inputs, for a minute, then it becomes a job.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ScrapeDataset {
    /// The data set.
    pub dataset: DatasetId,
    /// What to collect.
    pub inputs: Vec<Value>,
}

impl ScrapeDataset {
    /// Collects from `inputs`.
    #[must_use]
    pub fn new(dataset: DatasetId, inputs: Vec<Value>) -> Self {
        Self { dataset, inputs }
    }
}

/// Without the inputs.
impl fmt::Debug for ScrapeDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeDataset")
            .field("dataset", &self.dataset)
            .field("inputs", &self.inputs.len())
            .finish()
    }
}

impl Capability for ScrapeDataset {
    const NAME: &'static str = "datasets";
    type Response = Scraped;
    type Error = Error;
}

/// What became of a [`ScrapeDataset`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scraped {
    /// The records.
    Done(Records),
    /// It takes longer than a minute and goes on as a job.
    GoesOn {
        /// The job.
        snapshot: SnapshotId,
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
    },
}

/// Asks how far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotProgress {
    /// The job.
    pub snapshot: SnapshotId,
}

impl SnapshotProgress {
    /// Asks how far `snapshot` is.
    #[must_use]
    pub fn new(snapshot: SnapshotId) -> Self {
        Self { snapshot }
    }
}

impl Capability for SnapshotProgress {
    const NAME: &'static str = "datasets";
    type Response = Progress;
    type Error = Error;
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// The state.
    pub status: JobStatus,
    /// Why it failed, where the vendor says so.
    pub error_message: Option<String>,
    /// How many records there are, where the vendor says so.
    pub records: Option<u64>,
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobStatus {
    /// It is being set up.
    Starting,
    /// It is under way.
    Running,
    /// Its snapshot can be fetched.
    Ready,
    /// It has failed.
    Failed,
    /// It was called off.
    Cancelled,
    /// Another word, which counts as under way: `collecting`, `digesting`, `building` were seen.
    Other(String),
}

impl JobStatus {
    /// Reads the vendor's word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "starting" => Self::Starting,
            "running" => Self::Running,
            "ready" | "done" => Self::Ready,
            "failed" => Self::Failed,
            "cancelled" | "canceled" => Self::Cancelled,
            other => Self::Other(contexter_http::clean(
                &other.chars().take(40).collect::<String>(),
            )),
        }
    }

    /// Returns whether waiting can change it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !matches!(self, Self::Ready | Self::Failed | Self::Cancelled)
    }
}

/// Calls a job off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelSnapshot {
    /// The job.
    pub snapshot: SnapshotId,
}

impl CancelSnapshot {
    /// Calls `snapshot` off.
    #[must_use]
    pub fn new(snapshot: SnapshotId) -> Self {
        Self { snapshot }
    }
}

impl Capability for CancelSnapshot {
    const NAME: &'static str = "datasets";
    type Response = ();
    type Error = Error;
}
