//! Work of an adapter that may hang or panic, kept from doing harm.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter, ServiceHealth};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How much of an adapter's error text is kept; Consul keeps as much of a check's output.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Why guarded work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    TimedOut,
    Panicked,
}

/// Runs `work` on a task of its own for at most `limit`; dropping the future ends the task.
///
/// The task of its own keeps a panic away from the caller, and the clock running for everyone else
/// on a multi-threaded runtime when `work` blocks its thread.
pub(crate) async fn guarded<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Stopped> {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match timeout(limit, tasks.join_next()).await {
        Ok(Some(Ok(value))) => Ok(value),
        // Nobody but the drop of `tasks` cancels the task, so a join error is a panic.
        Ok(Some(Err(_)) | None) => Err(Stopped::Panicked),
        Err(_) => Err(Stopped::TimedOut),
    }
}

/// Checks `adapter`, and turns what cannot be a result into an unhealthy one.
pub(crate) async fn check(adapter: &Arc<dyn ServiceAdapter>, limit: Duration) -> ServiceHealth {
    let started = Instant::now();
    let adapter = Arc::clone(adapter);
    let outcome = guarded(limit, async move { adapter.health_check().await }).await;
    let elapsed = started.elapsed();
    let unhealthy = |message: String| {
        ServiceHealth::new(HealthStatus::Unhealthy, elapsed, Timestamp::now()).with_error(message)
    };
    match outcome {
        Ok(mut health) => {
            if !health.response_time_ms.is_finite() || health.response_time_ms < 0.0 {
                health.response_time_ms = elapsed.as_secs_f64() * 1e3;
            }
            if let Some(message) = &mut health.error_message {
                message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
            }
            health
        }
        Err(Stopped::TimedOut) => unhealthy(format!("the health check took longer than {limit:?}")),
        Err(Stopped::Panicked) => unhealthy("the health check panicked".to_owned()),
    }
}
