//! Submitting and collecting jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use contexter_http::{Reply, Request};
use contexter_model::Error;
use contexter_service::{Backoff, Cx, Service};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CollectJob, Job, JobKind, JobState, SubmitPage, SubmitSearch};
use crate::judge::{Passed, judge};
use crate::lines::HeaderLines;
use crate::link::{Attempt, Link, refused_here};
use crate::refusal::{Class, Retry};
use crate::serp::Engine;
use crate::target::PublicUrl;
use crate::unlock::{Unlocked, lower_case};

#[derive(Serialize)]
struct WireSubmit<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<&'a str>,
}

/// The asynchronous interfaces of the account's zones.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    pub(super) link: Link,
    customer: Option<Arc<str>>,
    zone: Option<Arc<str>>,
    serp_zone: Option<Arc<str>>,
    country: Option<Arc<str>>,
    pub(super) polling: Backoff,
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
        cx: Cx,
        kind: JobKind,
        body: Value,
        url: &PublicUrl,
        operation: &'static str,
    ) -> Result<Job, Error> {
        let zone = self.zone(kind, operation)?;
        let body = &body;
        let about = &url.to_string();
        self.link
            .run(cx.with_idempotent(false), operation, move |cx| async move {
                let attempt = Attempt::at(url, about, operation, cx);
                let call = self.link.api.post(kind.path()).segment("req").json(body);
                let mut reply = self.link.send(self.addressed(call, zone), attempt).await?;
                // Accepted without a body: the id is in a header.
                let id = response_id(&reply);
                let lines = HeaderLines::of(&reply);
                let judged = match judge(reply.status(), &lines.pairs(), reply.bytes()) {
                    Err(refusal) if refusal.class() == Class::Empty && id.is_some() => {
                        Ok(Passed::of(reply.status(), None))
                    }
                    judged => judged,
                };
                self.link.settle(&mut reply, judged, attempt)?;
                // Accepted, and billed.
                self.link.meter.submitted();
                let id = id.ok_or_else(|| {
                    self.link
                        .malformed(attempt, "the job was accepted without a response_id")
                })?;
                // Who drops the future finds it here: it can still be collected.
                tracing::info!(
                    operation,
                    response_id = self.link.hide(&id, None),
                    "submitted"
                );
                Ok(Job {
                    response_id: id,
                    kind,
                    about: about.clone(),
                })
            })
            .await
    }

    pub(crate) async fn collect(&self, job: &Job, cx: Cx) -> Result<JobState, Error> {
        const OPERATION: &str = "collect_job";
        if !is_id(&job.response_id) {
            return Err(refused_here("the response_id is malformed", OPERATION));
        }
        let zone = self.zone(job.kind, OPERATION)?;
        self.link
            .run(cx, OPERATION, move |cx| async move {
                let attempt = Attempt {
                    operation: OPERATION,
                    about: &job.about,
                    hidden: None,
                    cx,
                };
                let call = self
                    .link
                    .api
                    .get(job.kind.path())
                    .segment("get_result")
                    .query("response_id", &job.response_id);
                let mut reply = self.link.send(self.addressed(call, zone), attempt).await?;
                // Older pages have 102, which ends no exchange of HTTP, so that 202 is what comes.
                if matches!(reply.status(), 102 | 202) {
                    self.link.budget.passed();
                    return Ok(JobState::Pending {
                        retry_after: reply.retry_after(),
                    });
                }
                let lines = HeaderLines::of(&reply);
                // What the job has ended with is the same whenever it is asked for.
                let judged =
                    judge(reply.status(), &lines.pairs(), reply.bytes()).map_err(|refusal| {
                        if refusal.is_at_the_door() {
                            refusal
                        } else {
                            refusal.with_retry(Retry::Never)
                        }
                    });
                let headers = lower_case(&lines.pairs());
                let passed = self.link.settle(&mut reply, judged, attempt)?;
                Ok(JobState::Done(Unlocked::of(
                    &job.about,
                    &passed,
                    headers,
                    reply.bytes().clone(),
                )))
            })
            .await
    }
}

impl Service<SubmitPage> for Jobs {
    type Response = Job;
    type Error = Error;

    async fn call(&self, request: SubmitPage) -> Result<Job, Error> {
        self.submit_page(request, Cx::new()).await
    }
}

/// Submissions that end when the caller's time does.
impl Jobs {
    pub(super) async fn submit_page(&self, request: SubmitPage, cx: Cx) -> Result<Job, Error> {
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
        self.submit(cx, JobKind::Page, body, &url, OPERATION).await
    }

    pub(super) async fn submit_search(&self, request: SubmitSearch, cx: Cx) -> Result<Job, Error> {
        const OPERATION: &str = "submit_search";
        if request.search.engine != Engine::Google || request.search.light {
            return Err(refused_here(
                "only full results of google can be asked for later",
                OPERATION,
            ));
        }
        let url = request.search.url(OPERATION)?;
        let body = serde_json::json!({ "url": url.as_str() });
        self.submit(cx, JobKind::Search, body, &url, OPERATION)
            .await
    }
}

impl Service<SubmitSearch> for Jobs {
    type Response = Job;
    type Error = Error;

    async fn call(&self, request: SubmitSearch) -> Result<Job, Error> {
        self.submit_search(request, Cx::new()).await
    }
}

impl Service<CollectJob> for Jobs {
    type Response = JobState;
    type Error = Error;

    async fn call(&self, request: CollectJob) -> Result<JobState, Error> {
        self.collect(&request.job, Cx::new()).await
    }
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
