//! Subscribing: from a pattern and a handler to a queue and its workers.

use std::future::Future;
use std::sync::Arc;

use contexter_protocol::EventPayload;
use tokio::runtime::Handle;

use crate::bus::Bus;
use crate::config::SubscriptionConfig;
use crate::dedupe::Dedupe;
use crate::ending::{Place, Remains};
use crate::error::SubscribeError;
use crate::handler::{Delivery, Handler, HandlerError};
use crate::middleware::decoded;
use crate::observe::Observing;
use crate::pattern::Pattern;
use crate::queue::Queue;
use crate::remote::{Remote, pump, settle};
use crate::subscription::Subscription;
use crate::sync::{Mutex, Signal};
use crate::worker::work;

impl Bus {
    /// Gives every event whose type matches `pattern` to `handler`, from now on.
    ///
    /// The handler runs on the current tokio runtime as long as the returned [`Subscription`] is
    /// kept. On a broker the subscription is made in the background, for as long as that takes:
    /// [`Subscription::ready`] waits for it.
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
        let pattern: Pattern = pattern.parse()?;
        config.validate()?;
        let runtime = Handle::try_current().map_err(|_none| SubscribeError::NoRuntime)?;
        let mut routes = self.inner.routes.write();
        if !routes.open || routes.draining {
            return Err(SubscribeError::Closed);
        }
        let known = config
            .group
            .as_deref()
            .filter(|_| self.transport().is_none())
            .and_then(|group| routes.group(group, &pattern))
            .map(Arc::clone);
        let queue = if let Some(queue) = known {
            queue
        } else {
            let queue = Arc::new(self.queue(routes.next_id(), pattern, &config)?);
            routes.add(Arc::clone(&queue));
            if queue.remote.is_none()
                && let Some(stored) = self.inner.ledger.store.from(config.start)
            {
                queue.catch_up(&stored);
            }
            queue
        };
        let observer = config.observer;
        let observing = |observer| Observing::new(observer, config.handler_timeout, &queue.untold);
        let observer = observer.map(observing);
        let (observing, telling) = observer.unzip();
        let workers = queue.enlist(config.concurrency, observing);
        if let Some(task) = telling {
            // It ends at once if the observer of another member is told.
            runtime.spawn(task);
        }
        // The queue of a broker is always a new one.
        if let Some(remote) = &queue.remote {
            runtime.spawn(settle(Arc::clone(remote)));
            runtime.spawn(pump(Arc::clone(remote), Arc::clone(&queue)));
        }
        let handler = Arc::new(handler);
        for &slot in &workers {
            let (queue, handler) = (Arc::clone(&queue), Arc::clone(&handler));
            let place = Place::new(&queue, slot);
            let task = work(Arc::clone(&queue), handler, place, config.handler_timeout);
            queue.adopt(slot, runtime.spawn(task).abort_handle());
        }
        drop(routes);
        Ok(Subscription {
            queue,
            workers,
            bus: Arc::downgrade(&self.inner),
        })
    }

    fn queue(
        &self,
        id: u64,
        pattern: Pattern,
        config: &SubscriptionConfig,
    ) -> Result<Queue, SubscribeError> {
        let name: Arc<str> = match &config.name {
            Some(name) => name.as_str().into(),
            None => pattern.as_str().into(),
        };
        let group: Option<Arc<str>> = config.group.as_deref().map(Into::into);
        let attempts = config.attempts()?;
        let tally = self.inner.ledger.tallies.of(&name);
        let store = &self.inner.dedupe;
        let remote = self.transport().map(|transport| {
            let spec = config.spec(pattern.clone(), &attempts);
            let remote = Remote::new(
                Arc::clone(transport),
                spec,
                Arc::clone(store),
                Arc::clone(&self.inner.ledger),
                Arc::clone(&tally),
                self.inner.config.max_clock_skew,
            );
            Arc::new(remote)
        });
        let deduplicates = config.deduplicate.unwrap_or(remote.is_some());
        let dedupe = deduplicates.then(|| match &group {
            Some(group) => Dedupe::of_group(Arc::clone(store), group, &pattern),
            None => Dedupe::alone(Arc::clone(store), &name),
        });
        Ok(Queue {
            id,
            name,
            group,
            pattern,
            capacity: config.capacity,
            overflow: config.overflow,
            attempts,
            trace: config.trace,
            ledger: Arc::clone(&self.inner.ledger),
            tally,
            dedupe,
            remote,
            untold: Arc::default(),
            state: Mutex::default(),
            work: Signal::default(),
            room: Signal::default(),
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
        self.subscribe(P::TYPE, config, decoded(handler))
    }

    /// Forgets a group in process that has no members: what waits in its queue is abandoned.
    ///
    /// Returns how many events that were; none if there is no such group, or it has members.
    #[must_use]
    pub fn forget_group(&self, group: &str) -> Option<usize> {
        if self.transport().is_some() {
            return None;
        }
        // Under the lock, so that nobody joins a group that is about to end.
        let mut routes = self.inner.routes.write();
        let of_group = |queue: &&Arc<Queue>| queue.group.as_deref() == Some(group);
        let queues: Vec<_> = routes.queues().iter().filter(of_group).cloned().collect();
        let deserted = |queue: &Arc<Queue>| queue.state.lock().workers == 0;
        if queues.is_empty() || !queues.iter().all(deserted) {
            return None;
        }
        let remains: Vec<_> = queues.iter().map(|queue| routes.end(queue)).collect();
        drop(routes);
        let abandoned = remains.into_iter().flat_map(Remains::let_go);
        Some(abandoned.count())
    }
}
