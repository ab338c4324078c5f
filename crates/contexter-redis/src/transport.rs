//! The transport itself.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::{
    Confirmation, Connection, DeadLetter, DeadLetterId, DeadLetterQuery, RequestError,
    RequestSource, Source, SubscriptionSpec, TransportHealth,
};
use contexter_event_bus::{
    Capabilities, Capability, EventFilter, History, MessageTransport, TransportError,
};
use contexter_protocol::IntegrationEvent;
use contexter_service::InvalidConfig;
use parking_lot::Mutex;
use redis::ProtocolVersion;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::RedisConfig;
use crate::dial::Dial;
use crate::keys::Keys;
use crate::link::Link;
use crate::request::{Asker, RedisResponder};
use crate::source::{Consumer, RedisSource};

/// How long asking for the health may take.
const HEALTH_WITHIN: Duration = Duration::from_secs(1);

/// The events of a bus on Redis Streams.
///
/// Making one needs no server: connections are made when they are needed, and again when they
/// break. All methods that talk to the server must be called on a Tokio runtime.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use contexter_event_bus::MessageTransport;
/// use contexter_protocol::IntegrationEvent;
/// use contexter_redis::{RedisConfig, RedisTransport};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = RedisTransport::new(RedisConfig::new("redis://127.0.0.1:6379"))?;
/// let event = IntegrationEvent::builder("crawler", "document.found").build()?;
/// for answer in redis.publish(&[Arc::new(event)]).await {
///     println!("stored as {}", answer?.id);
/// }
/// redis.close().await;
/// # Ok(())
/// # }
/// ```
pub struct RedisTransport {
    inner: Arc<Inner>,
    asker: Arc<Asker>,
    consumers: Mutex<Vec<Weak<Consumer>>>,
    responders: Mutex<Vec<Weak<RedisResponder>>>,
}

/// What everything of one transport shares.
pub(crate) struct Inner {
    pub(crate) config: RedisConfig,
    pub(crate) keys: Keys,
    pub(crate) dial: Dial,
    /// For everything but blocking reads.
    pub(crate) main: Link,
    /// Which group of responders gets the next request.
    pub(crate) turn: AtomicUsize,
    /// When old events are removed next.
    pub(crate) next_expiry: Mutex<Option<Instant>>,
}

impl RedisTransport {
    /// Makes a transport; it connects when it is used.
    ///
    /// # Errors
    ///
    /// Returns the faults of the configuration.
    pub fn new(config: RedisConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let dial = dial(&config)?;
        let inner = Arc::new(Inner {
            keys: Keys::new(&config.name),
            main: Link::new(dial.clone(), config.response_timeout),
            dial,
            config,
            turn: AtomicUsize::new(0),
            next_expiry: Mutex::default(),
        });
        Ok(Self {
            asker: Arc::new(Asker::new(&inner)),
            inner,
            consumers: Mutex::default(),
            responders: Mutex::default(),
        })
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &RedisConfig {
        &self.inner.config
    }
}

/// Returns what a link needs to know to connect.
pub(crate) fn dial(config: &RedisConfig) -> Result<Dial, InvalidConfig> {
    let info = config
        .connection_info()
        .map_err(|problem| single_fault("url", problem))?;
    // Answers are read in the shapes of this protocol, whatever the URL asks for.
    let settings = info.redis_settings().clone();
    Ok(Dial {
        info: info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP2)),
        connect_timeout: config.connect_timeout,
        backoff: config.backoff()?,
    })
}

fn single_fault(field: &str, problem: String) -> InvalidConfig {
    match InvalidConfig::check([(field, Some(problem))]) {
        Err(fault) => fault,
        Ok(()) => unreachable!("a check with a problem fails"),
    }
}

/// Remembers something for as long as it lives.
fn remember<T>(list: &Mutex<Vec<Weak<T>>>, one: &Arc<T>) {
    let mut list = list.lock();
    list.retain(|known| known.strong_count() > 0);
    list.push(Arc::downgrade(one));
}

fn remembered<T>(list: &Mutex<Vec<Weak<T>>>) -> Vec<Arc<T>> {
    list.lock().iter().filter_map(Weak::upgrade).collect()
}

#[async_trait]
impl MessageTransport for RedisTransport {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn capabilities(&self) -> Capabilities {
        [
            Capability::ConsumerGroups,
            Capability::Persistence,
            Capability::Takeover,
            Capability::OrderPerKey,
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
        .with_max_payload(self.inner.config.max_payload)
    }

    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        self.inner.publish(events).await
    }

    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        let consumer = Consumer::start(Arc::clone(&self.inner), spec).await?;
        remember(&self.consumers, &consumer);
        Ok(Arc::new(RedisSource(consumer)))
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
        self.inner.request(&self.asker, request, within).await
    }

    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        let responder = RedisResponder::start(Arc::clone(&self.inner), spec).await?;
        let responder = Arc::new(responder);
        remember(&self.responders, &responder);
        Ok(responder)
    }

    async fn health(&self) -> TransportHealth {
        let main = &self.inner.main;
        if !main.is_closed() {
            let deadline = Instant::now() + HEALTH_WITHIN;
            let answer = main.ask(redis::cmd("PING"), deadline).await;
            let health = main.health();
            if let Err(error) = answer
                && health.is_up()
            {
                // Whoever has more patience may get an answer yet, or a better one.
                return TransportHealth::new(Connection::Reconnecting)
                    .with_reconnects(health.reconnects)
                    .with_last_error(Some(error.to_string()));
            }
        }
        main.health()
    }

    async fn close(&self) {
        // All at once, so that it takes as long as one of them.
        let mut ends = JoinSet::new();
        for consumer in remembered(&self.consumers) {
            ends.spawn(async move { consumer.close().await });
        }
        for responder in remembered(&self.responders) {
            ends.spawn(async move { responder.close().await });
        }
        while ends.join_next().await.is_some() {}
        self.asker.close();
        self.inner.main.close();
    }
}

impl fmt::Debug for RedisTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTransport")
            .field("name", &self.inner.config.name)
            .field("main", &self.inner.main)
            .finish_non_exhaustive()
    }
}
