//! How points are sent.

use serde::{Deserialize, Serialize};

/// Points of one upload batch: vendor reports recommend 100 to 500
/// (<https://github.com/qdrant/qdrant/issues/1470>).
const BATCH_POINTS: usize = 500;

/// Bytes of one upload batch: reports recommend less than 5 MB.
const BATCH_BYTES: usize = 4 << 20;

/// How points are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UploadConfig {
    /// How many points one call carries at most; 500 by default.
    pub batch_points: usize,
    /// How many bytes one call carries at most, unless a single point is larger; 4 MiB by default.
    pub batch_bytes: usize,
    /// How many calls of one upload are on their way at once; 2 by default.
    pub concurrency: usize,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            batch_points: BATCH_POINTS,
            batch_bytes: BATCH_BYTES,
            concurrency: 2,
        }
    }
}

impl UploadConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many points one call carries at most; 500 by default.
    #[must_use]
    pub fn with_batch_points(mut self, points: usize) -> Self {
        self.batch_points = points;
        self
    }

    /// Sets how many bytes one call carries at most, unless a single point is larger; 4 MiB by
    /// default.
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how many calls of one upload are on their way at once; 2 by default.
    #[must_use]
    pub fn with_concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls;
        self
    }
}
