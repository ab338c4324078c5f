//! Waiting for a job, and fetching all that it collected.

use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, Cx, DefaultClock, Sample, Timer as _, later};

use super::{
    CountParts, Datasets, Download, FetchSnapshot, JobStatus, Part, Records, SnapshotId,
    SnapshotProgress,
};

impl Datasets {
    /// Waits until a job has ended well or `cx` says that it is too late.
    pub(crate) async fn wait(&self, snapshot: &SnapshotId, cx: Cx) -> Result<(), Error> {
        const OPERATION: &str = "wait_for_snapshot";
        let cx = bounded(cx);
        let mut delays = self.polling.delays();
        loop {
            let progress = self
                .progress(SnapshotProgress::new(snapshot.clone()), cx)
                .await?;
            if progress.status == JobStatus::Ready {
                return Ok(());
            }
            let why = progress.error_message.as_deref();
            if let Some(ended) = self.ended(&progress.status, snapshot, why, OPERATION) {
                return Err(ended);
            }
            self.pause(&mut delays, None, cx, snapshot, OPERATION)
                .await?;
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

    /// Waits before the next question; an error if there is no time for it.
    async fn pause(
        &self,
        delays: &mut impl Iterator<Item = Duration>,
        asked: Option<Duration>,
        cx: Cx,
        snapshot: &SnapshotId,
        operation: &'static str,
    ) -> Result<(), Error> {
        let pause = delays
            .next()
            .unwrap_or(LONGEST_POLL)
            .max(asked.unwrap_or_default());
        let next = later(DefaultClock.now(), pause);
        if cx.deadline().is_some_and(|deadline| next >= deadline) {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("job {snapshot} is not ready in time; it can be fetched later"),
            )
            .with_service(crate::NAME)
            .with_operation(operation)
            .with_verdict(Sample::Neutral, false));
        }
        DefaultClock.sleep_until(next).await;
        Ok(())
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
            let mut delays = self.polling.delays();
            loop {
                match self.fetch(request.clone(), cx).await? {
                    Download::Records(records) => {
                        all.records.extend(records.records);
                        break;
                    }
                    Download::NotReady { retry_after, .. } => {
                        self.pause(&mut delays, retry_after, cx, snapshot, "fetch_snapshot")
                            .await?;
                    }
                }
            }
        }
        Ok(all)
    }

    async fn count_when_ready(
        &self,
        snapshot: &SnapshotId,
        batch_size: u32,
        cx: Cx,
    ) -> Result<u32, Error> {
        let mut delays = self.polling.delays();
        loop {
            let count = self
                .count(CountParts::new(snapshot.clone(), batch_size), cx)
                .await;
            match count {
                Err(error) if error.kind() == ErrorKind::NotReady => {
                    self.pause(
                        &mut delays,
                        error.retry_after(),
                        cx,
                        snapshot,
                        "count_parts",
                    )
                    .await?;
                }
                count => return count,
            }
        }
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
