//! Waiting for the end of a job.

use std::time::{Duration, Instant};

use contexter_model::{Error, ErrorKind};
use contexter_service::{Again, Clock as _, Cx, DefaultClock, Timer as _, Verdict as _, later};

use crate::jobs::service::signed;
use crate::jobs::{Job, Jobs};

/// No job is waited for longer, whatever the deadline: twice its window.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A job takes hours; that the vendor could not be asked for so long does not end the wait.
const LONGEST_OUTAGE: Duration = Duration::from_mins(10);

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
    /// That the vendor cannot be asked does not end the wait before 10 minutes of it.
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
        let jobs = self.within(cx.with_deadline(later(clock.now(), LONGEST_WAIT)));
        let left = || {
            let end = jobs.cx.deadline().unwrap_or_else(|| clock.now());
            end.saturating_duration_since(clock.now())
        };
        let mut pause = self.polling.first;
        let mut last: Option<Job> = None;
        let mut unheard: Option<Instant> = None;
        loop {
            match jobs.get(id).await {
                Ok(job) if job.status.is_final() => return Ok(job),
                Ok(job) => (last, unheard) = (Some(job), None),
                // The request that the deadline ended says nothing about the job.
                Err(_) if left().is_zero() => {}
                Err(error) if !may_pass(&error) => return Err(error),
                Err(error) => {
                    let since = *unheard.get_or_insert_with(|| clock.now());
                    if clock.now().saturating_duration_since(since) >= LONGEST_OUTAGE {
                        return Err(error);
                    }
                }
            }
            if left().is_zero() {
                let secrets = self.client.secrets();
                let how_far = last.map_or_else(
                    || "did not say how far it is".to_owned(),
                    |job| format!("is still {}", secrets.told(job.status.as_str())),
                );
                let message = format!("the job {} {how_far} and goes on", secrets.told(id));
                let over = Error::new(ErrorKind::Timeout, message);
                return Err(signed(over, "wait_for_job"));
            }
            clock.sleep(pause.min(left())).await;
            pause = pause.saturating_add(pause / 2).min(self.polling.longest);
        }
    }
}

/// Whether the next request may be answered.
fn may_pass(error: &Error) -> bool {
    error.is_rejection() || matches!(error.again(), Again::Yes { .. })
}
