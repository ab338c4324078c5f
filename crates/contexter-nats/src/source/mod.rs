//! One consumer of a subscription.

mod again;
mod arrivals;
mod group;
mod lost;
mod missed;
mod most;
mod pull;
mod settle;
mod table;
mod unreadable;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::datetime::DateTime;
use async_trait::async_trait;
use contexter_event_bus::transport::{
    Connection, DeliveryToken, Disposition, ExpectedSize, Incoming, Settled, Source, Start,
    SubscriptionSpec, TransportHealth,
};
use contexter_event_bus::{Pattern, TransportError};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use self::group::{Create, from_time};
use self::missed::Passed;
use self::most::Most;
use self::table::{Arrival, Content, Table, own_lease};
use crate::message::Decoded;
use crate::transport::Inner;

/// How long the task may take to end in good order.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What a consumer is, shared by its task and its handle.
pub(crate) struct Consumer {
    inner: Arc<Inner>,
    name: String,
    solo: bool,
    pattern: Pattern,
    filter: String,
    start: Start,
    lease: Duration,
    /// The lease at the server, which all members of the group share: no shorter than ours.
    server_lease: Mutex<Duration>,
    most: Most,
    table: Mutex<Table>,
    /// How far the group has come, as far as is known.
    passed: Mutex<Option<Passed>>,
    /// When the group was made at the server, as far as is known.
    made: Mutex<Option<DateTime>>,
    /// How many streams were there before the one that is read now.
    others: AtomicU32,
    trimmed: AtomicU64,
    /// Something was read.
    arrived: Notify,
    /// Something was settled.
    room: Notify,
    closing: watch::Sender<bool>,
    /// Why the task makes no progress, though the connection may be there.
    stalled: Mutex<Stalled>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// The task is over.
    ended: watch::Sender<bool>,
}

/// A task that is not over yet.
struct Running(Arc<Consumer>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ended.send_replace(true);
    }
}

#[derive(Debug, Default)]
struct Stalled {
    now: bool,
    last_error: Option<String>,
}

impl Consumer {
    /// Makes the group if there is none, and begins to read.
    pub(crate) async fn start(
        inner: Arc<Inner>,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<Self>, TransportError> {
        // Of what is published here, as others most likely do.
        let largest = inner.limits.event;
        let mut table = match spec.group {
            None => Table::solo(),
            Some(_) => Table::default(),
        };
        table.expected = ExpectedSize::new(largest);
        let consumer = Arc::new(Self {
            name: inner.names.consumer(spec.group.as_deref(), &spec.pattern),
            solo: spec.group.is_none(),
            filter: inner.names.filter(&spec.pattern),
            pattern: spec.pattern.clone(),
            start: spec.start,
            lease: spec.lease,
            server_lease: Mutex::new(spec.lease),
            most: Most::new(spec.prefetch, spec.prefetch_bytes, largest),
            table: Mutex::new(table),
            passed: Mutex::default(),
            made: Mutex::default(),
            others: AtomicU32::new(0),
            trimmed: AtomicU64::new(0),
            arrived: Notify::new(),
            room: Notify::new(),
            closing: watch::Sender::new(false),
            stalled: Mutex::default(),
            task: Mutex::default(),
            ended: watch::Sender::new(false),
            inner,
        });
        let deadline = consumer.inner.link.deadline();
        consumer.join(deadline).await?;
        let running = Running(Arc::clone(&consumer));
        let task = tokio::spawn(async move { running.0.run().await });
        *consumer.task.lock() = Some(task);
        Ok(consumer)
    }

    fn other_streams(&self) -> u32 {
        self.others.load(Ordering::Relaxed)
    }

    fn server_lease(&self) -> Duration {
        *self.server_lease.lock()
    }

    fn own_lease(&self) -> Duration {
        own_lease(self.lease)
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until the consumer is to end.
    async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is in `self`.
        let _told = closing.wait_for(|closing| *closing).await;
    }

    fn stall(&self, error: &TransportError) {
        let mut stalled = self.stalled.lock();
        if !stalled.now {
            tracing::warn!(consumer = self.name, %error, "consumer gets nothing for now");
        }
        stalled.now = true;
        stalled.last_error = Some(error.to_string());
    }

    fn goes_on(&self) {
        self.stalled.lock().now = false;
    }

    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        loop {
            let arrived = self.arrived.notified();
            if self.is_closing() {
                return Err(TransportError::closed());
            }
            let before = self.table.lock().used();
            let (given, after) = {
                let mut table = self.table.lock();
                (table.give(max.max(1)), table.used())
            };
            if after < before {
                self.room.notify_one();
            }
            if !given.is_empty() {
                return Ok(given.into_iter().map(open).collect());
            }
            tokio::select! {
                () = arrived => {}
                () = self.closing() => {}
            }
        }
    }

    /// Reads no more, and gives back what was read ahead. What was given out can still be settled.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        // Whoever closes waits, whether or not another one does or did: the connection must not end
        // before what was read ahead is given back.
        let mut ended = self.ended.subscribe();
        let late = timeout(END_WITHIN, ended.wait_for(|ended| *ended)).await;
        if late.is_err()
            && let Some(task) = self.task.lock().as_ref()
        {
            task.abort();
        }
    }

    fn health(&self) -> TransportHealth {
        let link = self.inner.link.health();
        let stalled = self.stalled.lock();
        let connection = match link.connection {
            Connection::Up if self.is_closing() => Connection::Closed,
            Connection::Up if stalled.now => Connection::Reconnecting,
            other => other,
        };
        TransportHealth::new(connection)
            .with_reconnects(link.reconnects)
            .with_last_error(stalled.last_error.clone().or(link.last_error))
            .with_trimmed(self.trimmed.load(Ordering::Relaxed))
    }
}

fn open((token, arrival): (DeliveryToken, Arrival)) -> Incoming {
    let Arrival {
        delivered,
        others,
        size,
        content,
    } = arrival;
    let (message, group) = match content {
        Content::Message(Decoded {
            event,
            redrive_group,
        }) => (event, redrive_group),
        Content::Unreadable(message) => (Err(message), None),
    };
    Incoming::new(message, token, delivered.id(others))
        .with_delivery_count(u32::try_from(delivered.count).unwrap_or(u32::MAX))
        .with_redrive_group(group)
        .with_size(size)
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

/// The handle of a consumer, whose task ends with it.
#[derive(Debug)]
pub(crate) struct NatsSource(Arc<Consumer>);

impl NatsSource {
    pub(crate) fn new(consumer: Arc<Consumer>) -> Self {
        Self(consumer)
    }
}

impl Drop for NatsSource {
    fn drop(&mut self) {
        self.0.closing.send_replace(true);
    }
}

#[async_trait]
impl Source for NatsSource {
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError> {
        self.0.receive(max).await
    }

    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>> {
        self.0.settle(settlements).await
    }

    fn health(&self) -> TransportHealth {
        self.0.health()
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
