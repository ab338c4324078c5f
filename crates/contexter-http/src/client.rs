//! The client and its settings.

use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use reqwest::redirect;

use crate::target::{self, Target};

/// How many redirects are followed; one more is an error.
const MAX_REDIRECTS: usize = 5;

/// The settings of a [`Client`].
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    connect_timeout: Duration,
    read_timeout: Duration,
    total_timeout: Duration,
    user_agent: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(10),
            user_agent: concat!("contexter/", env!("CARGO_PKG_VERSION")).to_owned(),
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

    /// Limits how long the server may be silent while a reply is awaited or read. Default: 30
    /// seconds.
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
}

/// An HTTP client with limits; cloning is cheap and clones share their connections.
///
/// # Behavior
///
/// - Only `https://` is accepted, and `http://` to a loopback address.
/// - At most five redirects are followed, each to an acceptable address; a public server cannot
///   redirect to a loopback address.
/// - The proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`, …) is used, except for
///   loopback addresses.
/// - Nothing is retried.
#[derive(Clone, Debug)]
pub struct Client {
    public: reqwest::Client,
    loopback: reqwest::Client,
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the user agent is no header value, or if TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let invalid = |error: reqwest::Error| {
            Error::new(ErrorKind::Invalid, "cannot set up the http client").with_source(error)
        };
        Ok(Self {
            public: builder(config).build().map_err(invalid)?,
            loopback: builder(config).no_proxy().build().map_err(invalid)?,
        })
    }

    pub(crate) fn get(&self, target: Target) -> reqwest::RequestBuilder {
        if target.is_loopback() {
            self.loopback.get(target.into_url())
        } else {
            self.public.get(target.into_url())
        }
    }
}

fn builder(config: &Config) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.read_timeout)
        .timeout(config.total_timeout)
        .user_agent(config.user_agent.as_str())
        .referer(false)
        .redirect(redirect::Policy::custom(follow))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(format!("more than {MAX_REDIRECTS} redirects"));
    }
    let from_loopback = attempt.previous().last().is_some_and(target::is_loopback);
    if target::is_acceptable(attempt.url())
        && (from_loopback || !target::is_loopback(attempt.url()))
    {
        attempt.follow()
    } else {
        let shown = target::redacted(attempt.url());
        attempt.error(format!("redirect to {shown} is not allowed"))
    }
}
