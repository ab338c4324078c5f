//! The transport.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Confirmation, DeadLetter, DeadLetterId, DeadLetterQuery, MessageTransport, RequestSource,
    Source, SubscriptionSpec, TransportHealth,
};
use contexter_event_bus::{
    Capabilities, Capability, EventFilter, History, RequestError, TransportError,
};
use contexter_protocol::IntegrationEvent;
use contexter_protocol::codec::MAX_BODY_BYTES;
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::config::NatsConfig;
use crate::error::refused;
use crate::inbox::Inboxes;
use crate::link::Link;
use crate::names::Names;
use crate::source::{Consumer, NatsSource};

/// How long [`MessageTransport::health`] waits for the server.
const SIGN_OF_LIFE: Duration = Duration::from_millis(900);

/// What a dead letter may add to its message, at most.
const LETTER_ROOM: usize = 32 * 1024;

/// How many bytes a message may have, headers included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What is published here.
    pub(crate) event: usize,
    /// What others publish into the stream, or what is published again with more headers.
    pub(crate) stored: usize,
    /// What the server takes at all.
    pub(crate) server: usize,
    /// What a dead letter may say besides its message.
    pub(crate) letter: usize,
}

impl Limits {
    fn new(server: usize, configured: Option<usize>) -> Self {
        let room = LETTER_ROOM.min(server / 2);
        let event = server - room;
        Self {
            event: configured.unwrap_or(MAX_BODY_BYTES).min(event),
            stored: event + room / 4,
            server,
            letter: room / 2,
        }
    }
}

/// Carries the events of a bus over NATS JetStream.
///
/// Clones share one connection.
#[derive(Clone)]
pub struct NatsTransport {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: NatsConfig,
    pub(crate) names: Names,
    pub(crate) limits: Limits,
    pub(crate) link: Link,
    pub(crate) inboxes: Inboxes,
    /// Whether streams are made that are not there.
    pub(crate) makes_streams: bool,
    sources: Mutex<Vec<Weak<Consumer>>>,
}

impl NatsTransport {
    /// Connects to a server, and makes the streams that are not there.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration is invalid, the server cannot be reached in time or
    /// refuses, or a stream of the name is not fit. After that, a broken connection is made again
    /// for as long as it takes.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves at most empty streams behind.
    pub async fn connect(config: NatsConfig) -> Result<Self, TransportError> {
        let inner = Inner::connect(config, true).await?;
        inner.ensure_streams(inner.link.deadline()).await?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Connects to a server if there is the bus, and makes no stream, neither now nor later: for
    /// tools, whose mistyped name must not make a bus. None if there is no such bus.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration is invalid, the server cannot be reached in time or
    /// refuses, or a stream of the name is not fit.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn connect_existing(config: NatsConfig) -> Result<Option<Self>, TransportError> {
        let inner = Inner::connect(config, false).await?;
        if inner.streams(inner.link.deadline()).await?.is_some() {
            return Ok(Some(Self {
                inner: Arc::new(inner),
            }));
        }
        inner.link.close().await;
        Ok(None)
    }
}

impl Inner {
    async fn connect(config: NatsConfig, makes_streams: bool) -> Result<Self, TransportError> {
        config
            .validate()
            .map_err(|faults| refused("invalid configuration").with_source(faults))?;
        let link = Link::connect(&config).await?;
        let limits = Limits::new(link.client().max_payload(), config.max_payload);
        Ok(Self {
            names: Names::new(&config),
            limits,
            link,
            config,
            inboxes: Inboxes::default(),
            makes_streams,
            sources: Mutex::default(),
        })
    }
}

#[async_trait]
impl MessageTransport for NatsTransport {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn capabilities(&self) -> Capabilities {
        [
            Capability::ConsumerGroups,
            Capability::Persistence,
            Capability::Takeover,
            Capability::OrderPerKey,
            Capability::PublishDedupe,
            Capability::StartEarliest,
            Capability::StartAtTime,
            Capability::Replay,
            Capability::DurableDeadLetters,
            Capability::RequestReply,
            Capability::NoResponder,
            Capability::Remote,
        ]
        .into_iter()
        .fold(Capabilities::none(), Capabilities::with)
        .with_max_payload(self.inner.limits.event)
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        self.inner.publish_all(events).await
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        let consumer = Consumer::start(Arc::clone(&self.inner), spec).await?;
        let mut sources = self.inner.sources.lock();
        sources.retain(|source| source.strong_count() > 0);
        sources.push(Arc::downgrade(&consumer));
        drop(sources);
        Ok(Arc::new(NatsSource::new(consumer)))
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        self.inner.bury(letter).await
    }

    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        self.inner.letters(query).await
    }

    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        self.inner.remove_letter(id).await
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        self.inner.purge_letters().await
    }

    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError> {
        self.inner.redeliver(letter).await
    }

    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        self.inner.history(filter).await
    }

    async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        self.inner.request(request, within).await
    }

    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        let source = crate::request::Answering::start(Arc::clone(&self.inner), spec).await?;
        Ok(Arc::new(source))
    }

    async fn health(&self) -> TransportHealth {
        let link = &self.inner.link;
        let answer = link.ping(SIGN_OF_LIFE).await;
        let health = link.health();
        match answer {
            Err(error) if health.is_up() => {
                use contexter_event_bus::transport::Connection;
                TransportHealth::new(Connection::Reconnecting)
                    .with_reconnects(health.reconnects)
                    .with_last_error(Some(error.to_string()))
            }
            _ => health,
        }
    }

    async fn close(&self) {
        let sources = std::mem::take(&mut *self.inner.sources.lock());
        let sources: Vec<Arc<Consumer>> = sources.iter().filter_map(Weak::upgrade).collect();
        join_all(sources.iter().map(|source| source.close())).await;
        self.inner.link.close().await;
    }
}

impl fmt::Debug for NatsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsTransport")
            .field("stream", &self.names.stream)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
