//! Where the server is and how it is used.

use std::path::PathBuf;
use std::time::Duration;

use contexter_config::Secret;
use contexter_resilience::{RetryConfig, StackConfig};
use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};

use super::address::{Address, with_port};
use super::expected::CollectionConfig;
use super::sending::UploadConfig;

/// The server's gRPC port (<https://qdrant.tech/documentation/interfaces/#grpc-interface>).
pub const GRPC_PORT: u16 = 6334;

/// The server's REST port, which does not speak gRPC.
pub const REST_PORT: u16 = 6333;

/// How much longer a call is waited for here than the server may take: its own report that time is
/// up says more than a connection that was given up.
pub const GRACE: Duration = Duration::from_secs(1);

/// The most bytes that one upload batch may be set to.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// The most batches that may be on their way at once.
const MAX_CONCURRENCY: usize = 32;

/// The most connections to one server.
const MAX_CONNECTIONS: usize = 32;

/// The section `services.qdrant` of a configuration.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `host`, `port` | `localhost`, 6334 | where the server is, if there is no `url` |
/// | `url` | none | where the server is: `http://` or `https://`, the port is 6334 unless given |
/// | `api_key` | none | a key or a JSON web token of the server |
/// | `timeout` | 30 s | how long the server may take for one call |
/// | `connect_timeout` | 5 s | how long a connection may take |
/// | `connections` | 3 | connections that calls take turns on, as in the vendor's client |
/// | `ca_file` | none | certificates in PEM that are trusted besides those of the system |
/// | `retry_config` | preset | what [`StackConfig::qdrant`] has, where set |
/// | `collection_config` | nothing | what collections are expected to be |
/// | `upload` | 500 points, 4 MiB, 2 at once | how points are sent |
/// | `optimize_timeout` | 10 min | how long [`Optimize`](contexter_model::Optimize) waits |
/// | `snapshot_timeout` | 10 min | how long [`CreateSnapshot`](contexter_model::CreateSnapshot) waits |
///
/// Durations are text such as `"30s"` or a number of seconds. A key is sent over `http://` to this
/// machine only.
///
/// # Examples
///
/// ```
/// use contexter_qdrant::remote::Config;
///
/// let config: Config = serde_json::from_str(
///     r#"{
///         "host": "localhost",
///         "port": 6334,
///         "timeout": 10.0,
///         "collection_config": { "vector_size": 384, "distance_metric": "Cosine" }
///     }"#,
/// )?;
/// assert_eq!(config.endpoint(), "http://localhost:6334");
/// config.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The server's name or address.
    pub host: String,
    /// The server's gRPC port.
    pub port: u16,
    /// The server's address; takes the place of `host` and `port`.
    pub url: Option<String>,
    /// The key or JSON web token that the server asks for.
    pub api_key: Option<Secret>,
    /// How long the server may take for one call.
    #[serde(with = "contexter_service::duration")]
    pub timeout: Duration,
    /// How long a connection may take.
    #[serde(with = "contexter_service::duration")]
    pub connect_timeout: Duration,
    /// How many connections calls take turns on.
    pub connections: usize,
    /// A file of certificates in PEM that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// How failed calls are repeated.
    pub retry_config: RetryConfig,
    /// What collections are expected to be.
    pub collection_config: CollectionConfig,
    /// How points are sent.
    pub upload: UploadConfig,
    /// How long an [`Optimize`](contexter_model::Optimize) waits for the server.
    #[serde(with = "contexter_service::duration")]
    pub optimize_timeout: Duration,
    /// How long a [`CreateSnapshot`](contexter_model::CreateSnapshot) waits for the server, which copies
    /// the whole collection meanwhile.
    #[serde(with = "contexter_service::duration")]
    pub snapshot_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: GRPC_PORT,
            url: None,
            api_key: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            connections: 3,
            ca_file: None,
            retry_config: RetryConfig::default(),
            collection_config: CollectionConfig::default(),
            upload: UploadConfig::default(),
            optimize_timeout: Duration::from_mins(10),
            snapshot_timeout: Duration::from_mins(10),
        }
    }
}

impl Config {
    /// The defaults, with a key. [`Config::default`] is a server on this machine without one.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self::default().with_api_key(api_key)
    }

    /// Sets the server's name or address; `localhost` by default.
    #[must_use]
    pub fn with_host(mut self, name: impl Into<String>) -> Self {
        self.host = name.into();
        self
    }

    /// Sets the server's gRPC port; 6334 by default.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets where the server is, in place of host and port.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the key or JSON web token.
    #[must_use]
    pub fn with_api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets how long the server may take for one call; 30 s by default.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how long a connection may take; 5 s by default.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how many connections calls take turns on; 3 by default.
    #[must_use]
    pub fn with_connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Sets a file of certificates in PEM that are trusted besides those of the system.
    #[must_use]
    pub fn with_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Sets how failed calls are repeated.
    #[must_use]
    pub fn with_retry_config(mut self, retry: RetryConfig) -> Self {
        self.retry_config = retry;
        self
    }

    /// Sets what collections are expected to be.
    #[must_use]
    pub fn with_collection_config(mut self, expected: CollectionConfig) -> Self {
        self.collection_config = expected;
        self
    }

    /// Sets how points are sent.
    #[must_use]
    pub fn with_upload(mut self, upload: UploadConfig) -> Self {
        self.upload = upload;
        self
    }

    /// Sets how long an [`Optimize`](contexter_model::Optimize) waits for the server; 10 min by default.
    #[must_use]
    pub fn with_optimize_timeout(mut self, limit: Duration) -> Self {
        self.optimize_timeout = limit;
        self
    }

    /// Sets how long a [`CreateSnapshot`](contexter_model::CreateSnapshot) waits for the server; 10 min by
    /// default.
    #[must_use]
    pub fn with_snapshot_timeout(mut self, limit: Duration) -> Self {
        self.snapshot_timeout = limit;
        self
    }

    /// Returns the address that is connected to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.url {
            Some(url) => with_port(url.trim_end_matches('/')),
            None if self.host.parse::<std::net::Ipv6Addr>().is_ok() => {
                format!("http://[{}]:{}", self.host, self.port)
            }
            None => format!("http://{}:{}", self.host, self.port),
        }
    }

    /// Returns the settings of the stack around the calls: the preset for Qdrant with the timeout
    /// and the retry of this configuration.
    ///
    /// An attempt may take the timeout and two seconds more: the server's own report that time is up
    /// comes first, then that of the connection.
    #[must_use]
    pub fn stack(&self) -> StackConfig {
        let preset = StackConfig::qdrant();
        let attempt = self.timeout.saturating_add(GRACE).saturating_add(GRACE);
        let deadline = preset.deadline.map(|limit| limit.max(attempt));
        let retry = preset.retry.map(|retry| self.retry_config.over(retry));
        preset
            .retry(retry)
            .attempt_timeout(attempt)
            .deadline(deadline)
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used. No text of the key is among it.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let positive = |limit: Duration| {
            limit
                .is_zero()
                .then(|| "must be longer than zero, got 0s".to_owned())
        };
        let within = |value: usize, most: usize| {
            (value == 0 || value > most).then(|| format!("must be 1 to {most}, got {value}"))
        };
        InvalidConfig::join([
            InvalidConfig::check([
                ("url", self.address_fault()),
                ("api_key", self.key_fault()),
                ("timeout", positive(self.timeout)),
                ("connect_timeout", positive(self.connect_timeout)),
                ("connections", within(self.connections, MAX_CONNECTIONS)),
                ("optimize_timeout", positive(self.optimize_timeout)),
                ("snapshot_timeout", positive(self.snapshot_timeout)),
                (
                    "collection_config.vector_size",
                    (self.collection_config.vector_size == Some(0))
                        .then(|| "must be at least 1, got 0".to_owned()),
                ),
                (
                    "upload.batch_points",
                    within(self.upload.batch_points, usize::MAX),
                ),
                (
                    "upload.batch_bytes",
                    within(self.upload.batch_bytes, MAX_BATCH_BYTES),
                ),
                (
                    "upload.concurrency",
                    within(self.upload.concurrency, MAX_CONCURRENCY),
                ),
            ]),
            self.stack()
                .validate()
                .map_err(|faults| faults.within("retry_config")),
        ])
    }

    fn address_fault(&self) -> Option<String> {
        let endpoint = self.endpoint();
        let Some(address) = Address::parse(&endpoint) else {
            // The text may hold a password.
            return Some(
                "must be http://HOST or https://HOST with an optional port and nothing else"
                    .to_owned(),
            );
        };
        if address.port == REST_PORT {
            return Some(format!(
                "names port {REST_PORT}, which is REST: gRPC is on {GRPC_PORT}"
            ));
        }
        if self.api_key.is_some() && !address.tls && !address.is_loopback() {
            return Some(format!(
                "would send the key in clear text to {}: use https://",
                address.host,
            ));
        }
        None
    }

    fn key_fault(&self) -> Option<String> {
        let key = self.api_key.as_ref()?;
        if key.is_empty() {
            return Some("must not be empty".to_owned());
        }
        let visible = key.expose().bytes().all(|byte| byte.is_ascii_graphic());
        (!visible).then(|| "must be visible ASCII characters without spaces".to_owned())
    }
}
