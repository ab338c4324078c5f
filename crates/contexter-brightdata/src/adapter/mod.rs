//! The services of Bright Data as one adapter.

mod assemble;
mod builder;
mod pulse;
mod service;

pub use builder::Builder;
pub use pulse::HEALTH_KEPT;
pub use service::HEALTH_TIMEOUT;

use std::fmt;

use contexter_adapter::Capabilities;
use contexter_model::{Error, FetchPage, Page};
use contexter_service::Cx;

use self::pulse::Pulse;
use crate::dataset::{Datasets, Records, SnapshotId};
use crate::job::{Job, Jobs};
use crate::judge::judge;
use crate::lines::HeaderLines;
use crate::link::{Attempt, Link, refused_here};
use crate::proxy::NativeProxy;
use crate::serp::{SearchPage, SerpPage};
use crate::throttle::ThrottleBudget;
use crate::unlock::Unlocked;
use crate::usage::BilledUsage;

/// The services of Bright Data, registered as `brightdata`.
///
/// | ability | request | needs |
/// |---|---|---|
/// | `fetch_page` | [`FetchPage`] | `zone`, or `proxy` |
/// | `unlock_page`, `screenshot` | [`Unlock`], [`TakeScreenshot`] | `zone` |
/// | `unlock_later` | [`SubmitPage`], [`CollectJob`] | `zone` with the asynchronous option |
/// | `web_search`, `search_results` | [`SearchWeb`], [`SearchPage`] | `serp_zone` |
/// | `search_later` | [`SubmitSearch`] | `serp_zone` with the asynchronous option |
/// | `datasets` | [`TriggerDataset`], [`SnapshotProgress`], [`FetchSnapshot`], [`ScrapeDataset`], [`CountParts`], [`CancelSnapshot`] | `api_key` |
/// | `proxy_fetch` | [`FetchByProxy`] | `proxy` |
/// | `document_fetching`, `library_resolution` | [`FetchDocs`], [`ResolveLibrary`] | `libraries` |
///
/// # Examples
///
/// ```
/// use contexter_adapter::ServiceAdapter;
/// use contexter_brightdata::{BrightDataAdapter, Config};
///
/// let adapter = BrightDataAdapter::new(Config::new("s3cret").with_zone("web_unlocker1"))?;
/// assert!(adapter.capabilities().contains("fetch_page"));
/// assert!(!adapter.capabilities().contains("web_search"));
/// # Ok::<(), contexter_model::Error>(())
/// ```
///
/// [`CancelSnapshot`]: crate::CancelSnapshot
/// [`CollectJob`]: crate::CollectJob
/// [`CountParts`]: crate::CountParts
/// [`FetchByProxy`]: crate::FetchByProxy
/// [`FetchDocs`]: contexter_model::FetchDocs
/// [`FetchSnapshot`]: crate::FetchSnapshot
/// [`ResolveLibrary`]: contexter_model::ResolveLibrary
/// [`ScrapeDataset`]: crate::ScrapeDataset
/// [`SearchWeb`]: contexter_model::SearchWeb
/// [`SnapshotProgress`]: crate::SnapshotProgress
/// [`SubmitPage`]: crate::SubmitPage
/// [`SubmitSearch`]: crate::SubmitSearch
/// [`TakeScreenshot`]: crate::TakeScreenshot
/// [`TriggerDataset`]: crate::TriggerDataset
/// [`Unlock`]: crate::Unlock
pub struct BrightDataAdapter {
    link: Link,
    jobs: Jobs,
    datasets: Datasets,
    /// For checks, where there is no key.
    proxy: Option<NativeProxy>,
    has_key: bool,
    zones: Vec<String>,
    pulse: Pulse,
    capabilities: Capabilities,
}

impl BrightDataAdapter {
    /// Returns what was used since the adapter was made.
    #[must_use]
    pub fn usage(&self) -> BilledUsage {
        self.link.meter.read()
    }

    /// Returns the budget of refusals for too many requests.
    #[must_use]
    pub fn throttle_budget(&self) -> &ThrottleBudget {
        &self.link.budget
    }

    /// Fetches a page by the asynchronous unlocker: submits it, asks for the result until it is there,
    /// reads it. Markdown is made here, since this interface delivers HTML.
    ///
    /// The time is that of `cx`; without a deadline it is [`LONGEST_JOB`](crate::LONGEST_JOB). Trouble that
    /// may pass (the vendor is away, too many requests, an open breaker) does not end the wait.
    ///
    /// # Errors
    ///
    /// As [`FetchPage`]; [`ErrorKind::Timeout`] if the job is not done in time. None is worth a repeat: a
    /// submission is billed. Whatever an error after the submission is, it names the job
    /// ([`Job::of`]), which [`wait_for_job`](Self::wait_for_job) can go on with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the asking; the job goes on at the vendor, and its id is in the log alone.
    /// Who may drop it submits with [`SubmitPage`](crate::SubmitPage) and keeps the [`Job`].
    ///
    /// [`ErrorKind::Timeout`]: contexter_model::ErrorKind::Timeout
    pub async fn fetch_page_later(&self, request: FetchPage, cx: Cx) -> Result<Page, Error> {
        self.jobs.page(request, cx).await
    }

    /// Searches by the asynchronous interface, as [`fetch_page_later`](Self::fetch_page_later) fetches.
    ///
    /// # Errors
    ///
    /// As [`SearchPage`], and [`ErrorKind::Timeout`] if the job is not done in time. Each after the
    /// submission names the job ([`Job::of`]).
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_page_later`](Self::fetch_page_later).
    ///
    /// [`ErrorKind::Timeout`]: contexter_model::ErrorKind::Timeout
    pub async fn search_later(&self, search: SearchPage, cx: Cx) -> Result<SerpPage, Error> {
        self.jobs.search(search, cx).await
    }

    /// Asks for the result of a job until it is there, within the time of `cx`.
    ///
    /// # Errors
    ///
    /// What the job ended with, and [`ErrorKind::Timeout`] if it is not done in time. Each names the job
    /// ([`Job::of`]).
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_page_later`](Self::fetch_page_later).
    ///
    /// [`ErrorKind::Timeout`]: contexter_model::ErrorKind::Timeout
    pub async fn wait_for_job(&self, job: &Job, cx: Cx) -> Result<Unlocked, Error> {
        self.jobs.wait(job, cx).await
    }

    /// Waits for the job of a data set within the time of `cx`, and fetches all its records; in parts of
    /// `batch_size` records, at least 1,000, where one is given.
    ///
    /// Without a deadline the time is a day. Trouble that may pass (the vendor is away, too many requests,
    /// an open breaker) does not end the wait, and costs no part that was fetched.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the job failed, [`ErrorKind::Timeout`] if it is not ready in time,
    /// caused by what the last question ended with, and whatever else fetching ends with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the asking; the job goes on at the vendor and its snapshot is kept.
    ///
    /// [`ErrorKind::Timeout`]: contexter_model::ErrorKind::Timeout
    /// [`ErrorKind::Unavailable`]: contexter_model::ErrorKind::Unavailable
    pub async fn fetch_records(
        &self,
        snapshot: &SnapshotId,
        batch_size: Option<u32>,
        cx: Cx,
    ) -> Result<Records, Error> {
        self.needs_key("fetch_records")?;
        self.datasets
            .fetch_when_ready(snapshot, batch_size, cx)
            .await
    }

    fn needs_key(&self, operation: &'static str) -> Result<(), Error> {
        if self.has_key {
            return Ok(());
        }
        Err(refused_here("no api_key is configured", operation))
    }

    /// Returns the names of the account's active zones. It is free.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] without a key, the vendor's refusal, or [`ErrorKind::Protocol`] for a list that cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up.
    ///
    /// [`ErrorKind::Invalid`]: contexter_model::ErrorKind::Invalid
    /// [`ErrorKind::Protocol`]: contexter_model::ErrorKind::Protocol
    pub async fn active_zones(&self) -> Result<Vec<String>, Error> {
        self.needs_key("active_zones")?;
        let attempt = Attempt {
            operation: "active_zones",
            about: "",
            hidden: None,
            cx: Cx::new(),
        };
        let request = self.link.api.get("zone/get_active_zones");
        let mut reply = self.link.send(request, attempt).await?;
        let lines = HeaderLines::of(&reply);
        let judged = judge(reply.status(), &lines.pairs(), reply.bytes());
        self.link.settle(&mut reply, judged, attempt)?;
        let zones: serde_json::Value = reply
            .json()
            .map_err(|error| self.link.signed(error, attempt))?;
        let zones = zones
            .as_array()
            .ok_or_else(|| self.link.malformed(attempt, "the zones are no list"))?;
        Ok(zones
            .iter()
            .filter_map(|zone| zone.get("name").unwrap_or(zone).as_str())
            .map(str::to_owned)
            .collect())
    }
}

impl fmt::Debug for BrightDataAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrightDataAdapter")
            .field("link", &self.link)
            .field("zones", &self.zones)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
