//! One call of the data set interface, and the records that it brings.

use std::future::Future;

use bytes::Bytes;
use contexter_http::{Reply, Request};
use contexter_model::{Error, ErrorKind};
use contexter_service::{Backoff, Cx};
use serde_json::Value;

use super::record::{Content, Records, UnreadableRecords, read_content};
use super::{inputs, judge_dataset};
use crate::judge::Passed;
use crate::link::{Attempt, Link, refused_here};

/// The data set interface of an account.
#[derive(Clone, Debug)]
pub(crate) struct Datasets {
    pub(super) link: Link,
    pub(super) max_snapshot: u64,
    pub(super) polling: Backoff,
}

impl Datasets {
    pub(crate) fn new(link: Link, max_snapshot: u64, polling: Backoff) -> Self {
        Self {
            link,
            max_snapshot,
            polling,
        }
    }

    /// Sends one request of the interface under the stack, and reads the answer with `read`.
    pub(super) async fn call<V, Fut>(
        &self,
        cx: Cx,
        operation: &'static str,
        about: &str,
        request: Request,
        read: impl Fn(Reply, Attempt<'static>) -> Fut + Clone + Send + Sync,
    ) -> Result<V, Error>
    where
        V: Send,
        Fut: Future<Output = Result<V, Error>> + Send,
    {
        let request = &request;
        self.link
            .run(cx, operation, move |cx| {
                let read = read.clone();
                async move {
                    let attempt = Attempt {
                        operation,
                        about,
                        hidden: None,
                        cx,
                    };
                    let mut reply = self.link.send(request.clone(), attempt).await?;
                    let judged = judge_dataset(reply.status(), reply.bytes())
                        .map(|()| Passed::of(reply.status(), None));
                    self.link
                        .settle(&mut reply, judged, attempt)
                        // Turned away before it was taken up, so that also a job may be asked for again.
                        .map_err(|error| match reply.status() {
                            429 => error.with_not_sent(),
                            _ => error,
                        })?;
                    let anonymous = Attempt {
                        operation,
                        about: "",
                        hidden: None,
                        cx,
                    };
                    read(reply.into_reply(), anonymous).await
                }
            })
            .await
    }

    pub(super) fn path(
        &self,
        method: fn(&contexter_http::Api, &str) -> Request,
        segments: &[&str],
    ) -> Request {
        segments
            .iter()
            .fold(method(&self.link.api, "datasets/v3"), |request, segment| {
                request.segment(segment)
            })
    }

    pub(super) fn inputs(inputs: &[Value], operation: &'static str) -> Result<(), Error> {
        if inputs.is_empty() {
            return Err(refused_here("a job needs at least one input", operation));
        }
        inputs
            .iter()
            .enumerate()
            .try_for_each(|(index, input)| inputs::check(input, index))
            .map_err(|problem| refused_here(problem, operation))
    }

    /// Reads a body with records, or with the one object that came in their place.
    pub(super) async fn content(
        &self,
        body: Bytes,
        attempt: Attempt<'_>,
    ) -> Result<Content, Error> {
        let limit = self.max_snapshot;
        // Records are many; reading them would hold up everything else on this thread.
        let read = tokio::task::spawn_blocking(move || read_content(&body, limit))
            .await
            .map_err(|failed| {
                self.link.signed(
                    Error::new(ErrorKind::Unexpected, "reading the records was broken off")
                        .with_source(failed),
                    attempt,
                )
            })?;
        read.map_err(|problem| {
            let kind = match problem {
                UnreadableRecords::TooLarge { .. } => ErrorKind::TooLarge,
                _ => ErrorKind::Protocol,
            };
            self.link
                .signed(Error::new(kind, problem.to_string()), attempt)
        })
    }

    /// Counts records that were delivered.
    pub(super) fn delivered(&self, records: Records) -> Records {
        let failed = records.failed().count();
        let good = records.records.len().saturating_sub(failed);
        self.link.meter.delivered(good as u64, failed as u64);
        records
    }
}
