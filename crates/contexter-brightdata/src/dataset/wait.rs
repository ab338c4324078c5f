//! Waiting for a job, and fetching all that it collected.

use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, Cx, DefaultClock, Sample, Service, Timer as _, later};

use super::{
    CountParts, Datasets, Download, FetchSnapshot, JobStatus, Part, Records, SnapshotId,
    SnapshotProgress,
};

impl Datasets {
    /// Waits until a job has ended well or `cx` says that it is too late.
    pub(crate) async fn wait(&self, snapshot: &SnapshotId, cx: Cx) -> Result<(), Error> {
        const OPERATION: &str = "wait_for_snapshot";
        let mut delays = self.polling.delays();
        let failed = |kind, message: String| {
            Error::new(kind, message)
                .with_service(crate::NAME)
                .with_operation(OPERATION)
                .with_verdict(Sample::Neutral, false)
        };
        loop {
            let progress = Service::call(self, SnapshotProgress::new(snapshot.clone())).await?;
            match progress.status {
                JobStatus::Ready => return Ok(()),
                JobStatus::Failed => {
                    let why = progress
                        .error_message
                        .unwrap_or_else(|| "no reason given".to_owned());
                    return Err(failed(
                        ErrorKind::Unavailable,
                        format!("job {snapshot} failed: {}", self.link.hide(&why, None)),
                    ));
                }
                JobStatus::Cancelled => {
                    return Err(failed(
                        ErrorKind::Cancelled,
                        format!("job {snapshot} was called off"),
                    ));
                }
                _ => {}
            }
            self.pause(&mut delays, None, cx, snapshot, OPERATION)
                .await?;
        }
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
        let now = DefaultClock.now();
        let deadline = cx.deadline().unwrap_or_else(|| later(now, LONGEST_WAIT));
        let next = later(now, pause);
        if next >= deadline {
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
        self.wait(snapshot, cx).await?;
        let parts = match batch_size {
            None => vec![None],
            Some(batch_size) => {
                let count =
                    Service::call(self, CountParts::new(snapshot.clone(), batch_size)).await?;
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
                match Service::call(self, request.clone()).await? {
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
}

/// Between two questions when the delays have ended, which they never do.
const LONGEST_POLL: Duration = Duration::from_secs(10);

/// Who names no deadline waits for so long in all between two states, which no job takes.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
