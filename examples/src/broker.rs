//! The broker that a URL names.

use std::sync::Arc;

use contexter_event_bus::{MessageTransport, TransportError};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_service::InvalidConfig;

/// Why there is no broker.
///
/// No URL is repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The URL names no broker.
    #[error("the URL must begin with redis://, unix://, nats:// or tls:// (it is not shown)")]
    Scheme,
    /// The URL or the name of the bus cannot be used.
    #[error("the broker cannot be used so")]
    Config(#[from] InvalidConfig),
    /// The broker cannot be reached, or refuses.
    #[error("the broker cannot be used")]
    Transport(#[from] TransportError),
    /// Nobody has made a bus of this name.
    #[error("no such bus at the broker: {0:?}")]
    NoSuchBus(String),
    /// The broker cannot be reached.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
}

impl BrokerError {
    /// Returns whether something else must be asked for, and trying again is no use.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Scheme | Self::Config(_))
    }
}

/// Connects to the broker that a URL names, for the bus `name`, which is made if it is not there.
///
/// # Errors
///
/// Returns an error if the URL names no broker, a setting cannot be used, or the broker cannot be
/// reached.
pub async fn connect(url: &str, name: &str) -> Result<Arc<dyn MessageTransport>, BrokerError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("redis" | "unix") => {
            let transport = RedisTransport::new(RedisConfig::new(url).with_name(name))?;
            let health = transport.health().await;
            if !health.is_up() {
                let why = health.last_error.unwrap_or_else(|| "no answer".to_owned());
                return Err(BrokerError::Unreachable(why));
            }
            Ok(Arc::new(transport))
        }
        Some("nats" | "tls") => Ok(Arc::new(NatsTransport::connect(nats(url, name)?).await?)),
        _ => Err(BrokerError::Scheme),
    }
}

/// Connects as [`connect`] does, but makes no bus: on NATS there must be one of that name. Redis
/// keeps nothing for a bus without events, so there any name is one that is empty.
///
/// # Errors
///
/// Returns an error as [`connect`] does, or if there is no such bus.
pub async fn connect_existing(
    url: &str,
    name: &str,
) -> Result<Arc<dyn MessageTransport>, BrokerError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("nats" | "tls")) {
        return connect(url, name).await;
    }
    match NatsTransport::connect_existing(nats(url, name)?).await? {
        Some(transport) => Ok(Arc::new(transport)),
        None => Err(BrokerError::NoSuchBus(name.to_owned())),
    }
}

fn nats(url: &str, name: &str) -> Result<NatsConfig, InvalidConfig> {
    let config = NatsConfig::new([url]).with_stream(name, name);
    config.validate()?;
    Ok(config)
}
