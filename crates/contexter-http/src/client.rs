//! The client.

use std::fmt;
use std::sync::{Arc, OnceLock};

use contexter_model::{Error, ErrorKind};
use reqwest::dns::Resolve;
use reqwest::{Certificate, Url, redirect};

use crate::config::Route;
use crate::resolve::{Lookup, PublicOnly, System};
use crate::target::{self, Target};
use crate::{Config, Proxy, Secrets, http2, public};

/// How many redirects of a download are followed; one more is an error.
const MAX_REDIRECTS: usize = 5;

/// An HTTP client with limits; cloning is cheap and clones share their connections.
///
/// # Behavior
///
/// - Nothing is retried, and an [`Api`](crate::Api) follows no redirect.
/// - A [download](Self::download) accepts only `https://`, and `http://` to a loopback address. It
///   follows at most five redirects, each to an acceptable address, all within the one total
///   timeout. A server of the internet cannot redirect it to an address that is not
///   [public](crate::is_public), nor another machine to this one.
/// - The proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`, …) is used, except for
///   loopback addresses; [`Config::proxy`] and [`Config::no_proxy`] say otherwise.
/// - TLS certificates are always checked, by the roots of the system and those of the
///   configuration.
/// - HTTP/1.1 is spoken, and HTTP/2 where [`Config::http2`] says so.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    blueprint: Blueprint,
    /// Follows no redirect: for the calls of an API.
    staying: Pair,
    /// Follows redirects: for downloads, and built for the first of them.
    following: OnceLock<Pair>,
    secrets: Secrets,
}

/// A client for this machine and one for all others.
#[derive(Clone)]
struct Pair {
    public: reqwest::Client,
    loopback: reqwest::Client,
}

impl Pair {
    fn towards(&self, url: &Url) -> &reqwest::Client {
        if target::is_loopback(url) {
            &self.loopback
        } else {
            &self.public
        }
    }
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the user agent is no header value, a certificate cannot be read,
    /// a proxy is set for a client that is [`public_only`](Config::public_only), or if TLS cannot
    /// be set up.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::with_lookup(config, System)
    }

    pub(crate) fn with_lookup(config: &Config, lookup: impl Lookup) -> Result<Self, Error> {
        let blueprint = Blueprint::new(config, lookup)?;
        let staying = blueprint.build(Purpose::Calls)?;
        let secrets = blueprint.proxy().map(Proxy::secrets).unwrap_or_default();
        Ok(Self {
            inner: Arc::new(Inner {
                blueprint,
                staying,
                following: OnceLock::new(),
                secrets: Secrets::new(secrets),
            }),
        })
    }

    /// Begins a download.
    pub(crate) fn get(&self, target: Target) -> Result<reqwest::RequestBuilder, Error> {
        let url = target.into_url();
        self.check(&url)?;
        Ok(self.following()?.towards(&url).get(url))
    }

    /// Begins a call that follows no redirect.
    pub(crate) fn request(
        &self,
        method: reqwest::Method,
        url: Url,
    ) -> Result<reqwest::RequestBuilder, Error> {
        self.check(&url)?;
        Ok(self.inner.staying.towards(&url).request(method, url))
    }

    /// Refuses what this client may not ask.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Error> {
        if self.inner.blueprint.config.public_only && public::leads_inside(url) {
            return Err(public::not_public(url).with_not_sent());
        }
        Ok(())
    }

    /// Tells whether nobody on the way to this URL can read what is sent: it is encrypted, or does
    /// not leave this machine.
    pub(crate) fn is_private(&self, url: &Url) -> bool {
        let proxy = self.inner.blueprint.proxy();
        url.scheme() == "https"
            || (target::is_loopback(url) && proxy.is_none_or(Proxy::is_loopback))
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Returns the address of the proxy that was set.
    pub(crate) fn proxy(&self) -> Option<String> {
        self.inner.blueprint.proxy().map(Proxy::address)
    }

    fn following(&self) -> Result<&Pair, Error> {
        if let Some(pair) = self.inner.following.get() {
            return Ok(pair);
        }
        let pair = self.inner.blueprint.build(Purpose::Downloads)?;
        // Where two build one at the same time, the first is kept.
        Ok(self.inner.following.get_or_init(|| pair))
    }
}

/// Without the inner clients, which would show the proxy's password.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.inner.blueprint.config)
            .finish_non_exhaustive()
    }
}

/// What an inner client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Calls,
    Downloads,
}

/// What inner clients are built from.
struct Blueprint {
    config: Config,
    roots: Vec<Certificate>,
    resolver: Option<Arc<dyn Resolve>>,
}

impl Blueprint {
    fn new(config: &Config, lookup: impl Lookup) -> Result<Self, Error> {
        let blueprint = Self {
            roots: read_roots(config)?,
            resolver: config
                .public_only
                .then(|| Arc::new(PublicOnly::new(lookup)) as Arc<dyn Resolve>),
            config: config.clone(),
        };
        match blueprint.proxy() {
            Some(proxy) if config.public_only => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a client for the public internet only cannot use the proxy {}: it would \
                     resolve names by itself",
                    proxy.address()
                ),
            )),
            _ => Ok(blueprint),
        }
    }

    fn proxy(&self) -> Option<&Proxy> {
        match &self.config.route {
            Route::By(proxy) => Some(proxy),
            Route::Environment | Route::Direct => None,
        }
    }

    fn build(&self, purpose: Purpose) -> Result<Pair, Error> {
        // Only the environment's proxy treats this machine otherwise than all others.
        let by_environment = self.config.route == Route::Environment && !self.config.public_only;
        let public = self.build_one(purpose, by_environment)?;
        let loopback = if by_environment {
            self.build_one(purpose, false)?
        } else {
            public.clone()
        };
        Ok(Pair { public, loopback })
    }

    fn redirects(&self, purpose: Purpose) -> redirect::Policy {
        let public_only = self.config.public_only;
        match purpose {
            Purpose::Calls => redirect::Policy::none(),
            Purpose::Downloads => {
                redirect::Policy::custom(move |attempt| follow(attempt, public_only))
            }
        }
    }

    fn build_one(&self, purpose: Purpose, by_environment: bool) -> Result<reqwest::Client, Error> {
        let config = &self.config;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .timeout(config.total_timeout)
            .user_agent(config.user_agent.as_str())
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_max_idle_per_host)
            .referer(false)
            .redirect(self.redirects(purpose))
            .retry(reqwest::retry::never())
            // There are proxies that send header names with a space in them; the other headers of
            // such a reply are as good as ever.
            .http1_ignore_invalid_headers_in_responses(true)
            .tls_certs_merge(self.roots.clone());
        // A download wants no bound on what is read ahead.
        builder = if config.http2 && purpose == Purpose::Calls {
            http2::offer(builder, config.connect_timeout)
        } else {
            builder.http1_only()
        };
        if let Some(resolver) = &self.resolver {
            builder = builder.dns_resolver(Arc::clone(resolver));
        }
        if let Some(proxy) = self.proxy() {
            builder = builder.proxy(proxy.to_reqwest()?);
        } else if !by_environment {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| {
            Error::new(ErrorKind::Invalid, "cannot set up the http client")
                .with_source(error.without_url())
        })
    }
}

fn read_roots(config: &Config) -> Result<Vec<Certificate>, Error> {
    let mut roots = Vec::new();
    for pem in &config.roots {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|source| {
            Error::new(
                ErrorKind::Invalid,
                "a root certificate cannot be read, expected PEM",
            )
            .with_source(source)
        })?;
        if certificates.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a root certificate is empty, expected PEM",
            ));
        }
        roots.extend(certificates);
    }
    Ok(roots)
}

fn follow(attempt: redirect::Attempt<'_>, public_only: bool) -> redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(format!("more than {MAX_REDIRECTS} redirects"));
    }
    if attempt
        .previous()
        .last()
        .is_some_and(|from| may_lead(from, attempt.url(), public_only))
    {
        attempt.follow()
    } else {
        let shown = target::redacted(attempt.url());
        attempt.error(format!("redirect to {shown} is not allowed"))
    }
}

/// Tells whether a redirect may lead from one address to the other: never further inside than where
/// it comes from.
fn may_lead(from: &Url, to: &Url, public_only: bool) -> bool {
    target::is_acceptable(to)
        && (target::is_loopback(from) || !target::may_be_this_machine(to))
        && (!public::leads_inside(to) || (public::leads_inside(from) && !public_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(from: &str, to: &str, public_only: bool) -> bool {
        may_lead(
            &Url::parse(from).unwrap(),
            &Url::parse(to).unwrap(),
            public_only,
        )
    }

    #[test]
    fn no_redirect_leads_further_inside() {
        let inside = [
            "https://localhost/",
            "https://localhost./",
            "https://a.localhost/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "http://127.0.0.1/",
        ];
        for to in inside {
            assert!(!leads("https://example.org/", to, false), "{to}");
            assert!(!leads("https://10.0.0.1/", to, false), "{to}");
            assert!(leads("http://127.0.0.1:1/", to, false), "{to}");
            assert!(!leads("http://127.0.0.1:1/", to, true), "{to}");
        }
        for to in ["https://10.0.0.1/", "https://[::ffff:a9fe:a9fe]/latest"] {
            assert!(!leads("https://example.org/", to, false), "{to}");
            assert!(leads("https://10.0.0.2/", to, false), "{to}");
            assert!(!leads("https://10.0.0.2/", to, true), "{to}");
        }
        for from in ["https://example.org/", "https://10.0.0.1/", "http://[::1]/"] {
            assert!(leads(from, "https://other.example.org/", true), "{from}");
            assert!(!leads(from, "http://other.example.org/", false), "{from}");
        }
    }
}
