//! The native proxy: pages fetched by us, through the vendor's addresses.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_config::Secret;
use contexter_http::{Api, Auth, Client, Proxy, Request, redact_url};
use contexter_model::{Error, ErrorKind, FetchPage, Page, PageFormat};
use contexter_service::{Capability, Cx, Service, Verdict as _};
use parking_lot::Mutex;

use crate::config::ProxyConfig;
use crate::judge::{judge, judge_proxied};
use crate::lines::HeaderLines;
use crate::link::{Attempt, Link, refused_here};
use crate::refusal::{Class, Refusal, Retry};
use crate::target::PublicUrl;
use crate::unlock::{Unlocked, converted, follow, lower_case, page};
use crate::user::{ProxyUser, country_problem};

/// As many visitors with different user names are kept; each has connections of its own.
const MAX_VISITORS: usize = 16;

/// Fetches a page through the proxy. The reply is the target's own, whatever its status. `Debug` shows
/// neither the query nor the session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchByProxy {
    /// The absolute address.
    pub url: String,
    /// The country of the peer, in place of the configured one.
    pub country: Option<String>,
    /// The session, in place of the configured one: letters and digits.
    pub session: Option<String>,
}

impl FetchByProxy {
    /// Asks for `url` by `GET`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            country: None,
            session: None,
        }
    }

    /// Sets the country of the peer.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// Sets the session.
    #[must_use]
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }
}

impl fmt::Debug for FetchByProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchByProxy")
            .field("url", &redact_url(&self.url))
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}

impl Capability for FetchByProxy {
    const NAME: &'static str = "proxy_fetch";
    type Response = Unlocked;
    type Error = Error;
}

/// The proxy of one zone.
#[derive(Clone)]
pub(crate) struct NativeProxy {
    link: Link,
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    user: ProxyUser,
    password: Secret,
    ca_pem: Option<String>,
    diagnosis: PublicUrl,
    connect_timeout: Duration,
    timeout: Duration,
    max_body: u64,
    /// The visitors that were there last, the latest at the end; by user name.
    visitors: Mutex<Vec<(String, Visitor)>>,
}

/// Who asks under one user name.
#[derive(Clone)]
struct Visitor {
    client: Client,
    /// Knows what this visitor shows to the proxy, which no text may repeat.
    link: Link,
}

impl fmt::Debug for NativeProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeProxy")
            .field("address", &self.inner.address)
            .field("user", &self.inner.user)
            .finish_non_exhaustive()
    }
}

impl NativeProxy {
    /// Prepares the proxy, and one client, so that what is wrong with the certificate shows at once.
    pub(crate) fn new(
        link: Link,
        config: &ProxyConfig,
        ca_pem: Option<String>,
        timeout: Duration,
        max_body: u64,
    ) -> Result<Self, Error> {
        let proxy = Self {
            link,
            inner: Arc::new(Inner {
                address: config.address(),
                user: config.user.clone(),
                password: config.password.clone(),
                ca_pem,
                diagnosis: config.diagnosis_url.parse()?,
                connect_timeout: config.connect_timeout,
                timeout,
                max_body,
                visitors: Mutex::default(),
            }),
        };
        proxy.visitor(&proxy.inner.user)?;
        Ok(proxy)
    }

    /// Returns the visitor of this user name.
    fn visitor(&self, user: &ProxyUser) -> Result<Visitor, Error> {
        let name = user
            .name()
            .map_err(|faults| Error::new(ErrorKind::Invalid, faults.to_string()))?;
        let mut visitors = self.inner.visitors.lock();
        if let Some(at) = visitors.iter().position(|(known, _)| *known == name) {
            let kept = visitors.remove(at);
            let visitor = kept.1.clone();
            visitors.push(kept);
            return Ok(visitor);
        }
        let password = self.inner.password.expose();
        let proxy = Proxy::new(&self.inner.address)?.basic_auth(name.as_str(), password);
        let mut config = contexter_http::Config::default()
            .proxy(proxy)
            .connect_timeout(self.inner.connect_timeout)
            .read_timeout(self.inner.timeout)
            .total_timeout(self.inner.timeout);
        if let Some(pem) = &self.inner.ca_pem {
            config = config.root_certificate_pem(pem.as_bytes());
        }
        // As it travels.
        let login = STANDARD.encode(format!("{name}:{password}"));
        let visitor = Visitor {
            client: Client::new(&config)?,
            link: self.link.showing([name.clone(), login]),
        };
        if visitors.len() >= MAX_VISITORS {
            visitors.remove(0);
        }
        visitors.push((name, visitor.clone()));
        Ok(visitor)
    }

    fn request(&self, client: &Client, url: &PublicUrl) -> Result<Request, Error> {
        // The whole path as the base: joining one to a base would take two slashes for one.
        let mut base = url.url().clone();
        base.set_query(None);
        let api = Api::new(client, base.as_str(), Auth::None)?
            .with_service(crate::NAME)
            .with_max_body(self.inner.max_body);
        Ok(api.get("").raw_query(url.url().query()))
    }

    /// Asks for the page for tests, to see whether the proxy lets us through.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let attempt = Attempt {
            operation: "check_proxy",
            about: "",
            hidden: None,
            cx: Cx::new(),
        };
        let request = self
            .visitor(&self.inner.user)
            .and_then(|visitor| {
                let request = self.request(&visitor.client, &self.inner.diagnosis)?;
                Ok((request, visitor.link))
            })
            .map_err(|error| self.link.signed(error, attempt));
        let (request, link) = request?;
        let mut reply = link.send(request, attempt).await?;
        let lines = HeaderLines::of(&reply);
        // That page answers 200: any other status is the proxy's own.
        let judged = judge(reply.status(), &lines.pairs(), reply.bytes());
        link.settle(&mut reply, judged, attempt).map(drop)
    }

    /// Fetches as the request says, following redirects, within the time of `cx`.
    async fn fetch(
        &self,
        cx: Cx,
        request: FetchByProxy,
        operation: &'static str,
    ) -> Result<Unlocked, Error> {
        let first: PublicUrl = request
            .url
            .parse()
            .map_err(|error: Error| refused_here(error.message(), operation))?;
        if let Some(problem) = country_problem(request.country.as_deref()) {
            return Err(refused_here(format!("country {problem}"), operation));
        }
        let mut user = self.inner.user.clone();
        if request.country.is_some() {
            user.country = request.country;
        }
        if request.session.is_some() {
            user.session = request.session;
        }
        user.validate()
            .map_err(|faults| refused_here(faults.to_string(), operation))?;
        let user = Arc::new(user);
        // How often another peer was worth a try.
        let rotations = Arc::new(AtomicU32::new(0));
        let visitor = self
            .visitor(&user)
            .map_err(|error| error.or_of(crate::NAME, operation))?;
        follow(first, true, operation, &visitor.link, |url, _at_home| {
            let (user, rotations, url) = (Arc::clone(&user), Arc::clone(&rotations), Arc::new(url));
            async move {
                self.link
                    .run(cx, operation, |cx| {
                        let (user, rotations, url) =
                            (Arc::clone(&user), Arc::clone(&rotations), Arc::clone(&url));
                        async move {
                            let user = rotated(&user, rotations.load(Ordering::Relaxed));
                            let outcome = self.once(&user, &url, operation, cx).await;
                            if outcome.as_ref().err().is_some_and(wants_another_peer) {
                                rotations.fetch_add(1, Ordering::Relaxed);
                            }
                            outcome
                        }
                    })
                    .await
            }
        })
        .await
    }

    async fn once(
        &self,
        user: &ProxyUser,
        url: &PublicUrl,
        operation: &'static str,
        cx: Cx,
    ) -> Result<Unlocked, Error> {
        let about = url.to_string();
        let attempt = Attempt::at(url, &about, operation, cx);
        let prepared = self
            .visitor(user)
            .and_then(|visitor| Ok((self.request(&visitor.client, url)?, visitor)));
        let (request, visitor) = prepared.map_err(|error| self.link.signed(error, attempt))?;
        let mut reply = match visitor.link.send_metered(request, attempt).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explained(error, &visitor, url, attempt).await),
        };
        let lines = HeaderLines::of(&reply);
        let judged = judge_proxied(reply.status(), &lines.pairs(), reply.bytes());
        let headers = lower_case(&lines.pairs());
        let passed = visitor.link.settle(&mut reply, judged, attempt)?;
        Ok(Unlocked::of(
            url.as_str(),
            &passed,
            headers,
            reply.bytes().clone(),
        ))
    }

    /// Finds out why a tunnel could not be opened.
    ///
    /// Of the answer to a `CONNECT` only the status is left when it fails, so that a wrong country, a
    /// suspended account and an address that is not allowed look alike. A plain request through the same
    /// proxy brings the vendor's headers.
    async fn explained(
        &self,
        error: Error,
        visitor: &Visitor,
        url: &PublicUrl,
        attempt: Attempt<'_>,
    ) -> Error {
        let is_tunnel = url.url().scheme() == "https"
            && !error.sent()
            && !error.is_rejection()
            && matches!(
                error.kind(),
                ErrorKind::Unavailable | ErrorKind::Unauthorized | ErrorKind::Timeout
            );
        if !is_tunnel {
            return error;
        }
        let Ok(request) = self.request(&visitor.client, &self.inner.diagnosis) else {
            return error;
        };
        let Ok(reply) = visitor.link.send(request, attempt).await else {
            return error;
        };
        let lines = HeaderLines::of(&reply);
        let headers = lines.pairs();
        // That page answers 200: any other status is the proxy's own.
        match judge(reply.status(), &headers, reply.bytes()) {
            Err(refusal) if !matches!(refusal.class(), Class::Empty | Class::Target) => {
                let asked = reply.retry_after();
                visitor.link.refuse(refusal, asked, attempt)
            }
            _ => {
                let refusal = Refusal::of_status(502)
                    .with_class(Class::Target)
                    .with_retry(Retry::Once)
                    .with_meaning(
                        "the proxy works and opens no tunnel to the target: the target is refused or \
                         cannot be reached, or the certificate of the proxy is not trusted",
                    );
                visitor.link.refuse(refusal, None, attempt).with_not_sent()
            }
        }
    }
}

/// Whether the same request may do better from another address. Policy, account and configuration do not
/// change with it, and trying would be evasion.
fn wants_another_peer(error: &Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| {
        matches!(
            refusal.retry(),
            Retry::NewPeer | Retry::Repeat | Retry::Once
        ) && match refusal.class() {
            Class::Blocked | Class::Target | Class::Empty => true,
            // What failed behind the door may have failed with the peer.
            Class::Vendor => !refusal.is_at_the_door(),
            _ => false,
        }
    })
}

/// Gives the user another session if it has one and does not insist on its peer.
fn rotated(user: &ProxyUser, rotations: u32) -> ProxyUser {
    let mut user = user.clone();
    if rotations > 0
        && !user.keep_peer
        && let Some(session) = &user.session
    {
        // Short enough for any session that is allowed.
        let kept: String = session.chars().take(MAX_SESSION).collect();
        user.session = Some(format!("{kept}r{rotations}"));
    }
    user
}

const MAX_SESSION: usize = 50;

impl Service<FetchByProxy> for NativeProxy {
    type Response = Unlocked;
    type Error = Error;

    async fn call(&self, request: FetchByProxy) -> Result<Unlocked, Error> {
        let cx = self.link.bounded(Cx::new());
        self.fetch(cx, request, "fetch_by_proxy").await
    }
}

impl Service<FetchPage> for NativeProxy {
    type Response = Page;
    type Error = Error;

    async fn call(&self, request: FetchPage) -> Result<Page, Error> {
        const OPERATION: &str = "fetch_page";
        let mut fetch = FetchByProxy::new(request.url.as_str());
        fetch.country.clone_from(&request.country);
        let cx = self.link.bounded(Cx::new());
        let reply = self.fetch(cx, fetch, OPERATION).await?;
        let html = FetchPage::new(request.url.as_str()).format(PageFormat::Html);
        let page = page(&self.link, &html, reply, OPERATION)?;
        converted(page, request.format, OPERATION, cx).await
    }
}
