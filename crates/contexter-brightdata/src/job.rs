//! The asynchronous unlocker: submit, come back, collect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_http::{Reply, Request};
use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{
    Backoff, Capability, Clock as _, Cx, DefaultClock, Sample, Service, Timer as _,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::judge::judge;
use crate::link::{Attempt, Link, refused_here};
use crate::refusal::Class;
use crate::serp::{Engine, SearchPage, SerpPage};
use crate::target::PublicUrl;
use crate::unlock::{Unlock, Unlocked};

/// How long a result is kept after it was submitted
/// (<https://docs.brightdata.com>, "asynchronous requests").
pub const RESULT_KEPT: Duration = Duration::from_hours(48);

/// A job usually takes up to five minutes and can take this long (same source).
pub const LONGEST_JOB: Duration = Duration::from_hours(8);

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
    const fn path(self) -> &'static str {
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

#[derive(Serialize)]
struct WireSubmit<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<&'a str>,
}

/// The asynchronous interfaces of the account's zones.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    link: Link,
    customer: Option<Arc<str>>,
    zone: Option<Arc<str>>,
    serp_zone: Option<Arc<str>>,
    country: Option<Arc<str>>,
    polling: Backoff,
}

impl Jobs {
    pub(crate) fn new(
        link: Link,
        customer: Option<&str>,
        zone: Option<&str>,
        serp_zone: Option<&str>,
        country: Option<&str>,
        polling: Backoff,
    ) -> Self {
        Self {
            link,
            customer: customer.map(Into::into),
            zone: zone.map(Into::into),
            serp_zone: serp_zone.map(Into::into),
            country: country.map(Into::into),
            polling,
        }
    }

    fn zone(&self, kind: JobKind, operation: &'static str) -> Result<&str, Error> {
        let (zone, name) = match kind {
            JobKind::Page => (&self.zone, "zone"),
            JobKind::Search => (&self.serp_zone, "serp_zone"),
        };
        zone.as_deref()
            .ok_or_else(|| refused_here(format!("no {name} is configured"), operation))
    }

    fn addressed(&self, request: Request, zone: &str) -> Request {
        let request = request.query("zone", zone);
        match &self.customer {
            Some(customer) => request.query("customer", customer),
            None => request,
        }
    }

    async fn submit(
        &self,
        kind: JobKind,
        body: Value,
        url: &PublicUrl,
        operation: &'static str,
    ) -> Result<Job, Error> {
        let zone = self.zone(kind, operation)?;
        let body = &body;
        let about = &url.to_string();
        self.link
            .run(Cx::new().with_idempotent(false), move |number| async move {
                let attempt = Attempt {
                    operation,
                    about,
                    hidden: url.url().query(),
                    number,
                };
                let call = self.link.api.post(kind.path()).segment("req").json(body);
                let reply = self.link.send(self.addressed(call, zone), attempt).await?;
                // Accepted without a body: the id is in a header.
                let id = response_id(&reply);
                let judged = match judge(reply.status(), &headers(&reply), reply.bytes()) {
                    Err(refusal) if refusal.class() == Class::Empty && id.is_some() => {
                        Ok(crate::judge::Passed::of(reply.status(), None))
                    }
                    judged => judged,
                };
                self.link.settle(&reply, judged, None, attempt)?;
                let id = id.ok_or_else(|| {
                    self.link
                        .malformed(attempt, "the job was accepted without a response_id")
                })?;
                self.link.meter.submitted();
                Ok(Job {
                    response_id: id,
                    kind,
                    about: about.clone(),
                })
            })
            .await
    }

    pub(crate) async fn collect(&self, job: &Job) -> Result<JobState, Error> {
        const OPERATION: &str = "collect_job";
        if !is_id(&job.response_id) {
            return Err(refused_here("the response_id is malformed", OPERATION));
        }
        let zone = self.zone(job.kind, OPERATION)?;
        self.link
            .run(Cx::new(), move |number| async move {
                let attempt = Attempt {
                    operation: OPERATION,
                    about: &job.about,
                    hidden: None,
                    number,
                };
                let call = self
                    .link
                    .api
                    .get(job.kind.path())
                    .segment("get_result")
                    .query("response_id", &job.response_id);
                let reply = self.link.send(self.addressed(call, zone), attempt).await?;
                // Older pages have 102, which ends no exchange of HTTP, so that 202 is what comes.
                if matches!(reply.status(), 102 | 202) {
                    self.link.budget.passed();
                    return Ok(JobState::Pending {
                        retry_after: reply.retry_after(),
                    });
                }
                let headers = headers(&reply);
                let judged = judge(reply.status(), &headers, reply.bytes());
                let passed = self.link.settle(&reply, judged, None, attempt)?;
                Ok(JobState::Done(Unlocked {
                    url: job.about.clone(),
                    status: passed.status,
                    headers: headers
                        .iter()
                        .map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()))
                        .collect(),
                    body: reply.bytes().clone(),
                    billed: passed.billed,
                }))
            })
            .await
    }

    /// Asks again and again until the job is done or `cx` says that it is too late.
    pub(crate) async fn wait(&self, job: &Job, cx: Cx) -> Result<Unlocked, Error> {
        let mut delays = self.polling.delays();
        let longest = contexter_service::later(DefaultClock.now(), LONGEST_JOB);
        let deadline = cx
            .deadline()
            .map_or(longest, |deadline| deadline.min(longest));
        loop {
            let asked = match self.collect(job).await? {
                JobState::Done(unlocked) => return Ok(unlocked),
                JobState::Pending { retry_after } => retry_after,
            };
            let pause = delays
                .next()
                .unwrap_or(LONGEST_POLL)
                .max(asked.unwrap_or_default());
            let next = contexter_service::later(DefaultClock.now(), pause);
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
        let page = crate::unlock::page(&self.link, &html, reply, OPERATION)?;
        crate::proxy::converted(page, request.format, OPERATION).await
    }

    /// Submits a search, waits for it, and reads it.
    pub(crate) async fn search(&self, search: SearchPage, cx: Cx) -> Result<SerpPage, Error> {
        let job = self.call(SubmitSearch::new(search)).await?;
        let reply = self.wait(&job, cx).await?;
        crate::serp::read(&reply, "search_later")
    }
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: Duration = Duration::from_secs(10);

impl Service<SubmitPage> for Jobs {
    type Response = Job;
    type Error = Error;

    async fn call(&self, request: SubmitPage) -> Result<Job, Error> {
        const OPERATION: &str = "submit_page";
        let mut unlock = request.unlock;
        if unlock.country.is_none() {
            unlock.country = self.country.as_deref().map(str::to_owned);
        }
        let url = unlock.check(OPERATION)?;
        let webhook = request
            .webhook_url
            .map(|webhook| webhook.parse::<PublicUrl>())
            .transpose()
            .map_err(|error| {
                refused_here(format!("webhook_url: {}", error.message()), OPERATION)
            })?;
        let body = WireSubmit {
            url: url.as_str(),
            method: (unlock.method != "GET").then_some(unlock.method.as_str()),
            country: unlock.country.as_deref(),
            headers: (!unlock.headers.is_empty()).then_some(&unlock.headers),
            body: unlock.body.as_deref(),
            webhook_url: webhook.as_ref().map(PublicUrl::as_str),
        };
        let body = serde_json::to_value(body).map_err(|error| {
            refused_here("the request cannot be written as json", OPERATION).with_source(error)
        })?;
        self.submit(JobKind::Page, body, &url, OPERATION).await
    }
}

impl Service<SubmitSearch> for Jobs {
    type Response = Job;
    type Error = Error;

    async fn call(&self, request: SubmitSearch) -> Result<Job, Error> {
        const OPERATION: &str = "submit_search";
        if request.search.engine != Engine::Google || request.search.light {
            return Err(refused_here(
                "only full results of google can be asked for later",
                OPERATION,
            ));
        }
        let url = request.search.url(OPERATION)?;
        let body = serde_json::json!({ "url": url.as_str() });
        self.submit(JobKind::Search, body, &url, OPERATION).await
    }
}

impl Service<CollectJob> for Jobs {
    type Response = JobState;
    type Error = Error;

    async fn call(&self, request: CollectJob) -> Result<JobState, Error> {
        self.collect(&request.job).await
    }
}

fn headers(reply: &Reply) -> Vec<(&str, &str)> {
    reply.headers().collect()
}

/// Newer pages have the id in the body too; the header comes first.
fn response_id(reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        response_id: String,
    }
    reply
        .header("x-response-id")
        .map(str::to_owned)
        .or_else(|| {
            serde_json::from_slice::<Body>(reply.bytes())
                .ok()
                .map(|body| body.response_id)
        })
        .filter(|id| is_id(id))
}

/// The vendor documents no grammar; what could not stand in an address is no id.
fn is_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
