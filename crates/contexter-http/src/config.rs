//! The settings of a client.

use std::fmt;
use std::time::Duration;

use crate::Proxy;

/// How many idle connections to one host are kept.
const MAX_IDLE_PER_HOST: usize = 20;

/// The settings of a [`Client`](crate::Client).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_http::{Client, Config};
///
/// let config = Config::default().read_timeout(Duration::from_secs(10));
/// let client = Client::new(&config)?;
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) total_timeout: Duration,
    pub(crate) user_agent: String,
    pub(crate) route: Route,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) pool_idle_timeout: Duration,
    pub(crate) pool_max_idle_per_host: usize,
    pub(crate) public_only: bool,
    pub(crate) http2: bool,
}

/// How a client reaches hosts that are not this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// As the environment says (`HTTPS_PROXY`, `NO_PROXY`, …).
    Environment,
    /// Without a proxy.
    Direct,
    /// By this proxy; also to this machine, unless the proxy's exceptions name it.
    By(Proxy),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(10),
            user_agent: concat!("contexter/", env!("CARGO_PKG_VERSION")).to_owned(),
            route: Route::Environment,
            roots: Vec::new(),
            pool_idle_timeout: Duration::from_secs(90),
            pool_max_idle_per_host: MAX_IDLE_PER_HOST,
            public_only: false,
            http2: false,
        }
    }
}

impl Config {
    /// Limits how long a connection, with its TLS handshake, may take. Default: 5 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Limits how long the server may be silent while a reply is awaited or read. It is silent while the
    /// request is sent to it, too: a large body needs more. Default: 30 seconds.
    #[must_use]
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = limit;
        self
    }

    /// Limits a whole request, from connecting to the last byte of the reply. Default: 10 minutes.
    #[must_use]
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.total_timeout = limit;
        self
    }

    /// Sets the name sent with every request. Default: `contexter/` and the version.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Sends every request by this proxy, also those to a loopback address, except where
    /// [`Proxy::except`] says otherwise. Default: the proxy that the environment names.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.route = Route::By(proxy);
        self
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.route = Route::Direct;
        self
    }

    /// Trusts these certificates besides those of the system: one or more in PEM.
    ///
    /// Whoever holds the key of such a certificate can stand in for any host, so give it to a
    /// client that talks to nobody else. Default: none.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: &[u8]) -> Self {
        self.roots.push(pem.to_vec());
        self
    }

    /// Sets after how long an unused connection is closed. Default: 90 seconds.
    #[must_use]
    pub fn pool_idle_timeout(mut self, limit: Duration) -> Self {
        self.pool_idle_timeout = limit;
        self
    }

    /// Sets how many unused connections to one host are kept open. Default: 20.
    #[must_use]
    pub fn pool_max_idle_per_host(mut self, limit: usize) -> Self {
        self.pool_max_idle_per_host = limit;
        self
    }

    /// Refuses hosts that are not of the public internet, for URLs that others chose.
    ///
    /// An address in the URL or in a redirect must be [public](crate::is_public), and so must
    /// every address that its name resolves to; the connection goes to those very addresses. The
    /// refusal is [`ErrorKind::Invalid`](contexter_model::ErrorKind::Invalid), caused by
    /// [`NotPublic`](crate::NotPublic) where a name was at fault. No proxy is used, because a
    /// proxy resolves names by itself. Default: off.
    #[must_use]
    pub fn public_only(mut self) -> Self {
        self.public_only = true;
        self
    }

    /// Lets the calls of an [`Api`](crate::Api) speak HTTP/2 with servers that choose it over TLS.
    /// Default: off.
    ///
    /// All calls to a host share one connection then, and at most 1 MiB of a reply is read ahead of who
    /// takes it. A connection that brings nothing for the [`connect_timeout`](Self::connect_timeout)
    /// (within a second and an hour) while requests are under way is asked whether it lives, and is given
    /// up if it does not answer within four times as long: a dead one is found within five times.
    ///
    /// It is for replies that say where they end: by their length, by their compression, or as JSON does.
    /// A server that gives up a reply without saying why (`NO_ERROR`), as some proxies do, looks to the
    /// HTTP library as if it had ended it. Where the length was announced, that is seen and is
    /// [`ErrorKind::Unavailable`](contexter_model::ErrorKind::Unavailable); otherwise it is not.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }
}

/// Without the proxy's password and the certificates.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("user_agent", &self.user_agent)
            .field("route", &self.route)
            .field("roots", &self.roots.len())
            .field("pool_idle_timeout", &self.pool_idle_timeout)
            .field("pool_max_idle_per_host", &self.pool_max_idle_per_host)
            .field("public_only", &self.public_only)
            .field("http2", &self.http2)
            .finish()
    }
}
