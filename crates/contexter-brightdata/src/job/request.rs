//! What can be asked of the asynchronous interfaces.

use std::fmt;
use std::time::Duration;

use contexter_model::Error;
use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::serp::SearchPage;
use crate::unlock::{Unlock, Unlocked};

/// How long a result is kept after it was submitted
/// (<https://docs.brightdata.com>, "asynchronous requests").
pub const RESULT_KEPT: Duration = Duration::from_hours(48);

/// Which of the two interfaces a job belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobKind {
    /// A page of the unlocker.
    Page,
    /// A page of results.
    Search,
}

impl JobKind {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Page => "unblocker",
            Self::Search => "serp",
        }
    }
}

/// A job that the vendor has accepted, and billed. It can be kept and collected by another process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// The vendor's id of it.
    pub response_id: String,
    /// Which interface it belongs to.
    pub kind: JobKind,
    /// The page, without its query.
    pub about: String,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.response_id)
    }
}

/// Submits a page to the asynchronous unlocker.
///
/// Every submission is billed, so it is repeated only if it was surely not sent. Of an [`Unlock`], its
/// address, method, country, headers and body are taken.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubmitPage {
    /// What to fetch.
    pub unlock: Unlock,
    /// Where the vendor is to announce the result; a public address. Nowhere by default.
    pub webhook_url: Option<String>,
}

impl SubmitPage {
    /// Submits what `unlock` says.
    #[must_use]
    pub fn new(unlock: Unlock) -> Self {
        Self {
            unlock,
            webhook_url: None,
        }
    }

    /// Sets where the vendor is to announce the result.
    #[must_use]
    pub fn webhook_url(mut self, url: impl Into<String>) -> Self {
        self.webhook_url = Some(url.into());
        self
    }
}

/// Without queries, which may hold keys.
impl fmt::Debug for SubmitPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let webhook_url = self.webhook_url.as_deref().map(contexter_http::redact_url);
        f.debug_struct("SubmitPage")
            .field("unlock", &self.unlock)
            .field("webhook_url", &webhook_url)
            .finish()
    }
}

impl Capability for SubmitPage {
    const NAME: &'static str = "unlock_later";
    type Response = Job;
    type Error = Error;
}

/// Submits a search to the asynchronous search interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubmitSearch {
    /// What to search.
    pub search: SearchPage,
}

impl SubmitSearch {
    /// Submits `search`.
    #[must_use]
    pub fn new(search: SearchPage) -> Self {
        Self { search }
    }
}

impl Capability for SubmitSearch {
    const NAME: &'static str = "search_later";
    type Response = Job;
    type Error = Error;
}

/// Asks for the result of a job. Asking is free.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectJob {
    /// The job.
    pub job: Job,
}

impl CollectJob {
    /// Asks for the result of `job`.
    #[must_use]
    pub fn new(job: Job) -> Self {
        Self { job }
    }
}

impl Capability for CollectJob {
    const NAME: &'static str = "unlock_later";
    type Response = JobState;
    type Error = Error;
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobState {
    /// The vendor is still at it; not before this time if it said so.
    Pending {
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
    },
    /// It has ended well.
    Done(Unlocked),
}
