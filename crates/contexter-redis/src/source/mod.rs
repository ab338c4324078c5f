//! One consumer of a group.
//!
//! A task of its own reads ahead, on a connection of its own, because a blocking read would hold up
//! everything else on a shared one. Everything else (claims, renewals, acknowledgements) goes over
//! the connection of the transport.

mod group;
mod keep;
mod leave;
mod missed;
mod read;
mod settle;
mod table;
mod unsettled;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Connection, DeliveryToken, Disposition, ExpectedSize, Incoming, Settled, Source,
    SubscriptionSpec, TransportHealth,
};
use contexter_event_bus::{Pattern, TransportError};
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::group::millis;
use self::table::{Table, own_lease};
use self::unsettled::Unsettled;
use crate::keys::{consumer_name, group_name};
use crate::link::Link;
use crate::transport::Inner;

/// A consumer: what its task and its handle share.
pub(crate) struct Consumer {
    inner: Arc<Inner>,
    /// For blocking reads alone.
    link: Link,
    /// The group of the stream, which is that of the subscription together with its pattern.
    group: String,
    /// The name within the group, with the lease at its end, so that others know it.
    name: String,
    delayed: String,
    solo: bool,
    pattern: Pattern,
    prefetch: usize,
    prefetch_bytes: usize,
    lease: Duration,
    table: Mutex<Table>,
    /// When the next entry that was given back is due, as far as is known.
    next_due: Mutex<Option<Instant>>,
    /// The group was made again, and does not have yet what it had.
    to_restore: AtomicBool,
    trimmed: AtomicU64,
    /// The server has refused to be read, and not been read since.
    refused: AtomicBool,
    /// What is next may be trimmed before it is read, as far as is known: each read looks.
    at_risk: AtomicBool,
    /// There is something to give.
    arrived: Notify,
    /// There is room for more.
    room: Notify,
    /// `next_due` is earlier than it was.
    sooner: Notify,
    closing: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Whoever closes it waits for the same end.
    closed: OnceCell<()>,
}

impl Consumer {
    /// Makes the group if there is none, and begins to read.
    pub(crate) async fn start(
        inner: Arc<Inner>,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<Self>, TransportError> {
        let group = group_name(spec.group.as_deref(), &spec.pattern);
        let link = Link::new(
            inner.dial.clone(),
            inner.config.block_time + inner.config.response_timeout,
        );
        let lease = spec.lease.max(SHORTEST_LEASE);
        let solo = spec.group.is_none();
        let mut table = Table::default();
        table.unsettled = solo.then(Unsettled::default);
        table.expected = ExpectedSize::new(inner.config.max_payload);
        let consumer = Arc::new(Self {
            delayed: inner.keys.delayed(&group),
            inner,
            link,
            group,
            name: format!("{}@{}", consumer_name(), millis(lease)),
            solo,
            pattern: spec.pattern.clone(),
            prefetch: spec.prefetch.max(1),
            prefetch_bytes: spec.prefetch_bytes.max(1),
            lease,
            table: Mutex::new(table),
            next_due: Mutex::default(),
            to_restore: AtomicBool::new(false),
            trimmed: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            at_risk: AtomicBool::new(true),
            arrived: Notify::new(),
            room: Notify::new(),
            sooner: Notify::new(),
            closing: watch::Sender::new(false),
            task: Mutex::default(),
            closed: OnceCell::new(),
        });
        consumer.join(spec.start).await?;
        let deadline = Instant::now() + consumer.inner.config.publish_timeout;
        consumer.link.live(Some(deadline)).await?;
        let task = tokio::spawn(read::run(Arc::clone(&consumer)));
        *consumer.task.lock() = Some(task);
        Ok(consumer)
    }

    fn own_lease(&self) -> Duration {
        own_lease(self.lease)
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Returns how many more messages may be held.
    fn free(&self) -> usize {
        self.table.lock().free(self.prefetch, self.prefetch_bytes)
    }
}

/// A third of it is the pause between looking for what others left behind.
const SHORTEST_LEASE: Duration = Duration::from_millis(30);

/// The handle of a consumer; dropping it kills the consumer.
pub(crate) struct RedisSource(pub(crate) Arc<Consumer>);

impl Drop for RedisSource {
    fn drop(&mut self) {
        self.0.closing.send_replace(true);
        if let Some(task) = self.0.task.lock().take() {
            task.abort();
        }
        self.0.link.close();
    }
}

impl fmt::Debug for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSource")
            .field("group", &self.0.group)
            .field("consumer", &self.0.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for RedisSource {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        let consumer = &*self.0;
        let mut closing = consumer.closing.subscribe();
        loop {
            if consumer.is_closing() {
                return Err(TransportError::closed());
            }
            let arrived = consumer.arrived.notified();
            let (given, expired) = {
                let mut table = consumer.table.lock();
                let before = table.used();
                let given = table.give(max.max(1));
                (given, table.used() < before)
            };
            if expired {
                consumer.room.notify_one();
            }
            if !given.is_empty() {
                return Ok(given
                    .into_iter()
                    .map(|(token, arrival)| arrival.open(token))
                    .collect());
            }
            tokio::select! {
                () = arrived => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        self.0.settle(settlements).await
    }

    fn health(&self) -> TransportHealth {
        let health = self.0.link.health();
        let main = self.0.inner.main.health();
        // What cannot be settled is as bad as what cannot be read.
        let connection = match (health.connection, main.connection) {
            (Connection::Up, Connection::Up) if self.0.refused.load(Ordering::Relaxed) => {
                Connection::Reconnecting
            }
            (Connection::Up, other) => other,
            (own, _) => own,
        };
        let last_error = health.last_error.clone().or(main.last_error);
        TransportHealth::new(connection)
            .with_reconnects(health.reconnects)
            .with_last_error(last_error)
            .with_trimmed(self.0.trimmed.load(Ordering::Relaxed))
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
