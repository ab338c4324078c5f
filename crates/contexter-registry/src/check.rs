//! Work of an adapter that may hang or panic, kept from doing harm.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter, ServiceHealth};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How much of an adapter's error text is kept; Consul keeps as much of a check's output.
const MAX_MESSAGE_BYTES: usize = 4096;

tokio::task_local! {
    // Set while an adapter's check runs.
    static CHECKING: ();
}

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

/// Waits for one of `slots`, unless a check is asking.
///
/// A check that registers or checks another service waits for it, so both run in one slot: waiting
/// for a second one while holding the first could keep both from ever being free.
pub(crate) async fn slot(slots: &Semaphore) -> Option<SemaphorePermit<'_>> {
    if CHECKING.try_with(|()| ()).is_ok() {
        return None;
    }
    // The semaphore is never closed, so this is always a permit.
    slots.acquire().await.ok()
}

/// Checks `adapter`, and turns what cannot be a result into an unhealthy one.
pub(crate) async fn check(adapter: &Arc<dyn ServiceAdapter>, limit: Duration) -> ServiceHealth {
    let started = Instant::now();
    let adapter = Arc::clone(adapter);
    let work = CHECKING.scope((), async move { adapter.health_check().await });
    let outcome = guarded(limit, work).await;
    let elapsed = started.elapsed();
    let unhealthy = |message: String| {
        ServiceHealth::new(HealthStatus::Unhealthy, elapsed, Timestamp::now()).with_error(message)
    };
    match outcome {
        Ok(mut health) => {
            if !health.response_time_ms.is_finite() || health.response_time_ms < 0.0 {
                health.response_time_ms = elapsed.as_secs_f64() * 1e3;
            }
            health.error_message = health.error_message.as_deref().map(cleaned);
            health
        }
        Err(Stopped::TimedOut) => unhealthy(format!("the health check took longer than {limit:?}")),
        Err(Stopped::Panicked) => unhealthy("the health check panicked".to_owned()),
    }
}

/// Returns `message` on one line, without control over a terminal, and cut to what is kept.
fn cleaned(message: &str) -> String {
    let mut clean = String::new();
    for c in message.chars() {
        let whole = clean.len();
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
        if clean.len() > MAX_MESSAGE_BYTES {
            clean.truncate(whole);
            break;
        }
    }
    clean
}
