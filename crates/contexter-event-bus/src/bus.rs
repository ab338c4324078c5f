//! The bus: who wants which events, and publishing to them.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::EventPayload;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::config::{BusConfig, SubscriptionConfig};
use crate::error::SubscribeError;
use crate::handler::{Delivery, Handler, HandlerError};
use crate::queue::{Queue, State};
use crate::receipt::DrainReport;
use crate::stats::{Ledger, Stats};
use crate::subscription::Subscription;
use crate::worker::work;

/// An event bus inside one process. Clones are cheap and share everything.
///
/// See the [crate documentation](crate) for what it promises.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) routes: RwLock<Routes>,
}

#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) open: bool,
    next_id: u64,
    /// Replaced as a whole, so that publishers only hold the lock to clone it.
    pub(crate) queues: Arc<[Arc<Queue>]>,
}

impl Inner {
    pub(crate) fn remove(&self, id: u64) {
        let mut routes = self.routes.write();
        let others = routes.queues.iter().filter(|queue| queue.id != id);
        routes.queues = others.cloned().collect();
    }
}

impl Drop for Inner {
    /// Without a bus nobody can publish: what waits is still handled, then the tasks end.
    fn drop(&mut self) {
        for queue in self.routes.get_mut().queues.iter() {
            queue.finish();
        }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(&BusConfig::default())
    }
}

impl Bus {
    /// Creates a bus without subscriptions.
    #[must_use]
    pub fn new(config: &BusConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                ledger: Arc::new(Ledger::new(config)),
                routes: RwLock::new(Routes {
                    open: true,
                    next_id: 0,
                    queues: Arc::default(),
                }),
            }),
        }
    }

    /// Gives every event whose type matches `pattern` to `handler`, from now on.
    ///
    /// The handler runs on the current tokio runtime as long as the returned [`Subscription`] is
    /// kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern or a setting cannot be used, after a drain, and outside a
    /// tokio runtime.
    pub fn subscribe<H: Handler>(
        &self,
        pattern: &str,
        config: SubscriptionConfig,
        handler: H,
    ) -> Result<Subscription, SubscribeError> {
        let pattern = pattern.parse()?;
        config.validate()?;
        let backoff = config.backoff()?;
        let runtime = Handle::try_current().map_err(|_none| SubscribeError::NoRuntime)?;
        let mut routes = self.inner.routes.write();
        if !routes.open {
            return Err(SubscribeError::Closed);
        }
        let id = routes.next_id;
        routes.next_id += 1;
        let queue = Arc::new(Queue {
            id,
            name: config
                .name
                .unwrap_or_else(|| ToString::to_string(&pattern))
                .into(),
            pattern,
            capacity: config.capacity,
            overflow: config.overflow,
            max_attempts: config.max_attempts,
            backoff,
            ledger: Arc::clone(&self.inner.ledger),
            state: Mutex::new(State::default()),
            work: Notify::new(),
            room: Notify::new(),
        });
        let handler = Arc::new(handler);
        let worker = |_| {
            let task = work(
                Arc::clone(&queue),
                Arc::clone(&handler),
                config.handler_timeout,
            );
            runtime.spawn(task).abort_handle()
        };
        queue.adopt((0..config.concurrency).map(worker).collect());
        let with = routes.queues.iter().chain([&queue]);
        routes.queues = with.cloned().collect();
        drop(routes);
        Ok(Subscription {
            queue,
            bus: Arc::downgrade(&self.inner),
        })
    }

    /// Gives every event of the payload type `P` to `handler`, decoded.
    ///
    /// An event whose data is no `P` becomes a dead letter without reaching the handler.
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](Self::subscribe).
    pub fn subscribe_to<P, F, Fut>(
        &self,
        config: SubscriptionConfig,
        handler: F,
    ) -> Result<Subscription, SubscribeError>
    where
        P: EventPayload,
        F: Fn(P, Delivery) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        self.subscribe(P::TYPE, config, move |delivery: Delivery| {
            let handling = delivery
                .event()
                .payload::<P>()
                .map(|payload| handler(payload, delivery));
            async move { handling?.await }
        })
    }

    /// Waits until nothing waits and nothing is being handled, and returns whether that happened.
    ///
    /// Events that handlers publish count too, so a flow of several steps is through when this
    /// returns `true`. Inside a handler it cannot be, because that handler is still running.
    pub async fn idle(&self, within: Duration) -> bool {
        timeout(within.min(MAX_WITHIN), self.inner.ledger.idle())
            .await
            .is_ok()
    }

    /// Stops taking events, lets what was accepted come to an end, and reports what did not.
    ///
    /// Publishing fails from now on, also from handlers. When `within` is over, running handlers
    /// are cancelled at their next `.await`. All subscriptions have ended then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the bus takes no more events, and what was accepted is still
    /// handled. Draining again picks up from there.
    pub async fn drain(&self, within: Duration) -> DrainReport {
        let ledger = &self.inner.ledger;
        let before = ledger.settled();
        self.inner.routes.write().open = false;
        let finished = self.idle(within).await;
        let queues = std::mem::take(&mut self.inner.routes.write().queues);
        let abandoned: Vec<_> = queues.iter().flat_map(|queue| queue.close()).collect();
        let settled = ledger.settled() - before;
        tracing::info!(
            finished,
            settled,
            abandoned = abandoned.len(),
            "event bus drained"
        );
        DrainReport { settled, abandoned }
    }

    /// Returns what the bus has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let subscribers = self.inner.routes.read().queues.len();
        self.inner.ledger.stats(subscribers)
    }
}

/// The longest wait; beyond it the clock could overflow, and nobody waits that long.
pub(crate) const MAX_WITHIN: Duration = Duration::from_hours(24 * 365);
