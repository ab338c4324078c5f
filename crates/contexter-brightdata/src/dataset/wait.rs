//! Waiting for a job, and fetching all that it collected.

use std::future::Future;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, Cx, DefaultClock, Sample, Timer as _, later};

use super::{
    CountParts, Datasets, Download, FetchSnapshot, JobStatus, Part, Records, SnapshotId,
    SnapshotProgress,
};
use crate::passing::may_pass;

impl Datasets {
    /// Waits until a job has ended well or `cx` says that it is too late.
    pub(crate) async fn wait(&self, snapshot: &SnapshotId, cx: Cx) -> Result<(), Error> {
        const OPERATION: &str = "wait_for_snapshot";
        self.patiently(snapshot, OPERATION, cx, || async move {
            let progress = self
                .progress(SnapshotProgress::new(snapshot.clone()), cx)
                .await?;
            if progress.status == JobStatus::Ready {
                return Ok(Break(()));
            }
            let why = progress.error_message.as_deref();
            match self.ended(&progress.status, snapshot, why, OPERATION) {
                Some(ended) => Err(ended),
                None => Ok(Continue(None)),
            }
        })
        .await
    }

    /// Asks again and again until there is an answer or `cx` says that it is too late. A question that has
    /// to be asked again says how long the vendor asks to wait; trouble that may pass ends nothing.
    async fn patiently<V, Fut>(
        &self,
        snapshot: &SnapshotId,
        operation: &'static str,
        cx: Cx,
        ask: impl Fn() -> Fut,
    ) -> Result<V, Error>
    where
        Fut: Future<Output = Result<ControlFlow<V, Option<Duration>>, Error>>,
    {
        let mut delays = self.polling.delays();
        loop {
            let (asked, failed) = match ask().await {
                Ok(Break(answer)) => return Ok(answer),
                Ok(Continue(asked)) => (asked, None),
                Err(error) if may_pass(&error) => (error.retry_after(), Some(error)),
                Err(error) => return Err(error),
            };
            let pause = delays
                .next()
                .unwrap_or(LONGEST_POLL)
                .max(asked.unwrap_or_default());
            let next = later(DefaultClock.now(), pause);
            if cx.deadline().is_some_and(|deadline| next >= deadline) {
                let late = Error::new(
                    ErrorKind::Timeout,
                    format!("job {snapshot} is not ready in time; it can be fetched later"),
                )
                .with_service(crate::NAME)
                .with_operation(operation)
                .with_verdict(Sample::Neutral, false);
                return Err(match failed {
                    Some(failed) => late.with_source(failed),
                    None => late,
                });
            }
            DefaultClock.sleep_until(next).await;
        }
    }

    /// Returns the error of a job that has ended without records.
    pub(super) fn ended(
        &self,
        status: &JobStatus,
        snapshot: &SnapshotId,
        why: Option<&str>,
        operation: &'static str,
    ) -> Option<Error> {
        let (kind, message) = match status {
            JobStatus::Failed => {
                let why = self.link.told(why.unwrap_or("no reason given"), None);
                (
                    ErrorKind::Unavailable,
                    format!("job {snapshot} failed: {why}"),
                )
            }
            JobStatus::Cancelled => (
                ErrorKind::Cancelled,
                format!("job {snapshot} was called off"),
            ),
            _ => return None,
        };
        Some(
            Error::new(kind, message)
                .with_service(crate::NAME)
                .with_operation(operation)
                .with_verdict(Sample::Neutral, false),
        )
    }

    /// Waits for a job and fetches all its records, in parts of `batch_size` where that is given.
    pub(crate) async fn fetch_when_ready(
        &self,
        snapshot: &SnapshotId,
        batch_size: Option<u32>,
        cx: Cx,
    ) -> Result<Records, Error> {
        let cx = bounded(cx);
        self.wait(snapshot, cx).await?;
        let parts = match batch_size {
            None => vec![None],
            Some(batch_size) => {
                let count = self.count_when_ready(snapshot, batch_size, cx).await?;
                (1..=count)
                    .map(|number| Some(Part::new(number, batch_size)))
                    .collect()
            }
        };
        let mut all = Records::default();
        for part in parts {
            let mut request = FetchSnapshot::new(snapshot.clone()).compressed();
            request.part = part;
            let fetched = self.patiently(snapshot, "fetch_snapshot", cx, || async {
                match self.fetch(request.clone(), cx).await? {
                    Download::Records(records) => Ok(Break(records)),
                    Download::NotReady { retry_after, .. } => Ok(Continue(retry_after)),
                }
            });
            all.records.extend(fetched.await?.records);
        }
        Ok(all)
    }

    async fn count_when_ready(
        &self,
        snapshot: &SnapshotId,
        batch_size: u32,
        cx: Cx,
    ) -> Result<u32, Error> {
        self.patiently(snapshot, "count_parts", cx, || async move {
            let request = CountParts::new(snapshot.clone(), batch_size);
            match self.count(request, cx).await {
                Ok(count) => Ok(Break(count)),
                Err(error) if error.kind() == ErrorKind::NotReady => {
                    Ok(Continue(error.retry_after()))
                }
                Err(error) => Err(error),
            }
        })
        .await
    }
}

/// Gives a wait its end: the caller's, and [`LONGEST_WAIT`] from now at the latest.
fn bounded(cx: Cx) -> Cx {
    let longest = later(DefaultClock.now(), LONGEST_WAIT);
    cx.with_deadline(
        cx.deadline()
            .map_or(longest, |deadline| deadline.min(longest)),
    )
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: Duration = Duration::from_secs(10);

/// A wait ends after so long at the latest, which no job takes.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
