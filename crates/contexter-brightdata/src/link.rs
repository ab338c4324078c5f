//! One request to the vendor: admitted by the budget, metered, read in all its layers.

use std::future::Future;
use std::time::Duration;

use contexter_http::{Api, Reply, Request};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Cx, Sample, Verdict as _};

use crate::NAME;
use crate::judge::{Passed, debug_field};
use crate::refusal::{Refusal, Retry};
use crate::target::PublicUrl;
use crate::throttle::ThrottleBudget;
use crate::usage::{Meter, UnderWay};

/// Which attempt of which operation about what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) operation: &'static str,
    /// What it is about, without query; may be empty.
    pub(crate) about: &'a str,
    /// What must not be repeated of the vendor's texts.
    pub(crate) hidden: Option<&'a str>,
    /// Counted from 1.
    pub(crate) number: u32,
}

impl<'a> Attempt<'a> {
    /// An attempt about the page at `url`, which is shown as `about`.
    pub(crate) fn at(
        url: &'a PublicUrl,
        about: &'a str,
        operation: &'static str,
        number: u32,
    ) -> Self {
        Self {
            operation,
            about,
            hidden: url.url().query(),
            number,
        }
    }
}

/// Everything that calls to the vendor share.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) api: Api,
    pub(crate) stack: StandardStack,
    pub(crate) budget: ThrottleBudget,
    pub(crate) meter: Meter,
    /// Keys and passwords, which no text of ours repeats, whatever the vendor echoes.
    pub(crate) secrets: Vec<contexter_config::Secret>,
    /// Whether the zone bills failures.
    pub(crate) bills_failures: bool,
}

impl Link {
    /// Runs an operation under the stack; it is told which attempt it is.
    pub(crate) async fn run<V, Op, Fut>(&self, cx: Cx, operation: Op) -> Result<V, Error>
    where
        V: Send,
        Op: Fn(u32) -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<V, Error>> + Send,
    {
        self.stack
            .run(cx, move |cx| operation(cx.attempt()))
            .await
            .map_err(|error| {
                if error.service().is_none() {
                    error.with_service(NAME)
                } else {
                    error
                }
            })
    }

    /// Sends a request as soon as the budget admits it.
    pub(crate) async fn send(
        &self,
        request: Request,
        attempt: Attempt<'_>,
    ) -> Result<Reply, Error> {
        self.budget
            .admit()
            .await
            .map_err(|limited| self.signed(limited.into(), attempt))?;
        request
            .operation(attempt.operation)
            .send()
            .await
            .map_err(|error| self.signed(error, attempt))
    }

    /// Sends a request that is billed by its outcome.
    pub(crate) async fn send_metered(
        &self,
        request: Request,
        attempt: Attempt<'_>,
    ) -> Result<(Reply, UnderWay), Error> {
        self.budget
            .admit()
            .await
            .map_err(|limited| self.signed(limited.into(), attempt))?;
        let under_way = self.meter.begin();
        match request.operation(attempt.operation).send().await {
            Ok(reply) => Ok((reply, under_way)),
            Err(error) => {
                if !error.sent() {
                    under_way.not_sent();
                }
                Err(self.signed(error, attempt))
            }
        }
    }

    /// Takes notice of how an answer was judged: counts it, corrects the budget, makes the error.
    pub(crate) fn settle(
        &self,
        reply: &Reply,
        judged: Result<Passed, Refusal>,
        under_way: Option<UnderWay>,
        attempt: Attempt<'_>,
    ) -> Result<Passed, Error> {
        let debug = reply.header("x-brd-debug").unwrap_or_default();
        let bytes = |field| {
            debug_field(debug, field)
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(0)
        };
        self.meter
            .transferred(bytes("bytes_up"), bytes("bytes_down"));
        let request_id = request_id(reply, debug);
        match judged {
            Ok(passed) => {
                self.budget.passed();
                if let Some(under_way) = under_way {
                    under_way.settle(passed.billed.unwrap_or(true), false);
                }
                tracing::debug!(
                    operation = attempt.operation,
                    status = passed.status,
                    request_id,
                    billed = passed.billed,
                    "answered"
                );
                Ok(passed)
            }
            Err(refusal) => {
                let is_billed = refusal
                    .billed()
                    .unwrap_or(self.bills_failures && !refusal.is_at_the_door());
                if let Some(under_way) = under_way {
                    under_way.settle(is_billed, true);
                }
                let refusal = refusal.with_billed(Some(is_billed));
                let error = self.refuse(refusal, reply.retry_after(), attempt);
                Err(match request_id {
                    Some(id) => error.with_request_id(id),
                    None => error,
                })
            }
        }
    }

    /// Makes the error of a refusal, and counts it where the vendor counts it.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        asked: Option<Duration>,
        attempt: Attempt<'_>,
    ) -> Error {
        let is_throttled = refusal.retry() == Retry::Slowly;
        let wait = if is_throttled {
            Some(self.budget.refused(asked, refusal.is_for_all()))
        } else {
            asked
        };
        let meaning = self.hide(refusal.meaning(), attempt.hidden);
        let error = refusal
            .with_meaning(meaning)
            .into_error(attempt.about, attempt.number, wait);
        // What was turned away for being too much was not taken up, so that also what must not happen
        // twice may be sent again.
        let error = if is_throttled {
            error.with_not_sent()
        } else {
            error
        };
        self.signed(error, attempt)
    }

    /// An answer that does not follow the protocol.
    pub(crate) fn malformed(&self, attempt: Attempt<'_>, problem: &str) -> Error {
        self.signed(Error::new(ErrorKind::Protocol, problem), attempt)
    }

    #[expect(clippy::unused_self, reason = "every error of a link is signed by it")]
    pub(crate) fn signed(&self, error: Error, attempt: Attempt<'_>) -> Error {
        let error = if error.service().is_none() {
            error.with_service(NAME)
        } else {
            error
        };
        if error.operation().is_none() {
            error.with_operation(attempt.operation)
        } else {
            error
        }
    }

    /// Takes out of a text of the vendor what it may have echoed.
    pub(crate) fn hide(&self, text: &str, hidden: Option<&str>) -> String {
        let mut text = without_queries(text);
        let secrets = self.secrets.iter().map(contexter_config::Secret::expose);
        // A vendor repeats the values of a query apart, and as they were before they were encoded.
        let pairs = url::form_urlencoded::parse(hidden.unwrap_or_default().as_bytes());
        let values: Vec<String> = pairs.map(|(_, value)| value.into_owned()).collect();
        let raw = hidden.unwrap_or_default().split(['&', '=']);
        let hidden = hidden
            .into_iter()
            .chain(values.iter().map(String::as_str))
            .chain(raw);
        for secret in secrets.chain(hidden) {
            if secret.len() >= MIN_SECRET {
                text = text.replace(secret, "[redacted]");
            }
        }
        text
    }
}

/// Cuts the query off every address in a text.
fn without_queries(text: &str) -> String {
    text.split(' ')
        .map(|word| match word.split_once('?') {
            Some((address, _)) if address.contains("://") => address,
            _ => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Shorter texts are likely to be parts of words; no key or password is as short.
const MIN_SECRET: usize = 4;

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("base_url", &self.api.base_url())
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// The longest id that is kept.
const MAX_REQUEST_ID: usize = 128;

/// Returns the id that the vendor's support asks for: that of the debug header, or a general one.
fn request_id<'a>(reply: &'a Reply, debug: &'a str) -> Option<&'a str> {
    debug_field(debug, "req_id")
        .filter(|id| {
            (1..=MAX_REQUEST_ID).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        .or_else(|| reply.request_id())
}

/// An error that is the request's own fault and is known before anything is sent.
pub(crate) fn refused_here(message: impl Into<String>, operation: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
        .with_service(NAME)
        .with_operation(operation)
        .with_verdict(Sample::Neutral, false)
        .with_not_sent()
}
