//! What can be asked of the data set interface.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_service::Capability;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Records;

/// The smallest batch that a part may have (<https://docs.brightdata.com/products/scrapers/limits>).
pub(crate) const MIN_BATCH: u32 = 1000;

/// As many inputs are taken by [`ScrapeDataset`] (same source).
pub(crate) const MAX_SCRAPE_INPUTS: usize = 20;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let is_good = text.strip_prefix($prefix).is_some_and(|rest| {
                    (1..=120).contains(&rest.len())
                        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                });
                if is_good {
                    Ok(Self(text.to_owned()))
                } else {
                    let shown: String = text.chars().take(80).collect();
                    Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            concat!("{:?} is no id, expected ", $prefix, "… of letters and digits"),
                            shown
                        ),
                    ))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The id of a data set, such as `gd_l1viktl72bvl7bjuj0`.
    DatasetId, "gd_"
}

id! {
    /// The id of a snapshot, such as `s_m4x7enmven8djfqak`: one run of a data set.
    SnapshotId, "s"
}

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
#[derive(Clone, Debug, PartialEq)]
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

impl Capability for TriggerDataset {
    const NAME: &'static str = "datasets";
    type Response = SnapshotId;
    type Error = Error;
}

/// Collects records at once: at most twenty inputs, for a minute, then it becomes a job.
#[derive(Clone, Debug, PartialEq)]
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

/// In which form a snapshot travels; both give the same records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SnapshotFormat {
    /// One JSON list. The default.
    #[default]
    Json,
    /// One JSON object a line.
    Ndjson,
}

impl SnapshotFormat {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

/// One part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Part {
    /// Which one, counted from 1.
    pub number: u32,
    /// How many records a part has; at least 1,000.
    pub batch_size: u32,
}

impl Part {
    /// Names part `number` of those with `batch_size` records.
    #[must_use]
    pub const fn new(number: u32, batch_size: u32) -> Self {
        Self { number, batch_size }
    }
}

/// Fetches the records of a snapshot, or one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// In which form it travels.
    pub format: SnapshotFormat,
    /// Which part; all of it by default.
    pub part: Option<Part>,
    /// Whether it travels compressed (gzip).
    pub compressed: bool,
}

impl FetchSnapshot {
    /// Fetches all of `snapshot`.
    #[must_use]
    pub fn new(snapshot: SnapshotId) -> Self {
        Self {
            snapshot,
            format: SnapshotFormat::default(),
            part: None,
            compressed: false,
        }
    }

    /// Sets in which form it travels.
    #[must_use]
    pub fn format(mut self, format: SnapshotFormat) -> Self {
        self.format = format;
        self
    }

    /// Fetches one part only.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// Lets it travel compressed.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }
}

impl Capability for FetchSnapshot {
    const NAME: &'static str = "datasets";
    type Response = Download;
    type Error = Error;
}

/// What a snapshot gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Download {
    /// It is still being built.
    NotReady {
        /// The vendor's word for its state.
        status: String,
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
    },
    /// The records; an empty list is one.
    Records(Records),
}

/// Asks of how many parts a snapshot is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountParts {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// How many records a part has.
    pub batch_size: u32,
}

impl CountParts {
    /// Counts the parts of `snapshot` with `batch_size` records each.
    #[must_use]
    pub fn new(snapshot: SnapshotId, batch_size: u32) -> Self {
        Self {
            snapshot,
            batch_size,
        }
    }
}

impl Capability for CountParts {
    const NAME: &'static str = "datasets";
    type Response = u32;
    type Error = Error;
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

#[derive(Serialize)]
pub(crate) struct WireInputs<'a> {
    pub(crate) input: &'a [Value],
}

#[derive(Deserialize)]
pub(crate) struct WireSnapshot {
    pub(crate) snapshot_id: String,
}

#[derive(Deserialize)]
pub(crate) struct WireProgress {
    pub(crate) status: String,
    #[serde(default, alias = "error")]
    pub(crate) error_message: Option<String>,
    #[serde(default)]
    pub(crate) records: Option<u64>,
}

/// The number of parts: a number, or an object or list that tells it.
pub(crate) fn parts_of(value: &Value) -> Option<u32> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::Array(parts) => u64::try_from(parts.len()).ok()?,
        Value::Object(object) => return object.get("parts").and_then(parts_of),
        _ => return None,
    };
    u32::try_from(number).ok()
}

/// A body that says that a snapshot is not ready: an object with `status` and `message`, whatever the
/// status of the answer is.
pub(crate) fn not_ready(body: &[u8]) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let status = object.get("status")?.as_str()?;
    object.get("message")?.as_str()?;
    // Records come in a list, or have more to say than these.
    let known = ["status", "message", "snapshot_id", "dataset_id", "progress"];
    object
        .keys()
        .all(|key| known.contains(&key.as_str()))
        .then(|| status.to_owned())
}
