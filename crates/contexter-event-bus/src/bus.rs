//! The bus: who wants which events, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::config::BusConfig;
use crate::contained::{Connected, Contained};
use crate::dedupe::{DedupeStore, MemoryDedupe};
use crate::health::{BusHealth, SubscriptionHealth};
use crate::queue::Queue;
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
            trimmed: totals.trimmed,
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

    pub(crate) fn totals(&self) -> SubscriptionStats {
        let routes = self.inner.routes.read();
        let mut totals = self.inner.ledger.tallies.past();
        for queue in routes.queues() {
            totals += &queue.stats();
        }
        totals
    }
}

/// The longest wait; beyond it the clock could overflow, and nobody waits that long.
pub(crate) const MAX_WITHIN: Duration = Duration::from_hours(24 * 365);
