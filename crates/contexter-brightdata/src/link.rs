//! One request to the vendor: admitted by the budget, metered, read in all its layers.

use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use contexter_http::{Api, Reply, Request, Secrets, clean};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::StandardStack;
use contexter_service::{Clock as _, Cx, DefaultClock, Elapsed, Sample, Verdict as _, later};

use crate::judge::{Passed, debug_field};
use crate::refusal::{Class, Refusal, Retry, spelled_as_a_code};
use crate::target::PublicUrl;
use crate::throttle::{Admission, MAX_WAIT, ThrottleBudget};
use crate::usage::{Meter, UnderWay};
use crate::{CodeEntry, NAME};

/// Which attempt of which operation about what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) operation: &'static str,
    /// What it is about, without query; may be empty.
    pub(crate) about: &'a str,
    /// What must not be repeated of the vendor's texts.
    pub(crate) hidden: Option<&'a str>,
    /// Which attempt it is, and when its time ends.
    pub(crate) cx: Cx,
}

impl<'a> Attempt<'a> {
    /// An attempt about the page at `url`, which is shown as `about`.
    pub(crate) fn at(url: &'a PublicUrl, about: &'a str, operation: &'static str, cx: Cx) -> Self {
        Self {
            operation,
            about,
            hidden: url.url().query(),
            cx,
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
    /// The time of a request, from when the budget admits it.
    pub(crate) timeout: Duration,
    /// Whether the zone bills failures.
    pub(crate) bills_failures: bool,
}

impl Link {
    /// Gives a call of several requests, such as one that is redirected, the time that is set for one:
    /// they share it.
    pub(crate) fn bounded(&self, cx: Cx) -> Cx {
        let Some(limit) = self.stack.config().deadline else {
            return cx;
        };
        cx.with_deadline(later(DefaultClock.now(), limit))
    }

    /// Returns this link for requests that show further secrets, which no text may repeat then.
    pub(crate) fn showing(&self, secrets: impl IntoIterator<Item = String>) -> Self {
        Self {
            api: self.api.clone().with_secrets(secrets),
            ..self.clone()
        }
    }

    /// Runs an operation under the stack; it is told which attempt it is, and when its time ends.
    pub(crate) async fn run<V, Op, Fut>(
        &self,
        cx: Cx,
        name: &'static str,
        operation: Op,
    ) -> Result<V, Error>
    where
        V: Send,
        Op: Fn(Cx) -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<V, Error>> + Send,
    {
        self.stack
            .run(cx, operation)
            .await
            .map_err(|error| error.or_of(NAME, name))
    }

    /// Sends a request as soon as the budget admits it.
    pub(crate) async fn send(
        &self,
        request: Request,
        attempt: Attempt<'_>,
    ) -> Result<Answer, Error> {
        let admission = self.admitted(attempt).await?;
        let reply = self.answered(request, attempt).await?;
        Ok(Answer {
            reply,
            under_way: None,
            admission: Some(admission),
        })
    }

    /// Waits for the budget as long as the attempt has time for the request besides. Where nothing is sent
    /// for longer, the call is refused, which says nothing about the vendor.
    async fn admitted(&self, attempt: Attempt<'_>) -> Result<Admission, Error> {
        let longest = attempt.cx.deadline().map_or(MAX_WAIT, |deadline| {
            let left = deadline.saturating_duration_since(DefaultClock.now());
            // A stack of the caller's may have made no room for the wait: then they share the time.
            left.saturating_sub(self.timeout).max(left / 2)
        });
        self.budget
            .admit_within(longest)
            .await
            .map_err(|limited| Error::from(limited).or_of(NAME, attempt.operation))
    }

    /// Sends a request that was admitted.
    async fn answered(&self, request: Request, attempt: Attempt<'_>) -> Result<Reply, Error> {
        let after = self.timeout;
        let answer = request.operation(attempt.operation).send();
        tokio::time::timeout(after, answer)
            .await
            .unwrap_or_else(|_elapsed| Err(Elapsed { after }.into()))
            .map_err(|error| error.or_of(NAME, attempt.operation))
    }

    /// Sends a request that is billed by its outcome.
    pub(crate) async fn send_metered(
        &self,
        request: Request,
        attempt: Attempt<'_>,
    ) -> Result<Answer, Error> {
        let admission = self.admitted(attempt).await?;
        let under_way = self.meter.begin();
        match self.answered(request, attempt).await {
            Ok(reply) => Ok(Answer {
                reply,
                under_way: Some(under_way),
                admission: Some(admission),
            }),
            Err(error) => {
                if !error.sent() {
                    under_way.not_sent();
                }
                Err(error)
            }
        }
    }

    /// Takes notice of how an answer was judged: counts it, corrects the budget, makes the error. The
    /// call is under way no longer.
    pub(crate) fn settle(
        &self,
        answer: &mut Answer,
        judged: Result<Passed, Refusal>,
        attempt: Attempt<'_>,
    ) -> Result<Passed, Error> {
        let debug = answer.header(DEBUG).unwrap_or_default().to_owned();
        self.settle_told(answer, judged, &debug, attempt)
    }

    /// As [`settle`](Self::settle), where `x-brd-debug` may have come within the answer.
    pub(crate) fn settle_told(
        &self,
        answer: &mut Answer,
        judged: Result<Passed, Refusal>,
        debug: &str,
        attempt: Attempt<'_>,
    ) -> Result<Passed, Error> {
        let under_way = answer.under_way.take();
        // Until the end of this: a refusal is counted first.
        let _admission = answer.admission.take();
        let reply = &answer.reply;
        let bytes = |field| {
            debug_field(debug, field)
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(0)
        };
        self.meter
            .transferred(bytes("bytes_up"), bytes("bytes_down"));
        let request_id = request_id(reply, debug).filter(|id| self.hide(id, None) == *id);
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
                let refusal = refusal.in_zone_that_bills(self.bills_failures);
                if let Some(under_way) = under_way {
                    under_way.settle(refusal.counts_as_billed(), true);
                }
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
        // The vendor counts its answers with this status, whatever their code. The target's own are none
        // of them.
        let is_counted =
            is_throttled || (refusal.status() == 429 && refusal.class() != Class::Target);
        let mut wait = asked;
        if is_counted {
            let pause = self.budget.refused(asked, refusal.is_for_all());
            if is_throttled {
                wait = Some(pause);
            }
        }
        let about = self.hide(attempt.about, None);
        let error = self.without_echoes(refusal, attempt.hidden).into_error(
            &about,
            attempt.cx.attempt(),
            wait,
        );
        self.signed(error, attempt)
    }

    /// Takes out of a refusal what the vendor may have echoed.
    fn without_echoes(&self, refusal: Refusal, hidden: Option<&str>) -> Refusal {
        let is_echo = refusal
            .code()
            .is_some_and(|code| self.is_echo(code, hidden));
        let meaning = self.hide(refusal.meaning(), hidden);
        let told = refusal.told().map(|told| self.told(told, hidden));
        let refusal = refusal.with_meaning(meaning).with_told(told);
        if is_echo {
            refusal.without_code()
        } else {
            refusal
        }
    }

    /// Whether a code holds something secret, in the letters that codes have.
    fn is_echo(&self, code: &str, hidden: Option<&str>) -> bool {
        let is_documented = CodeEntry::find(code).is_some_and(|entry| entry.code == code);
        let hidden = self.hidden(hidden);
        let spelled = hidden.spelled(spelled_as_a_code);
        !is_documented && (hidden.are_in(code) || spelled.hide_cut_off(code) != code)
    }

    /// An answer that does not follow the protocol.
    pub(crate) fn malformed(&self, attempt: Attempt<'_>, problem: &str) -> Error {
        self.signed(Error::new(ErrorKind::Protocol, problem), attempt)
    }

    #[expect(clippy::unused_self, reason = "every error of a link is signed by it")]
    pub(crate) fn signed(&self, error: Error, attempt: Attempt<'_>) -> Error {
        error.or_of(NAME, attempt.operation)
    }

    /// Makes a text of the vendor fit to be shown: one line, not too long, without what it may have
    /// echoed.
    pub(crate) fn told(&self, text: &str, hidden: Option<&str>) -> String {
        let hidden = self.hidden(hidden);
        // Before the queries go, which would take the beginning of a secret; and after that, since one may
        // have been cut off; and only then the cut.
        let text = without_queries(&hidden.line(text));
        clean(&hidden.hide_cut_off(&text))
    }

    /// Takes out of a text of the vendor what it may have echoed.
    pub(crate) fn hide(&self, text: &str, hidden: Option<&str>) -> String {
        let hidden = self.hidden(hidden);
        hidden.hide_cut_off(&without_queries(&hidden.hide(text)))
    }

    /// Returns what no text may repeat: what is secret, and the parts of a query.
    fn hidden(&self, query: Option<&str>) -> Secrets {
        let secrets = self.api.secrets();
        let Some(query) = query else {
            return secrets.clone();
        };
        let raw = query.split(['&', '=']).chain([query]).map(str::to_owned);
        // A vendor repeats the values of a query apart, and as they were before they were encoded.
        let values = url::form_urlencoded::parse(query.as_bytes());
        secrets.and(raw.chain(values.map(|(_, value)| value.into_owned())))
    }
}

/// An answer, and what is held until it is settled.
pub(crate) struct Answer {
    reply: Reply,
    under_way: Option<UnderWay>,
    admission: Option<Admission>,
}

impl Answer {
    pub(crate) fn into_reply(self) -> Reply {
        self.reply
    }
}

impl Deref for Answer {
    type Target = Reply;

    fn deref(&self) -> &Reply {
        &self.reply
    }
}

/// Cuts the query off every address in a text.
pub(crate) fn without_queries(text: &str) -> String {
    text.split(char::is_whitespace)
        .map(|word| match word.split_once('?') {
            Some((address, _)) if address.contains("://") => address,
            _ => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("base_url", &self.api.base_url())
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// The header that says what was done and billed.
pub(crate) const DEBUG: &str = "x-brd-debug";

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
