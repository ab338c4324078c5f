//! Waiting for a job, and reading what it brings.

use std::time::Duration;

use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{Clock as _, Cx, DefaultClock, Sample, Service as _, Timer as _, later};

use super::{Job, JobState, Jobs, SubmitPage, SubmitSearch};
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
            let asked = match self.collect(job, cx).await? {
                JobState::Done(unlocked) => return Ok(unlocked),
                JobState::Pending { retry_after } => retry_after,
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
                // Submitting it again would be billed again.
                .with_verdict(Sample::Neutral, false));
            }
            DefaultClock.sleep_until(next).await;
        }
    }

    /// Submits a page, waits for it, and reads it.
    pub(crate) async fn page(&self, request: FetchPage, cx: Cx) -> Result<Page, Error> {
        const OPERATION: &str = "fetch_page_later";
        let unlock = Unlock::new(request.url.as_str()).country(request.country.clone());
        let job = self.call(SubmitPage::new(unlock)).await?;
        let mut reply = self.wait(&job, cx).await?;
        // The job knows its page without the query.
        reply.url = request
            .url
            .parse::<PublicUrl>()
            .map_or_else(|_| job.about.clone(), |url| url.as_str().to_owned());
        let html = FetchPage::new(request.url.as_str()).format(PageFormat::Html);
        let page = unlock::page(&self.link, &html, reply, OPERATION)?;
        unlock::converted(page, request.format, OPERATION).await
    }

    /// Submits a search, waits for it, and reads it.
    pub(crate) async fn search(&self, search: SearchPage, cx: Cx) -> Result<SerpPage, Error> {
        let job = self.call(SubmitSearch::new(search)).await?;
        let reply = self.wait(&job, cx).await?;
        serp::read(&reply, "search_later")
    }
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: Duration = Duration::from_secs(10);
