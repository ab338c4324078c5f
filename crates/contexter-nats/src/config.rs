//! What can be set on the transport.

use std::time::Duration;

use async_nats::ServerAddr;
use contexter_config::Secret;
use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};

/// How a [`NatsTransport`](crate::NatsTransport) reaches its servers, and what it keeps there.
///
/// # Examples
///
/// ```
/// use contexter_nats::NatsConfig;
///
/// let config = NatsConfig::new(["nats://127.0.0.1:4222"])
///     .with_stream("orders", "orders")
///     .with_password("shop", "s3cret");
/// assert!(config.validate().is_ok());
/// assert!(!format!("{config:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NatsConfig {
    /// The servers of one cluster, `nats://host:port` or `tls://host:port`; secret because a URL may
    /// hold a password. Default one, `nats://127.0.0.1:4222`.
    pub servers: Vec<Secret>,
    /// The name of a user. Default none.
    pub user: Option<String>,
    /// The password of the user. Default none.
    pub password: Option<Secret>,
    /// A token instead of a user. Default none.
    pub token: Option<Secret>,
    /// The text of a credentials file (`.creds`) instead of a user. Default none.
    pub credentials: Option<Secret>,
    /// The seed of an NKey instead of a user. Default none.
    pub nkey: Option<Secret>,
    /// Whether connections without TLS are refused. Default no.
    pub require_tls: bool,
    /// The name of the stream. Default `contexter`.
    pub stream: String,
    /// What subjects begin with: one or more tokens. Default `contexter`.
    pub subject_prefix: String,
    /// How many events the stream keeps. Whatever is pushed out before a group has read it is lost
    /// to that group. Default 1,000,000; none is without limit. This limit and the next two are
    /// given to a stream that is made; one that is there keeps those that it has.
    pub max_events: Option<u64>,
    /// How many bytes the stream keeps, with subjects and headers; the oldest events make room.
    /// Default none: without limit.
    pub max_bytes: Option<u64>,
    /// How long the stream keeps an event, whether or not a group has read it. Between 100 ms and
    /// 10 years. Default none: without limit.
    #[serde(with = "contexter_service::duration::option")]
    pub max_age: Option<Duration>,
    /// How many dead letters are kept; the oldest make room. Default 10,000.
    pub max_dead_letters: u64,
    /// How many bytes an encoded event may have, headers and data. Default none: what the server
    /// takes, less what a dead letter adds to it.
    pub max_payload: Option<usize>,
    /// How many servers keep each event. Default 1.
    pub replicas: usize,
    /// How long the server recognises an event that is published twice. Default 2 minutes.
    #[serde(with = "contexter_service::duration")]
    pub duplicate_window: Duration,
    /// How many events of one group may be unsettled, those that wait to be tried again included.
    /// Default 65,536.
    pub max_ack_pending: u32,
    /// How long making a connection may take. Default 5 s.
    #[serde(with = "contexter_service::duration")]
    pub connect_timeout: Duration,
    /// How long the server may take to answer. Default 5 s.
    #[serde(with = "contexter_service::duration")]
    pub response_timeout: Duration,
    /// How long publishing waits for a connection and the answer together. Default 10 s.
    #[serde(with = "contexter_service::duration")]
    pub publish_timeout: Duration,
    /// How often the connection is tested; after two tests without an answer it is made again.
    /// Default 2 s.
    #[serde(with = "contexter_service::duration")]
    pub ping_interval: Duration,
    /// How often the server says to an idle consumer that it is there; after three times without it
    /// the consumer begins anew. Default 1 s.
    #[serde(with = "contexter_service::duration")]
    pub heartbeat: Duration,
    /// The pause before a connection is made again; it doubles from then on. Default 50 ms.
    #[serde(with = "contexter_service::duration")]
    pub reconnect_base: Duration,
    /// The longest pause between attempts to make a connection. Default 2 s.
    #[serde(with = "contexter_service::duration")]
    pub reconnect_max: Duration,
    /// How long the server remembers a subscription without a group that gave no sign of life.
    /// Default 10 minutes.
    #[serde(with = "contexter_service::duration")]
    pub forget_after: Duration,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".into()],
            user: None,
            password: None,
            token: None,
            credentials: None,
            nkey: None,
            require_tls: false,
            stream: "contexter".to_owned(),
            subject_prefix: "contexter".to_owned(),
            max_events: Some(1_000_000),
            max_bytes: None,
            max_age: None,
            max_dead_letters: 10_000,
            max_payload: None,
            replicas: 1,
            duplicate_window: Duration::from_mins(2),
            max_ack_pending: 65_536,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(2),
            heartbeat: Duration::from_secs(1),
            reconnect_base: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(2),
            forget_after: Duration::from_mins(10),
        }
    }
}

impl NatsConfig {
    /// The defaults, with servers.
    #[must_use]
    pub fn new<S: Into<Secret>>(servers: impl IntoIterator<Item = S>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets the name of the stream and what subjects begin with.
    #[must_use]
    pub fn with_stream(mut self, stream: impl Into<String>, prefix: impl Into<String>) -> Self {
        self.stream = stream.into();
        self.subject_prefix = prefix.into();
        self
    }

    /// Sets a user and a password.
    #[must_use]
    pub fn with_password(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }

    /// Sets a token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets how many events the stream keeps.
    #[must_use]
    pub fn with_max_events(mut self, events: Option<u64>) -> Self {
        self.max_events = events;
        self
    }

    /// Sets how many bytes the stream keeps.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: Option<u64>) -> Self {
        self.max_bytes = bytes;
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
    pub fn with_max_payload(mut self, bytes: Option<usize>) -> Self {
        self.max_payload = bytes;
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

    /// Sets how often a connection is tested, and how often the server shows an idle consumer that
    /// it is there.
    #[must_use]
    pub fn with_signs_of_life(mut self, ping: Duration, heartbeat: Duration) -> Self {
        self.ping_interval = ping;
        self.heartbeat = heartbeat;
        self
    }

    /// Sets the first and the longest pause between attempts to make a connection.
    #[must_use]
    pub fn with_reconnect(mut self, base: Duration, max: Duration) -> Self {
        self.reconnect_base = base;
        self.reconnect_max = max;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once. Nothing secret is in them.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let many = usize::from(self.user.is_some() || self.password.is_some())
            + usize::from(self.token.is_some())
            + usize::from(self.credentials.is_some())
            + usize::from(self.nkey.is_some());
        let at_least_1 =
            |n: Option<u64>| (n == Some(0)).then(|| "must be at least 1, got 0".into());
        let order = (self.reconnect_max < self.reconnect_base).then(|| {
            let base = self.reconnect_base;
            format!(
                "must be at least reconnect_base ({base:?}), got {:?}",
                self.reconnect_max
            )
        });
        InvalidConfig::check([
            ("servers", self.addresses().err()),
            (
                "user",
                (self.user.is_some() != self.password.is_some())
                    .then(|| "user and password must be given together".to_owned()),
            ),
            (
                "credentials",
                (many > 1).then(|| {
                    "only one of user, token, credentials and nkey may be given".to_owned()
                }),
            ),
            ("stream", stream_fault(&self.stream)),
            ("subject_prefix", prefix_fault(&self.subject_prefix)),
            ("max_events", at_least_1(self.max_events)),
            ("max_bytes", at_least_1(self.max_bytes)),
            ("max_age", self.max_age.and_then(|age| out_of(AGES, age))),
            ("max_dead_letters", at_least_1(Some(self.max_dead_letters))),
            (
                "max_payload",
                self.max_payload
                    .filter(|bytes| !(1..=LARGEST_PAYLOAD).contains(bytes))
                    .map(|bytes| format!("must be 1 to {LARGEST_PAYLOAD} bytes, got {bytes}")),
            ),
            (
                "replicas",
                (!(1..=5).contains(&self.replicas))
                    .then(|| format!("must be 1 to 5, got {}", self.replicas)),
            ),
            ("duplicate_window", out_of(AGES, self.duplicate_window)),
            (
                "max_ack_pending",
                at_least_1(Some(u64::from(self.max_ack_pending))),
            ),
            ("connect_timeout", out_of(TIMES, self.connect_timeout)),
            ("response_timeout", out_of(TIMES, self.response_timeout)),
            ("publish_timeout", out_of(TIMES, self.publish_timeout)),
            ("ping_interval", out_of(TIMES, self.ping_interval)),
            ("heartbeat", out_of(HEARTBEATS, self.heartbeat)),
            ("reconnect_base", out_of(TIMES, self.reconnect_base)),
            (
                "reconnect_max",
                order.or_else(|| out_of(TIMES, self.reconnect_max)),
            ),
            ("forget_after", out_of(MEMORIES, self.forget_after)),
        ])
    }

    /// Returns the addresses, or what is wrong with them. The text of a URL is never repeated.
    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, String> {
        if self.servers.is_empty() {
            return Err("must name at least one server".to_owned());
        }
        self.servers
            .iter()
            .enumerate()
            .map(|(index, server)| {
                server.expose().parse().map_err(|_may_hold_a_password| {
                    format!("server {index} must be nats://host:port or tls://host:port (it is not shown)")
                })
            })
            .collect()
    }
}

/// What the server can be set to at most.
const LARGEST_PAYLOAD: usize = 64 * 1024 * 1024;

/// Names of streams are names of folders at the server.
const MAX_STREAM_BYTES: usize = 200;

type Range = (Duration, Duration);
const TIMES: Range = (Duration::from_millis(1), Duration::from_hours(1));
const HEARTBEATS: Range = (Duration::from_millis(100), Duration::from_secs(30));
const AGES: Range = (
    Duration::from_millis(100),
    Duration::from_hours(24 * 365 * 10),
);
const MEMORIES: Range = (Duration::from_secs(1), Duration::from_hours(24 * 365));

fn out_of((low, high): Range, given: Duration) -> Option<String> {
    (!(low..=high).contains(&given))
        .then(|| format!("must be between {low:?} and {high:?}, got {given:?}"))
}

fn stream_fault(stream: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_good =
        !stream.is_empty() && stream.len() <= MAX_STREAM_BYTES && stream.bytes().all(good);
    (!is_good).then(|| {
        format!("must be 1 to {MAX_STREAM_BYTES} ASCII letters, digits, `-` or `_`, got {stream:?}")
    })
}

fn prefix_fault(prefix: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(good);
    let is_good = prefix.len() <= MAX_STREAM_BYTES && prefix.split('.').all(is_token);
    (!is_good).then(|| {
        format!(
            "must be tokens of ASCII letters, digits, `-` or `_`, separated by dots, got {prefix:?}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(NatsConfig::default().validate().is_ok());
    }

    #[test]
    fn every_fault_is_told_and_no_secret() {
        let mut config = NatsConfig::new(["nats://u:hidden@[::"]).with_stream("a.b", "a..b");
        config.password = Some("hidden".into());
        config.token = Some("hidden".into());
        config.max_events = Some(0);
        config.replicas = 6;
        config.heartbeat = Duration::ZERO;
        config.reconnect_max = Duration::from_millis(1);
        let faults = config.validate().unwrap_err();
        let fields: Vec<_> = faults
            .faults()
            .iter()
            .map(|fault| fault.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "servers",
                "user",
                "credentials",
                "stream",
                "subject_prefix",
                "max_events",
                "replicas",
                "heartbeat",
                "reconnect_max"
            ]
        );
        assert!(!format!("{faults} {faults:?} {config:?}").contains("hidden"));
    }
}
