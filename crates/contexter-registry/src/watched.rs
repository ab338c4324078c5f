//! One registered service and its last known health.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contexter_adapter::{HealthStatus, ServiceAdapter, ServiceHealth};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::Settings;
use crate::check::{check, slot};

/// The mean pause between the first check that finds a service unwell and the next one.
const SOON: Duration = Duration::from_secs(1);

/// A registered service at one moment.
#[derive(Clone)]
#[non_exhaustive]
pub struct Registered {
    /// The name it was registered under.
    pub name: String,
    /// The adapter itself.
    pub adapter: Arc<dyn ServiceAdapter>,
    /// The result of its last health check.
    pub health: ServiceHealth,
    /// When it got the status it has now.
    pub since: Timestamp,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("name", &self.name)
            .field("health", &self.health)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// A service whose health is known.
pub(crate) struct Watched {
    name: String,
    adapter: Arc<dyn ServiceAdapter>,
    tickets: AtomicU64,
    record: Mutex<Record>,
    // Wakes the check loop, which may be within a long pause when a check by hand ends badly.
    unwell: Notify,
}

struct Record {
    health: ServiceHealth,
    since: Timestamp,
    // Of the check that gave `health`: a slow check must not overwrite a later one.
    ticket: u64,
}

impl Watched {
    /// Checks `adapter` for the first time.
    pub(crate) async fn first(
        name: String,
        adapter: Arc<dyn ServiceAdapter>,
        limit: Duration,
    ) -> Self {
        let health = check(&adapter, limit).await;
        let since = health.timestamp;
        log_status(&name, None, &health);
        Self {
            name,
            adapter,
            tickets: AtomicU64::new(0),
            record: Mutex::new(Record {
                health,
                since,
                ticket: 0,
            }),
            unwell: Notify::new(),
        }
    }

    /// Checks the service now and remembers the result, unless a later check already has.
    pub(crate) async fn check(&self, limit: Duration) -> ServiceHealth {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed) + 1;
        let health = check(&self.adapter, limit).await;
        let mut record = self.record.lock();
        if ticket > record.ticket {
            if record.health.is_healthy() && !health.is_healthy() {
                self.unwell.notify_one();
            }
            let before = record.health.status;
            if before != health.status {
                record.since = health.timestamp;
                log_status(&self.name, Some(before), &health);
            }
            record.ticket = ticket;
            record.health = health.clone();
        }
        health
    }

    pub(crate) fn adapter(&self) -> &Arc<dyn ServiceAdapter> {
        &self.adapter
    }

    pub(crate) fn health(&self) -> ServiceHealth {
        self.record.lock().health.clone()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.record.lock().health.is_healthy()
    }

    pub(crate) fn snapshot(&self) -> Registered {
        let record = self.record.lock();
        Registered {
            name: self.name.clone(),
            adapter: Arc::clone(&self.adapter),
            health: record.health.clone(),
            since: record.since,
        }
    }
}

fn log_status(service: &str, before: Option<HealthStatus>, health: &ServiceHealth) {
    let from = before.map_or("unknown", HealthStatus::as_str);
    let to = health.status.as_str();
    if health.is_healthy() {
        tracing::info!(service, from, to, "service health changed");
    } else {
        let error = health.error_message.as_deref();
        tracing::warn!(service, from, to, error, "service health changed");
    }
}

/// A watched service and the loop that checks it; dropping this ends the loop.
pub(crate) struct Entry {
    pub(crate) watched: Arc<Watched>,
    checks: AbortHandle,
}

impl Entry {
    pub(crate) fn new(watched: Watched, settings: &Arc<Settings>, slots: &Arc<Semaphore>) -> Self {
        let watched = Arc::new(watched);
        let checks = tokio::spawn(check_forever(
            Arc::clone(&watched),
            Arc::clone(settings),
            Arc::clone(slots),
        ))
        .abort_handle();
        Self { watched, checks }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.checks.abort();
    }
}

async fn check_forever(watched: Arc<Watched>, settings: Arc<Settings>, slots: Arc<Semaphore>) {
    let mut again = SOON;
    loop {
        let is_healthy = watched.is_healthy();
        let mean = if is_healthy {
            settings.interval
        } else {
            again.min(settings.interval)
        };
        let pause = jittered(mean, settings.jitter);
        if timeout(pause, watched.unwell.notified()).await.is_ok() {
            // It has just become unwell; the pause may have been drawn while it was healthy.
            again = SOON;
            continue;
        }
        if !is_healthy {
            again = again.saturating_mul(2);
        }
        let _slot = slot(&slots).await;
        watched.check(settings.check_timeout).await;
    }
}

/// Draws the pause before the next check, so that services registered together drift apart.
fn jittered(mean: Duration, jitter: f64) -> Duration {
    let factor = 1.0 + jitter * rand::random_range(-1.0..=1.0);
    // A jitter of 1 may draw a factor of 0; a tenth of the mean keeps a loop from spinning.
    let longest = Duration::from_hours(24 * 365);
    mean.min(longest).mul_f64(factor.max(0.1))
}
