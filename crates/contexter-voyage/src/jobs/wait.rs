//! Waiting for the end of a job.

use std::time::Duration;

use contexter_http::clean;
use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, Cx, DefaultClock, Timer as _, later};

use crate::jobs::service::signed;
use crate::jobs::{Job, Jobs};

/// No job is waited for longer, whatever the deadline: twice its window.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// How often a job is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polling {
    /// The first pause; each further one is half as long again. Default: 5 s.
    pub first: Duration,
    /// The longest pause. Default: 1 min.
    pub longest: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self::new(Duration::from_secs(5), Duration::from_mins(1))
    }
}

impl Polling {
    /// Pauses from `first` to `longest`; none is shorter than a millisecond.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        let first = first.max(Duration::from_millis(1));
        Self {
            first,
            longest: longest.max(first),
        }
    }
}

impl Jobs {
    /// Waits until a job has come to an end, whichever, and returns it; until the deadline of `cx`,
    /// or for a day. The job itself goes on after that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`], with the last status, when the time is over; and as
    /// [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the job.
    pub async fn wait(&self, cx: Cx, id: &str) -> Result<Job, Error> {
        let clock = DefaultClock;
        let end = cx
            .with_deadline(later(clock.now(), LONGEST_WAIT))
            .deadline()
            .unwrap_or_else(|| clock.now());
        let mut pause = self.polling.first;
        loop {
            let job = self.get(id).await?;
            if job.status.is_final() {
                return Ok(job);
            }
            let left = end.saturating_duration_since(clock.now());
            if left.is_zero() {
                return Err(signed(
                    Error::new(
                        ErrorKind::Timeout,
                        format!(
                            "the job {} is still {} and goes on",
                            clean(id),
                            clean(job.status.as_str())
                        ),
                    ),
                    "wait_for_job",
                ));
            }
            clock.sleep(pause.min(left)).await;
            pause = pause.saturating_add(pause / 2).min(self.polling.longest);
        }
    }
}
