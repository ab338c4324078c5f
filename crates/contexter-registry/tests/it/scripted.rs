//! An adapter that does as it is told and counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{AdapterError, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

/// What a lifecycle method does.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    Works,
    Fails(&'static str),
    Takes(Duration),
    Panics,
}

/// How many checks run at once, and the most that ever did.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    pub(crate) fn reset(&self) {
        self.most.store(0, Ordering::SeqCst);
    }
}

pub(crate) struct Scripted {
    name: &'static str,
    capabilities: Capabilities,
    on_initialize: Does,
    on_shutdown: Does,
    on_check: Mutex<Does>,
    pub(crate) initialized: AtomicUsize,
    checked_at: Mutex<Vec<Instant>>,
    gauge: Arc<Gauge>,
    pub(crate) shut_down: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            capabilities: Capabilities::new(),
            on_initialize: Does::Works,
            on_shutdown: Does::Works,
            on_check: Mutex::new(Does::Works),
            initialized: AtomicUsize::new(0),
            checked_at: Mutex::default(),
            gauge: Arc::default(),
            shut_down: AtomicUsize::new(0),
        }
    }

    pub(crate) fn on_initialize(mut self, does: Does) -> Self {
        self.on_initialize = does;
        self
    }

    pub(crate) fn on_shutdown(mut self, does: Does) -> Self {
        self.on_shutdown = does;
        self
    }

    pub(crate) fn on_check(self, does: Does) -> Self {
        self.set_check(does);
        self
    }

    pub(crate) fn gauged(mut self, gauge: &Arc<Gauge>) -> Self {
        self.gauge = Arc::clone(gauge);
        self
    }

    pub(crate) fn set_check(&self, does: Does) {
        *self.on_check.lock() = does;
    }

    pub(crate) fn checks(&self) -> usize {
        self.checked_at.lock().len()
    }

    /// Returns how long after each check the next one began.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        let checks = self.checked_at.lock();
        let next = checks.iter().skip(1);
        checks.iter().zip(next).map(|(a, b)| *b - *a).collect()
    }
}

async fn act(does: Does) -> Result<(), AdapterError> {
    match does {
        Does::Works => Ok(()),
        Does::Fails(why) => Err(why.into()),
        Does::Takes(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Does::Panics => panic!("scripted"),
    }
}

#[async_trait]
impl ServiceAdapter for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn initialize(&self) -> Result<(), AdapterError> {
        self.initialized.fetch_add(1, Ordering::SeqCst);
        act(self.on_initialize.clone()).await
    }

    async fn health_check(&self) -> ServiceHealth {
        self.checked_at.lock().push(Instant::now());
        self.gauge.enter();
        let does = self.on_check.lock().clone();
        let started = Instant::now();
        let result = act(does).await;
        self.gauge.leave();
        let health = |status| ServiceHealth::new(status, started.elapsed(), Timestamp::now());
        match result {
            Ok(()) => health(HealthStatus::Healthy),
            Err(error) => health(HealthStatus::Unhealthy).with_error(error.to_string()),
        }
    }

    async fn shutdown(&self) {
        self.shut_down.fetch_add(1, Ordering::SeqCst);
        let _ = act(self.on_shutdown.clone()).await;
    }
}
