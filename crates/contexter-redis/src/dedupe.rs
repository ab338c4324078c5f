//! What the processes of a group have handled, remembered at the server.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::{Begin, DedupeKey, DedupeStore, DeliveryId, TransportError};
use contexter_service::InvalidConfig;
use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::config::{RedisConfig, out_of};
use crate::entry::number;
use crate::error::unexpected;
use crate::keys::Keys;
use crate::link::Link;
use crate::scripts::{self, eval};
use crate::source::millis;
use crate::transport::dial;

/// How long a handled event is remembered unless something else is set.
const AGE: Duration = Duration::from_hours(24);
/// An event that comes again sooner than this is not unusual; beyond it, it is another one.
const AGES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24 * 365));

/// Remembers handled events in Redis, for all processes that share it, and across their restarts.
///
/// An event is one key at the server, by its group, source and id. It is *in progress* while a
/// handler is at it, for a lease, and *done* only when the handler has succeeded; each change is one
/// step at the server, by the server's clock. A process that dies leaves it in progress: the
/// broker's next delivery of the same message takes over at once, a duplicate of it when the lease is
/// over.
///
/// It serves buses over any transport, or none. Each event costs two round trips, so a subscription
/// gets a [`concurrency`](contexter_event_bus::SubscriptionConfig::concurrency) that covers them.
/// While the server cannot be reached, nothing is handled: events wait.
///
/// The number of keys is what is handled within [`age`](Self::with_age); each takes about 200 bytes.
/// A server that evicts keys (`maxmemory-policy`) forgets them sooner, and one without persistence
/// forgets them when it is restarted: then a duplicate is handled again, and nothing is lost.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use contexter_event_bus::{Bus, BusConfig};
/// use contexter_redis::{RedisConfig, RedisDedupe, RedisTransport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = RedisConfig::new("redis://127.0.0.1:6379").with_name("orders");
/// let store = RedisDedupe::new(&config)?.with_age(Duration::from_hours(48))?;
/// let transport = Arc::new(RedisTransport::new(config)?);
/// let bus = Bus::with_dedupe_store(Some(transport), Arc::new(store), &BusConfig::default());
/// # Ok(())
/// # }
/// ```
pub struct RedisDedupe {
    keys: Keys,
    link: Link,
    age: Duration,
}

impl RedisDedupe {
    /// Remembers handled events for 24 hours; it connects when it is used.
    ///
    /// Of the configuration, the URL, the name and the times of connections count. Stores of
    /// different names share nothing.
    ///
    /// # Errors
    ///
    /// Returns the faults of the configuration.
    pub fn new(config: &RedisConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            keys: Keys::new(&config.name),
            link: Link::new(dial(config)?, config.response_timeout),
            age: AGE,
        })
    }

    /// Sets how long a handled event is remembered, and one whose process has died.
    ///
    /// # Errors
    ///
    /// Returns an error unless it is between a second and a year.
    pub fn with_age(mut self, age: Duration) -> Result<Self, InvalidConfig> {
        InvalidConfig::check([("age", out_of(AGES, age))])?;
        self.age = age;
        Ok(self)
    }

    async fn ask(&self, cmd: &Cmd) -> Result<Value, TransportError> {
        // All of it may be done twice.
        let deadline = Instant::now() + self.link.response_timeout();
        self.link.ask_until(cmd, deadline).await
    }
}

#[async_trait]
impl DedupeStore for RedisDedupe {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        let key = self.keys.handled(key.as_str());
        let mut begin = eval(scripts::BEGIN, &[&key]);
        begin
            .arg(by.place())
            .arg(by.count())
            .arg(millis(lease))
            .arg(millis(self.age.max(lease)));
        match number(&self.ask(&begin).await?) {
            Some(scripts::BEGIN_NEW) => Ok(Begin::New),
            Some(scripts::BEGIN_TAKEN_OVER) => Ok(Begin::TakenOver),
            Some(scripts::BEGIN_IN_PROGRESS) => Ok(Begin::InProgress),
            Some(scripts::BEGIN_DONE) => Ok(Begin::Done),
            _ => Err(unexpected("beginning an event returned none of its states")),
        }
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let mut set = redis::cmd("SET");
        set.arg(self.keys.handled(key.as_str()))
            .arg(scripts::DONE)
            .arg("PX")
            .arg(millis(self.age));
        self.ask(&set).await.map(drop)
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let key = self.keys.handled(key.as_str());
        let mut release = eval(scripts::RELEASE, &[&key]);
        release.arg(by.place()).arg(by.count());
        self.ask(&release).await.map(drop)
    }

    fn outlives_processes(&self) -> bool {
        true
    }
}

impl fmt::Debug for RedisDedupe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDedupe")
            .field("age", &self.age)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
