//! How the native proxy is reached.

use std::path::PathBuf;
use std::time::Duration;

use contexter_config::Secret;
use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::target::PublicUrl;
use crate::text::brief;
use crate::user::ProxyUser;

/// The vendor's proxy, and its port since July 2026: the certificates of 22225 and 33335 have expired
/// (<https://docs.brightdata.com/general/account/ssl-certificate-migration>).
const PROXY_HOST: &str = "brd.superproxy.io";
const PROXY_PORT: u16 = 44_445;

/// The vendor's page for tests of the proxy
/// (<https://docs.brightdata.com/proxy-networks/config-options>).
const DIAGNOSIS_URL: &str = "http://geo.brdtest.com/welcome.txt";

/// A tunnel goes to a peer and on to the target, which takes longer than a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How the native proxy is reached.
///
/// For residential, mobile, unlocker and search zones the vendor re-signs the traffic with its own
/// certificate, which has to be given then (<https://brightdata.com/static/brightdata_proxy_ca.zip>). It
/// is trusted by the proxy's client alone; the check of certificates is never switched off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// The host. Default `brd.superproxy.io`.
    pub host: String,
    /// The port. Default 44445.
    pub port: u16,
    /// The parts of the user name.
    pub user: ProxyUser,
    /// The zone's password.
    pub password: Secret,
    /// The vendor's certificate as PEM.
    pub ca: Option<String>,
    /// A file with the vendor's certificate as PEM, in place of `ca`. It is read when the adapter is
    /// made.
    pub ca_file: Option<PathBuf>,
    /// The time until there is a connection to the proxy and, for `https://` pages, a tunnel to their
    /// host, which the vendor opens by one of its peers. Default 30 s; it should be less than
    /// [`Config::timeout`](crate::Config::timeout).
    #[serde(with = "contexter_service::duration")]
    pub connect_timeout: Duration,
    /// A plain page of the public web, asked for once when a tunnel cannot be opened, to learn why.
    /// Default `http://geo.brdtest.com/welcome.txt`.
    pub diagnosis_url: String,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            host: PROXY_HOST.to_owned(),
            port: PROXY_PORT,
            user: ProxyUser::default(),
            password: Secret::from(""),
            ca: None,
            ca_file: None,
            connect_timeout: CONNECT_TIMEOUT,
            diagnosis_url: DIAGNOSIS_URL.to_owned(),
        }
    }
}

impl ProxyConfig {
    /// The defaults, with what has none.
    pub fn new(user: ProxyUser, password: impl Into<Secret>) -> Self {
        Self {
            user,
            password: password.into(),
            ..Self::default()
        }
    }

    /// Sets where the proxy is.
    #[must_use]
    pub fn with_address(mut self, host: impl Into<String>, port: u16) -> Self {
        self.host = host.into();
        self.port = port;
        self
    }

    /// Sets the vendor's certificate, as PEM.
    #[must_use]
    pub fn with_ca(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Sets a file with the vendor's certificate as PEM, in place of [`with_ca`](Self::with_ca).
    #[must_use]
    pub fn with_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Sets the time until there is a connection to the proxy, and a tunnel to the page's host.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the page that is asked for when a tunnel cannot be opened.
    #[must_use]
    pub fn with_diagnosis_url(mut self, url: impl Into<String>) -> Self {
        self.diagnosis_url = url.into();
        self
    }

    /// Returns the address as the client takes it. To the proxy itself the vendor speaks plain HTTP.
    pub(crate) fn address(&self) -> String {
        let host = &self.host;
        let is_v6 = host.contains(':') && !host.starts_with('[');
        if is_v6 {
            format!("http://[{host}]:{}", self.port)
        } else {
            format!("http://{host}:{}", self.port)
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let host_is_good = Url::parse(&self.address()).is_ok_and(|url| {
            url.has_host()
                && url.path() == "/"
                && url.username().is_empty()
                && url.query().is_none()
        });
        let diagnosis = match self.diagnosis_url.parse::<PublicUrl>() {
            Ok(url) if url.url().scheme() == "http" => None,
            Ok(_) => Some("must be an http:// address, which needs no tunnel".to_owned()),
            Err(error) => Some(error.message().to_owned()),
        };
        InvalidConfig::join([
            InvalidConfig::check([
                (
                    "host",
                    (!host_is_good).then(|| {
                        format!(
                            "must be a host name or an address, got {:?}",
                            brief(&self.host)
                        )
                    }),
                ),
                (
                    "port",
                    (self.port == 0).then(|| "must be 1 to 65535, got 0".to_owned()),
                ),
                (
                    "password",
                    self.password.is_empty().then(|| "is missing".to_owned()),
                ),
                (
                    "ca_file",
                    (self.ca.is_some() && self.ca_file.is_some())
                        .then(|| "cannot be set together with ca".to_owned()),
                ),
                (
                    "connect_timeout",
                    self.connect_timeout
                        .is_zero()
                        .then(|| "must be longer than zero, got 0s".to_owned()),
                ),
                ("diagnosis_url", diagnosis),
            ]),
            self.user.validate().map_err(|faults| faults.within("user")),
        ])
    }
}
