//! How the records of a snapshot are fetched.

use std::time::Duration;

use contexter_model::Error;
use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use super::{Records, SnapshotId};

/// The smallest batch that a part may have (<https://docs.brightdata.com/products/scrapers/limits>).
pub(crate) const MIN_BATCH: u32 = 1000;

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
