//! How the service was when it was last asked.

use std::time::{Duration, Instant};

use contexter_adapter::ServiceHealth;
use contexter_service::{Clock as _, DefaultClock};
use parking_lot::Mutex;

/// For so long an answer stands for the health of the service, so that who asks often does not ask the
/// vendor as often: its refusals for too many requests count whatever was asked.
pub const HEALTH_KEPT: Duration = Duration::from_secs(30);

/// For so long a failure stands at first; each one that follows it stands twice as long as the one before,
/// up to [`HEALTH_KEPT`]. What is well again shows soon, what stays away is asked seldom.
const FIRST_FAILURE_KEPT: Duration = Duration::from_secs(1);

/// The last answer, and for how long it stands.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<(ServiceHealth, Instant)>,
    /// For how long the last failure stood.
    stood: Option<Duration>,
}

impl Pulse {
    /// Returns the last answer while it stands.
    pub(super) fn kept(&self) -> Option<ServiceHealth> {
        let now = DefaultClock.now();
        let state = self.0.lock();
        let (health, until) = state.last.as_ref()?;
        (now < *until).then(|| health.clone())
    }

    /// Keeps an answer of the service.
    pub(super) fn answered(&self, health: &ServiceHealth) {
        self.keep(health, HEALTH_KEPT, None);
    }

    /// Keeps a failure; it stands for as long as the service asks to wait if that is longer.
    pub(super) fn failed(&self, health: &ServiceHealth, asked: Option<Duration>) {
        let stood = self.0.lock().stood;
        let stands = stood.map_or(FIRST_FAILURE_KEPT, |stood| stood.saturating_mul(2));
        let stands = stands.max(asked.unwrap_or_default()).min(HEALTH_KEPT);
        self.keep(health, stands, Some(stands));
    }

    fn keep(&self, health: &ServiceHealth, stands: Duration, stood: Option<Duration>) {
        let until = contexter_service::later(DefaultClock.now(), stands);
        *self.0.lock() = State {
            last: Some((health.clone(), until)),
            stood,
        };
    }
}

#[cfg(test)]
mod tests {
    use contexter_adapter::HealthStatus;
    use contexter_service::Timer as _;
    use jiff::Timestamp;

    use super::*;

    fn health(status: HealthStatus) -> ServiceHealth {
        ServiceHealth::new(status, Duration::ZERO, Timestamp::UNIX_EPOCH)
    }

    /// How long what is kept now stands.
    async fn stands(pulse: &Pulse) -> Duration {
        let start = DefaultClock.now();
        while pulse.kept().is_some() {
            DefaultClock.sleep(Duration::from_millis(500)).await;
        }
        DefaultClock.now().saturating_duration_since(start)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_stands_for_half_a_minute_and_failures_for_longer_and_longer() {
        let pulse = Pulse::default();
        assert!(pulse.kept().is_none());
        let bad = health(HealthStatus::Unhealthy);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            pulse.failed(&bad, None);
            assert_eq!(stands(&pulse).await, Duration::from_secs(seconds));
        }
        pulse.answered(&health(HealthStatus::Healthy));
        assert_eq!(stands(&pulse).await, HEALTH_KEPT);
        // From the beginning; and as long as the service asks, within reason.
        pulse.failed(&bad, None);
        assert_eq!(stands(&pulse).await, Duration::from_secs(1));
        pulse.failed(&bad, Some(Duration::from_secs(7)));
        assert_eq!(stands(&pulse).await, Duration::from_secs(7));
        pulse.failed(&bad, Some(Duration::from_hours(1)));
        assert_eq!(stands(&pulse).await, HEALTH_KEPT);
    }
}
