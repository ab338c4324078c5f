//! A batch job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A batch job, as the vendor describes it.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: JobStatus,
    /// What its lines ask, such as `/v1/embeddings`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The file of its lines.
    #[serde(default)]
    pub input_file_id: Option<String>,
    /// The file of what succeeded, once there is one.
    #[serde(default)]
    pub output_file_id: Option<String>,
    /// The file of what failed, once there is one.
    #[serde(default)]
    pub error_file_id: Option<String>,
    /// How many lines it has, and how many are done.
    #[serde(default, rename = "request_counts")]
    pub counts: Option<JobCounts>,
    /// Why it failed as a whole.
    #[serde(default)]
    pub(crate) errors: Option<Errors>,
    /// What was noted when it was made.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobStatus {
    /// Its lines are checked.
    Validating,
    /// It is computed.
    InProgress,
    /// Its results are written.
    Finalizing,
    /// It is done.
    Completed,
    /// It could not be begun, or broke off.
    Failed,
    /// It was told to stop, which takes up to 10 minutes.
    Cancelling,
    /// It has stopped.
    Cancelled,
    /// Something newer than this crate; not an end.
    #[serde(untagged)]
    Other(String),
}

impl JobStatus {
    /// Returns whether the job has come to an end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Returns the word of the vendor.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Other(word) => word,
        }
    }
}

/// The lines of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct JobCounts {
    /// How many there are.
    pub total: u64,
    /// How many succeeded.
    pub completed: u64,
    /// How many failed.
    pub failed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Errors {
    #[serde(default)]
    data: Vec<JobError>,
}

/// Why a job failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct JobError {
    /// A word for it.
    #[serde(default)]
    pub code: Option<String>,
    /// The line of the input, counted by the vendor.
    #[serde(default)]
    pub line: Option<u64>,
    /// What is wrong.
    #[serde(default)]
    pub message: Option<String>,
}

impl Job {
    /// Returns why it failed as a whole.
    #[must_use]
    pub fn errors(&self) -> &[JobError] {
        self.errors.as_ref().map_or(&[], |errors| &errors.data)
    }
}
