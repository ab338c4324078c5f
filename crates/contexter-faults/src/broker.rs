//! The two brokers: how they are started, reached and asked for their version.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use contexter_event_bus::MessageTransport;
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Nats, Redis, Server};
use tokio::time::{Instant, sleep};

/// How long a consumer owns what it has not settled. A stopped broker is stopped for longer.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// How long an answer is waited for. Shorter than a stop, so that stops are felt.
pub(crate) const ANSWER: Duration = Duration::from_secs(1);
/// How long anything may take before it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Redis Streams, `appendonly yes`, `appendfsync always`.
    Redis,
    /// NATS JetStream, file storage.
    Nats,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    /// Starts a server whose data survives being killed.
    pub(crate) fn start(self) -> Result<Server> {
        Ok(match self {
            Self::Redis => Redis::start()?,
            // Every message is written to its file before it is confirmed. `sync_interval: always`
            // came with 2.10; it guards against a power failure, not against a kill.
            Self::Nats => Nats::start()?,
        })
    }

    /// Connects to a server, for as long as that takes.
    pub(crate) async fn connect(self, address: SocketAddr) -> Result<Arc<dyn MessageTransport>> {
        let url = self.url(address);
        match self {
            Self::Redis => {
                let config = RedisConfig::new(url)
                    .with_max_events(None)
                    .with_block_time(Duration::from_millis(100))
                    .with_timeouts(ANSWER, ANSWER, ANSWER * 2)
                    .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
                Ok(Arc::new(RedisTransport::new(config)?))
            }
            Self::Nats => {
                let config = NatsConfig::new([url])
                    .with_max_events(None)
                    .with_timeouts(ANSWER, ANSWER, ANSWER * 2)
                    .with_signs_of_life(Duration::from_millis(500), Duration::from_millis(200))
                    .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
                let deadline = Instant::now() + PATIENCE;
                loop {
                    match NatsTransport::connect(config.clone()).await {
                        Ok(transport) => return Ok(Arc::new(transport)),
                        Err(error) if Instant::now() > deadline => return Err(error.into()),
                        Err(_down) => sleep(PAUSE).await,
                    }
                }
            }
        }
    }

    pub(crate) fn url(self, address: SocketAddr) -> String {
        format!("{}://{address}", self.name())
    }

    /// Asks a server for its name and version.
    pub(crate) async fn version(self, address: SocketAddr) -> Result<String> {
        match self {
            Self::Redis => {
                let client = redis::Client::open(self.url(address))?;
                let mut connection = client.get_multiplexed_async_connection().await?;
                let info: String = redis::cmd("INFO")
                    .arg("server")
                    .query_async(&mut connection)
                    .await?;
                let version = info
                    .lines()
                    .find_map(|line| line.strip_prefix("redis_version:"))
                    .context("the server does not say its version")?;
                Ok(format!("redis-server {version}"))
            }
            Self::Nats => {
                let client = async_nats::connect(self.url(address)).await?;
                Ok(format!("nats-server {}", client.server_info().version))
            }
        }
    }
}
