//! How the service was the last time that anybody heard of it.

use std::time::{Duration, Instant};

use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, DefaultClock, Sample, Verdict as _};
use parking_lot::Mutex;

/// For how long a first failure stands for the health of the service before it is asked again: most
/// trouble is over in a moment. Asking a service that is down costs nothing of its allowance.
const FIRST_RECHECK: Duration = Duration::from_secs(1);

/// For how long a failure stands at most; each in a row stands twice as long as the one before.
const RECHECK: Duration = Duration::from_secs(30);

/// What real calls and checks have told about the service.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval: Duration,
    last: Mutex<Option<Beat>>,
}

#[derive(Clone, Debug)]
struct Beat {
    at: Instant,
    holds_for: Duration,
    state: Result<(), Error>,
    /// For how long the next failure in a row stands.
    recheck: Duration,
}

impl Pulse {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: Mutex::new(None),
        }
    }

    /// Takes in how a call ended. An answer that refuses the call tells that the service is well.
    pub(crate) fn heard(&self, outcome: Result<(), &Error>) {
        let state = match outcome {
            Err(error) if is_trouble(error) => Err(error.clone()),
            _ => Ok(()),
        };
        let mut last = self.last.lock();
        let recheck = last.as_ref().map_or(FIRST_RECHECK, |beat| beat.recheck);
        let holds_for = match &state {
            Ok(()) => self.interval,
            // Until the allowance is renewed, as far as that is known.
            Err(error) if error.kind() == ErrorKind::QuotaExhausted => error
                .retry_after()
                .map_or(self.interval, |wait| wait.min(self.interval)),
            Err(error) => error
                .retry_after()
                .unwrap_or(recheck)
                .min(RECHECK)
                .min(self.interval),
        };
        let recheck = match &state {
            Ok(()) => FIRST_RECHECK,
            Err(_) => recheck.saturating_mul(2).min(RECHECK),
        };
        *last = Some(Beat {
            at: DefaultClock.now(),
            holds_for,
            state,
            recheck,
        });
    }

    /// Returns what still stands for the health of the service.
    pub(crate) fn last(&self) -> Option<Result<(), Error>> {
        let last = self.last.lock();
        let beat = last.as_ref()?;
        let age = DefaultClock.now().saturating_duration_since(beat.at);
        (age < beat.holds_for).then(|| beat.state.clone())
    }
}

fn is_trouble(error: &Error) -> bool {
    error.sample() == Sample::Failure
        || matches!(
            error.kind(),
            ErrorKind::Unauthorized | ErrorKind::QuotaExhausted | ErrorKind::RateLimited
        )
}

#[cfg(test)]
mod tests {
    use contexter_service::Timer as _;

    use super::*;

    fn state_after(error: &Error) -> Option<ErrorKind> {
        let pulse = Pulse::new(Duration::from_hours(1));
        pulse.heard(Err(error));
        pulse.last().unwrap().err().map(|error| error.kind())
    }

    #[test]
    fn an_answer_that_refuses_a_call_is_a_sign_of_life() {
        for (kind, state) in [
            (ErrorKind::NotFound, None),
            (ErrorKind::Invalid, None),
            (ErrorKind::NotReady, None),
            (ErrorKind::Unavailable, Some(ErrorKind::Unavailable)),
            (ErrorKind::Protocol, Some(ErrorKind::Protocol)),
            (ErrorKind::Unauthorized, Some(ErrorKind::Unauthorized)),
            (ErrorKind::QuotaExhausted, Some(ErrorKind::QuotaExhausted)),
            (ErrorKind::RateLimited, Some(ErrorKind::RateLimited)),
        ] {
            assert_eq!(state_after(&Error::new(kind, "x")), state, "{kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stands_for_longer_the_more_came_before_it() {
        let pulse = Pulse::new(Duration::from_hours(1));
        let down = Error::new(ErrorKind::Unavailable, "x");
        let mut stood = Vec::new();
        for _ in 0..7 {
            pulse.heard(Err(&down));
            let mut seconds = 0;
            while pulse.last().is_some() {
                DefaultClock.sleep(Duration::from_secs(1)).await;
                seconds += 1;
            }
            stood.push(seconds);
        }
        assert_eq!(stood, [1, 2, 4, 8, 16, 30, 30]);
        pulse.heard(Ok(()));
        pulse.heard(Err(&down));
        DefaultClock.sleep(Duration::from_secs(1)).await;
        assert!(pulse.last().is_none());
        // What the service asks for counts, up to the longest.
        for (asked, stands) in [(20, 20), (100, 30)] {
            let asked = Some(Duration::from_secs(asked));
            pulse.heard(Err(&down.clone().with_retry_after(asked)));
            DefaultClock.sleep(Duration::from_secs(stands - 1)).await;
            assert!(pulse.last().is_some());
            DefaultClock.sleep(Duration::from_secs(1)).await;
            assert!(pulse.last().is_none());
        }
    }

    #[test]
    fn nothing_stands_for_the_service_before_anything_was_heard_or_when_it_is_old() {
        assert!(Pulse::new(Duration::from_hours(1)).last().is_none());
        let forgetful = Pulse::new(Duration::ZERO);
        forgetful.heard(Ok(()));
        assert!(forgetful.last().is_none());
    }
}
