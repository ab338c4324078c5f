//! The bus: who wants which events, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use parking_lot::RwLock;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::BusConfig;
use crate::contained::{Connected, Contained};
use crate::dedupe::{DedupeStore, MemoryDedupe};
use crate::health::{BusHealth, SubscriptionHealth};
use crate::observe::Observing;
use crate::queue::{Queue, Remains, State};
use crate::receipt::DrainReport;
use crate::request::Responders;
use crate::route::Routes;
use crate::stats::{Ledger, Stats, SubscriptionStats};
use crate::transport::{Capabilities, Capability, Connection, MessageTransport, TransportHealth};

/// An event bus. Clones are cheap and share everything.
///
/// It runs inside one process ([`new`](Self::new)) or over a broker ([`over`](Self::over)); what
/// handlers see is the same. See the [crate documentation](crate) for what it promises.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: BusConfig,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) routes: RwLock<Routes>,
    pub(crate) responders: Responders,
    pub(crate) transport: Option<Arc<dyn MessageTransport>>,
    pub(crate) dedupe: Arc<dyn DedupeStore>,
}

impl Inner {
    /// Ends a queue that nobody can subscribe to again.
    pub(crate) fn retire(&self, queue: &Queue) {
        let remains = self.routes.write().end(queue);
        drop(remains.let_go());
    }
}

impl Drop for Inner {
    /// Without a bus nobody can publish: what waits is still handled, then the tasks end.
    fn drop(&mut self) {
        for queue in self.routes.get_mut().queues() {
            queue.finish();
        }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(&BusConfig::default())
    }
}

/// How long the settlements of a drained bus may take to reach the broker, beyond the time for the
/// handlers.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);
/// How long closing the transport may take after that.
const CLOSE: Duration = Duration::from_secs(1);

impl Bus {
    /// Creates a bus inside this process, without subscriptions.
    #[must_use]
    pub fn new(config: &BusConfig) -> Self {
        Self::build(config, None, None)
    }

    /// Creates a bus over a broker.
    ///
    /// Handled events are remembered in the memory of this process
    /// ([`BusConfig::deduplicated_events`]), so duplicates are recognised as long as it lives, and
    /// not those that another process of the group has handled: for that, see
    /// [`with_dedupe_store`](Self::with_dedupe_store).
    #[must_use]
    pub fn over(transport: Arc<dyn MessageTransport>, config: &BusConfig) -> Self {
        Self::build(config, Some(transport), None)
    }

    /// Creates a bus that remembers handled events in a store of the caller's; over a broker, or
    /// inside this process.
    #[must_use]
    pub fn with_dedupe_store(
        transport: Option<Arc<dyn MessageTransport>>,
        store: Arc<dyn DedupeStore>,
        config: &BusConfig,
    ) -> Self {
        Self::build(config, transport, Some(store))
    }

    fn build(
        config: &BusConfig,
        transport: Option<Arc<dyn MessageTransport>>,
        dedupe: Option<Arc<dyn DedupeStore>>,
    ) -> Self {
        let memory = || {
            let (events, age) = (config.deduplicated_events, config.deduplicated_age);
            Arc::new(MemoryDedupe::new(events, age)) as Arc<dyn DedupeStore>
        };
        Self {
            inner: Arc::new(Inner {
                config: config.clone(),
                ledger: Arc::new(Ledger::new(config)),
                routes: RwLock::new(Routes::new()),
                responders: Responders::default(),
                transport: transport.map(|transport| {
                    Arc::new(Connected::new(transport)) as Arc<dyn MessageTransport>
                }),
                dedupe: match dedupe {
                    Some(store) => Arc::new(Contained::new(store)),
                    None => memory(),
                },
            }),
        }
    }

    pub(crate) fn transport(&self) -> Option<&Arc<dyn MessageTransport>> {
        self.inner.transport.as_ref()
    }

    /// Returns what the bus can do on what it runs on.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        match self.transport() {
            Some(transport) => transport.capabilities(),
            None => [
                Capability::ConsumerGroups,
                Capability::Takeover,
                Capability::OrderPerKey,
                Capability::OrderAcrossConsumers,
                Capability::StartEarliest,
                Capability::StartAtTime,
                Capability::Replay,
                Capability::RequestReply,
                Capability::NoResponder,
                Capability::Settlement,
            ]
            .into_iter()
            .fold(Capabilities::none(), Capabilities::with),
        }
    }

    /// Waits until nothing waits and nothing is being handled, and returns whether that happened.
    ///
    /// Events that handlers publish count too, so a flow of several steps is through when this
    /// returns `true`. Inside a handler it cannot be, because that handler is still running. On a
    /// broker it is only about what this process holds: more may wait there.
    pub async fn idle(&self, within: Duration) -> bool {
        let is_idle = || {
            let routes = self.inner.routes.read();
            self.inner.ledger.publishing() == 0 && are_all(routes.queues(), State::is_idle)
        };
        let idle = self.inner.ledger.idle(is_idle);
        timeout(within.min(MAX_WITHIN), idle).await.is_ok()
    }

    /// Stops taking events, lets what was accepted come to an end, and reports what did not.
    ///
    /// In process, publishing fails from now on, also from handlers. On a broker, nothing more is
    /// received from now on, handlers can still publish until the last of them is through, and what
    /// is left goes back to its group. When `within` is over, running handlers are cancelled at
    /// their next `.await`. It does not take that long if nothing runs and what still waits is due
    /// later, or has nobody to handle it: that is left at once. All subscriptions have ended then,
    /// and last the transport is closed. A broker that does not answer, or a slow
    /// [observer](crate::SubscriptionConfig::with_observer), may make it 6 s more than `within`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the bus takes no more events, and what was accepted is still
    /// handled. Draining again picks up from there.
    pub async fn drain(&self, within: Duration) -> DrainReport {
        let deadline = Instant::now() + within.min(MAX_WITHIN);
        let settled_before = self.totals().settled();
        let queues: Vec<_> = {
            let mut routes = self.inner.routes.write();
            routes.open = self.transport().is_some() && routes.open;
            routes.draining = true;
            routes.queues().to_vec()
        };
        let remotes: Vec<_> = queues.iter().filter_map(|q| q.remote.clone()).collect();
        for remote in &remotes {
            remote.stop();
        }
        let (finished, ()) = join(
            self.come_to_rest(deadline),
            self.inner.responders.close(deadline),
        )
        .await;
        let remains: Vec<_> = {
            let mut routes = self.inner.routes.write();
            routes.open = false;
            queues.iter().map(|queue| routes.end(queue)).collect()
        };
        let abandoned: Vec<_> = remains.into_iter().flat_map(Remains::let_go).collect();
        let settled = self.totals().settled().saturating_sub(settled_before);
        let flushed = async {
            join_all(remotes.iter().map(|remote| remote.flush())).await;
            let observed = queues.iter().filter_map(|queue| queue.observing());
            join_all(observed.map(Observing::told)).await;
            let nothing = || self.inner.ledger.publishing() == 0;
            self.inner.ledger.idle(nothing).await;
        };
        // What responders took longer to end is part of that time.
        let end = deadline.max(Instant::now() + FLUSH).min(deadline + FLUSH);
        let flushed = timeout_at(end, flushed).await.is_ok();
        if let Some(transport) = self.transport()
            && self.inner.config.closes_transport
        {
            // What it still wanted to say to a broker that does not answer is left unsaid: leases
            // run out by themselves.
            let end = end.max(Instant::now() + CLOSE);
            if timeout_at(end, transport.close()).await.is_err() {
                tracing::warn!("the transport was not closed in time");
            }
        }
        tracing::info!(
            finished,
            flushed,
            settled,
            abandoned = abandoned.len(),
            "event bus drained"
        );
        DrainReport { settled, abandoned }
    }

    /// Waits until nothing runs and nothing is going to before `deadline`.
    async fn come_to_rest(&self, deadline: Instant) -> bool {
        let at_rest = || {
            let routes = self.inner.routes.read();
            let queues = routes.queues();
            // Who waits for room that nobody makes any more is told when the queue is closed.
            let in_vain = || self.transport().is_none() && queues.iter().any(|q| q.is_clogged());
            are_all(queues, |state| state.is_at_rest(deadline))
                && (self.inner.ledger.publishing() == 0 || in_vain())
        };
        let ledger = &self.inner.ledger;
        timeout_at(deadline, ledger.idle(at_rest)).await.is_ok()
    }

    /// Returns what the bus has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let ledger = &self.inner.ledger;
        let totals = self.totals();
        let stored = ledger.store.summary();
        let (dead_letters, dead_letters_evicted) = ledger.dead.counts();
        Stats {
            subscribers: self.inner.routes.read().queues().len(),
            stored_events: stored.stored,
            last_event: stored.last,
            published: stored.published,
            publish_failures: ledger
                .publish_failures
                .counts()
                .map(|(_, count)| count)
                .sum(),
            without_subscriber: stored.without_subscriber,
            delivered: totals.delivered,
            failed: totals.failed,
            dead_lettered: totals.dead_lettered,
            dead_letters,
            dead_letters_evicted,
            dropped: totals.dropped,
            rejected: totals.rejected,
            expired: totals.expired,
            abandoned: totals.abandoned,
            duplicates: totals.duplicates,
            fenced: totals.fenced,
            untold: totals.untold,
            pending: totals.waiting + totals.in_flight + ledger.publishing(),
        }
    }

    /// Returns how the bus and its connections are.
    pub async fn health(&self) -> BusHealth {
        let transport = match self.transport() {
            Some(transport) => transport.health().await,
            None => TransportHealth::new(Connection::Up),
        };
        let routes = self.inner.routes.read();
        let subscription = |queue: &Arc<Queue>| {
            let connection = queue.remote.as_ref().map(|remote| remote.health());
            let state = queue.state.lock();
            SubscriptionHealth {
                name: Arc::clone(&queue.name),
                connection,
                pending: state.pending(),
                workers: state.workers,
            }
        };
        BusHealth {
            open: routes.open && !routes.draining,
            transport,
            subscriptions: routes.queues().iter().map(subscription).collect(),
        }
    }

    fn totals(&self) -> SubscriptionStats {
        let routes = self.inner.routes.read();
        let mut totals = self.inner.ledger.tallies.past();
        for queue in routes.queues() {
            totals += &queue.stats();
        }
        totals
    }
}

/// Returns whether all queues are idle at one and the same moment.
fn are_all(queues: &[Arc<Queue>], idle: impl Fn(&State) -> bool) -> bool {
    if !queues.iter().all(|queue| idle(&queue.state.lock())) {
        return false;
    }
    // One after the other says nothing: an event may have moved on from a queue that was still to
    // be asked into one that had been. A handler publishes before it ends, so with all locks held
    // it is seen in the one or the other.
    let held: Vec<_> = queues.iter().map(|queue| queue.state.lock()).collect();
    let settled = |queue: &Arc<Queue>| {
        queue
            .remote
            .as_ref()
            .is_none_or(|remote| remote.is_flushed())
    };
    held.iter().all(|state| idle(state)) && queues.iter().all(settled)
}

/// The longest wait; beyond it the clock could overflow, and nobody waits that long.
pub(crate) const MAX_WITHIN: Duration = Duration::from_hours(24 * 365);
