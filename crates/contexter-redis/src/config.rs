//! What can be set on the transport.

use std::time::Duration;

use contexter_config::Secret;
use contexter_service::{Backoff, InvalidConfig};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use serde::{Deserialize, Serialize};

/// How a [`RedisTransport`](crate::RedisTransport) reaches its server, and what it keeps there.
///
/// # Examples
///
/// ```
/// use contexter_redis::RedisConfig;
///
/// let config = RedisConfig::new("redis://:s3cret@127.0.0.1:6379/2").with_name("orders");
/// assert!(config.validate().is_ok());
/// assert!(!format!("{config:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where the server is: `redis://[user][:password@]host[:port][/database]` or
    /// `unix:///path`. Default `redis://127.0.0.1:6379`.
    pub url: Secret,
    /// The name of the bus, with which all its keys begin. Buses of different names share nothing.
    /// Default `contexter`.
    pub name: String,
    /// How many events the stream keeps, roughly: the server trims whole nodes. Whatever is
    /// trimmed before a group has read it is lost to that group. Default 1,000,000; none keeps as
    /// many as the memory of the server takes.
    pub max_events: Option<u64>,
    /// How long the stream keeps an event, by the clock of the server, whether or not a group has
    /// read it. It is kept for a tenth of that longer at most, or a minute, if the process publishes
    /// or subscribes. Between 100 ms and 10 years. Default none: as long as there is room. There is
    /// no limit of bytes: Redis has none for a stream.
    #[serde(with = "contexter_service::duration::option")]
    pub max_age: Option<Duration>,
    /// How many dead letters are kept; the oldest make room. Default 10,000.
    pub max_dead_letters: u64,
    /// How many bytes an encoded event may have, headers and data. Default 1 MiB.
    pub max_payload: usize,
    /// How long one blocking read waits at the server. The events that another consumer gave back
    /// are noticed after this time. Default 250 ms.
    #[serde(with = "contexter_service::duration")]
    pub block_time: Duration,
    /// How long making a connection may take. Default 5 s.
    #[serde(with = "contexter_service::duration")]
    pub connect_timeout: Duration,
    /// How long the server may take to answer; then the connection is made again. Default 5 s.
    #[serde(with = "contexter_service::duration")]
    pub response_timeout: Duration,
    /// How long publishing waits for a connection and the answer together. Default 10 s.
    #[serde(with = "contexter_service::duration")]
    pub publish_timeout: Duration,
    /// The pause before a connection is made again; it doubles from then on. Default 50 ms.
    #[serde(with = "contexter_service::duration")]
    pub reconnect_base: Duration,
    /// The longest pause between attempts to make a connection. Default 2 s.
    #[serde(with = "contexter_service::duration")]
    pub reconnect_max: Duration,
    /// How long the server remembers a subscription without a group, and an idle consumer, that
    /// gave no sign of life; time in which the server was not running does not count. Default 10
    /// minutes.
    #[serde(with = "contexter_service::duration")]
    pub forget_after: Duration,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            name: "contexter".to_owned(),
            max_events: Some(1_000_000),
            max_age: None,
            max_dead_letters: 10_000,
            max_payload: 1024 * 1024,
            block_time: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(10),
            reconnect_base: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(2),
            forget_after: Duration::from_mins(10),
        }
    }
}

impl RedisConfig {
    /// The defaults, with a server.
    #[must_use]
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// Sets the name of the bus.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how many events the stream keeps, roughly.
    #[must_use]
    pub fn with_max_events(mut self, events: Option<u64>) -> Self {
        self.max_events = events;
        self
    }

    /// Sets how long the stream keeps an event.
    #[must_use]
    pub fn with_max_age(mut self, age: Option<Duration>) -> Self {
        self.max_age = age;
        self
    }

    /// Sets how many dead letters are kept.
    #[must_use]
    pub fn with_max_dead_letters(mut self, letters: u64) -> Self {
        self.max_dead_letters = letters;
        self
    }

    /// Sets how many bytes an encoded event may have.
    #[must_use]
    pub fn with_max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Sets how long one blocking read waits at the server.
    #[must_use]
    pub fn with_block_time(mut self, time: Duration) -> Self {
        self.block_time = time;
        self
    }

    /// Sets how long a connection, an answer and a publication may take.
    #[must_use]
    pub fn with_timeouts(
        mut self,
        connect: Duration,
        response: Duration,
        publish: Duration,
    ) -> Self {
        self.connect_timeout = connect;
        self.response_timeout = response;
        self.publish_timeout = publish;
        self
    }

    /// Sets the first and the longest pause between attempts to make a connection.
    #[must_use]
    pub fn with_reconnect(mut self, base: Duration, max: Duration) -> Self {
        self.reconnect_base = base;
        self.reconnect_max = max;
        self
    }

    /// Sets how long the server remembers a consumer without a sign of life.
    #[must_use]
    pub fn with_forget_after(mut self, time: Duration) -> Self {
        self.forget_after = time;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once. The URL is in none of them.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let url = self.connection_info().err();
        let name_is_good = !self.name.is_empty()
            && self.name.len() <= MAX_NAME_BYTES
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}'));
        InvalidConfig::check([
            ("url", url),
            (
                "name",
                (!name_is_good).then(|| {
                    format!(
                        "must be 1 to {MAX_NAME_BYTES} printable ASCII characters without space \
                         and braces, got {:?}",
                        self.name
                    )
                }),
            ),
            (
                "max_events",
                (self.max_events == Some(0)).then(|| "must be at least 1, got 0".to_owned()),
            ),
            ("max_age", self.max_age.and_then(|age| out_of(AGES, age))),
            (
                "max_dead_letters",
                (self.max_dead_letters == 0).then(|| "must be at least 1, got 0".to_owned()),
            ),
            (
                "max_payload",
                (!(1..=LARGEST_PAYLOAD).contains(&self.max_payload)).then(|| {
                    format!(
                        "must be 1 to {LARGEST_PAYLOAD} bytes, got {}",
                        self.max_payload
                    )
                }),
            ),
            ("block_time", out_of(BLOCK_TIMES, self.block_time)),
            ("connect_timeout", out_of(TIMEOUTS, self.connect_timeout)),
            ("response_timeout", out_of(TIMEOUTS, self.response_timeout)),
            ("publish_timeout", out_of(TIMEOUTS, self.publish_timeout)),
            ("reconnect_base", out_of(PAUSES, self.reconnect_base)),
            (
                "reconnect_max",
                (self.reconnect_max < self.reconnect_base)
                    .then(|| {
                        format!(
                            "must be at least reconnect_base ({:?}), got {:?}",
                            self.reconnect_base, self.reconnect_max
                        )
                    })
                    .or_else(|| out_of(PAUSES, self.reconnect_max)),
            ),
            ("forget_after", out_of(MEMORIES, self.forget_after)),
        ])
    }

    /// Returns what the client library makes of the URL, or what is wrong with it.
    pub(crate) fn connection_info(&self) -> Result<ConnectionInfo, String> {
        const ALLOWED: &str = "must be redis://[user][:password@]host[:port][/database] or \
                               unix:///path (it is not shown)";
        // The library's error may repeat the URL, and with it the password.
        let info = self
            .url
            .expose()
            .into_connection_info()
            .map_err(|_may_hold_the_password| ALLOWED.to_owned())?;
        match info.addr() {
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => Ok(info),
            _ => Err(format!("{ALLOWED}; TLS is not supported")),
        }
    }

    pub(crate) fn backoff(&self) -> Result<Backoff, InvalidConfig> {
        Backoff::new(self.reconnect_base, self.reconnect_max)
    }
}

/// Keys are repeated in every command.
const MAX_NAME_BYTES: usize = 128;

/// What the server takes as one string by default (`proto-max-bulk-len`).
const LARGEST_PAYLOAD: usize = 512 * 1024 * 1024;

type Range = (Duration, Duration);
const AGES: Range = (
    Duration::from_millis(100),
    Duration::from_hours(24 * 365 * 10),
);
/// The server counts in milliseconds, and takes 0 for ever.
const BLOCK_TIMES: Range = (Duration::from_millis(1), Duration::from_secs(30));
const TIMEOUTS: Range = (Duration::from_millis(1), Duration::from_hours(1));
const PAUSES: Range = (Duration::from_millis(1), Duration::from_hours(1));
const MEMORIES: Range = (Duration::from_secs(1), Duration::from_hours(24 * 365));

pub(crate) fn out_of((low, high): Range, given: Duration) -> Option<String> {
    (!(low..=high).contains(&given))
        .then(|| format!("must be between {low:?} and {high:?}, got {given:?}"))
}
