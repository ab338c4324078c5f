//! Waiting for a job, and reading what it brings.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{Clock as _, Cx, DefaultClock, Sample, Timer as _, Verdict as _, later};

use super::{Job, JobState, Jobs, SubmitPage, SubmitSearch};
use crate::passing::may_pass;
use crate::serp::{self, SearchPage, SerpPage};
use crate::target::PublicUrl;
use crate::unlock::{self, Unlock, Unlocked};

/// A job usually takes up to five minutes and can take this long
/// (<https://docs.brightdata.com>, "asynchronous requests").
pub const LONGEST_JOB: Duration = Duration::from_hours(8);

impl Jobs {
    /// Asks again and again until the job is done or `cx` says that it is too late.
    pub(crate) async fn wait(&self, job: &Job, cx: Cx) -> Result<Unlocked, Error> {
        let mut delays = self.polling.delays();
        let longest = later(DefaultClock.now(), LONGEST_JOB);
        let deadline = cx
            .deadline()
            .map_or(longest, |deadline| deadline.min(longest));
        let cx = cx.with_deadline(deadline);
        loop {
            let (asked, failed) = match self.collect(job, cx).await {
                Ok(JobState::Done(unlocked)) => return Ok(unlocked),
                Ok(JobState::Pending { retry_after }) => (retry_after, None),
                // What was submitted is paid for: trouble that may pass does not end the wait.
                Err(error) if may_pass(&error) => (error.retry_after(), Some(error)),
                Err(error) => return Err(about(job, error)),
            };
            let pause = delays
                .next()
                .unwrap_or(LONGEST_POLL)
                .max(asked.unwrap_or_default());
            let next = later(DefaultClock.now(), pause);
            if next >= deadline {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("job {job} is not ready in time; it can be collected later"),
                )
                .with_service(crate::NAME)
                .with_operation("wait_for_job")
                .with_source(Uncollected {
                    job: job.clone(),
                    last: failed,
                    cause: None,
                })
                // Submitting it again would be billed again.
                .with_verdict(Sample::Neutral, false));
            }
            DefaultClock.sleep_until(next).await;
        }
    }

    /// Submits a page, waits for it, and reads it.
    pub(crate) async fn page(&self, request: FetchPage, cx: Cx) -> Result<Page, Error> {
        let unlock = Unlock::new(request.url.as_str()).country(request.country.clone());
        let job = self.submit_page(SubmitPage::new(unlock), cx).await?;
        let reply = self.wait(&job, cx).await?;
        self.read_page(&job, request, reply, cx)
            .await
            .map_err(|error| about(&job, error))
    }

    async fn read_page(
        &self,
        job: &Job,
        request: FetchPage,
        mut reply: Unlocked,
        cx: Cx,
    ) -> Result<Page, Error> {
        const OPERATION: &str = "fetch_page_later";
        // The job knows its page without the query.
        reply.url = request
            .url
            .parse::<PublicUrl>()
            .map_or_else(|_| job.about.clone(), |url| url.as_str().to_owned());
        let html = FetchPage::new(request.url.as_str()).format(PageFormat::Html);
        let page = unlock::page(&self.link, &html, reply, OPERATION)?;
        unlock::converted(page, request.format, OPERATION, cx).await
    }

    /// Submits a search, waits for it, and reads it.
    pub(crate) async fn search(&self, search: SearchPage, cx: Cx) -> Result<SerpPage, Error> {
        let job = self.submit_search(SubmitSearch::new(search), cx).await?;
        let reply = self.wait(&job, cx).await?;
        serp::read(&reply, "search_later").map_err(|error| about(&job, error))
    }
}

/// Names the job in an error about it, so that what was paid for can be collected in spite of it.
fn about(job: &Job, error: Error) -> Error {
    let mut named = Error::new(error.kind(), format!("job {job}: {}", error.message()))
        .with_service(crate::NAME)
        .with_operation(error.operation().unwrap_or("wait_for_job"))
        .with_retry_after(error.retry_after())
        // Submitting it again would be billed again.
        .with_verdict(error.sample(), false);
    if let Some(id) = error.request_id() {
        named = named.with_request_id(id);
    }
    named.with_source(Uncollected {
        job: job.clone(),
        last: None,
        cause: Some(error),
    })
}

/// The job that an error is about, between the error and its cause.
#[derive(Debug)]
struct Uncollected {
    job: Job,
    /// What the last question ended with.
    last: Option<Error>,
    /// The error whose words the error before this has.
    cause: Option<Error>,
}

impl fmt::Display for Uncollected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "submitted as {} and billed", self.job)
    }
}

impl StdError for Uncollected {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.last, &self.cause) {
            (Some(last), _) => Some(last),
            (None, Some(told)) => told.source(),
            (None, None) => None,
        }
    }
}

impl Job {
    /// Finds the job that an error is about: it was submitted and billed, and can be collected by
    /// [`CollectJob`](crate::CollectJob) or
    /// [`wait_for_job`](crate::BrightDataAdapter::wait_for_job) for [`RESULT_KEPT`](crate::RESULT_KEPT).
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        let mut cause = error.source();
        while let Some(current) = cause {
            if let Some(uncollected) = current.downcast_ref::<Uncollected>() {
                return Some(&uncollected.job);
            }
            cause = current.source();
        }
        None
    }
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: Duration = Duration::from_secs(10);
