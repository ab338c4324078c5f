//! One API of one service.

use std::fmt;
use std::sync::Arc;

use contexter_model::{Error, ErrorKind};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use crate::auth::name_of;
use crate::headers::{Shown, is_sensitive};
use crate::target;
use crate::{Auth, Client, Request, Secrets};

/// The largest body of a reply that is read unless said otherwise, in bytes: 32 MiB.
const DEFAULT_MAX_BODY: u64 = 32 << 20;

/// One API of one service: its base URL, the credentials, and limits.
///
/// Cloning is cheap, and clones share connections. A request goes below the base URL and nowhere
/// else: redirects are not followed but returned, so that the credentials reach only the host that
/// was configured.
///
/// # Examples
///
/// ```no_run
/// use contexter_http::{Api, Auth, Client, Config};
/// use contexter_model::Error;
/// use serde_json::{Value, json};
///
/// # async fn example() -> Result<(), Error> {
/// let client = Client::new(&Config::default())?;
/// let key = "s3cret".to_owned();
/// let api = Api::new(&client, "https://api.example.org/v1", Auth::Bearer(key))?
///     .with_service("example");
///
/// let reply = api
///     .post("embeddings")
///     .operation("embed")
///     .json(&json!({ "input": ["hello"] }))
///     .send()
///     .await?;
/// if !reply.is_success() {
///     return Err(reply.error("no vectors"));
/// }
/// let vectors: Value = reply.json()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    client: Client,
    base: Url,
    auth: Auth,
    headers: HeaderMap,
    max_body: u64,
    service: Option<&'static str>,
    secrets: Secrets,
}

impl Api {
    /// Names an API by its base URL, such as `https://api.example.org/v1`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no URL, another scheme than `http` and `https`,
    /// credentials, a query or a fragment in the URL, a key that no header can carry, and for
    /// `http://` together with a key, unless the host is a loopback address; for a client that is
    /// [`public_only`](crate::Config::public_only) also for a host that is not public.
    pub fn new(client: &Client, base_url: &str, auth: Auth) -> Result<Self, Error> {
        let base = target::parse(base_url)?;
        let refused = |expected: &str| {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "base url {} is not allowed: expected {expected}",
                    target::redacted(&base)
                ),
            )
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refused("https, or http to a loopback address"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("no credentials in it"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused("neither query nor fragment"));
        }
        if auth != Auth::None && !client.is_private(&base) {
            return Err(refused("https, because a key is sent"));
        }
        client.check(&base)?;
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = auth.header()? {
            headers.insert(name, value);
        }
        let secrets = client.secrets().and(auth.secrets());
        Ok(Self {
            inner: Arc::new(Inner {
                client: client.clone(),
                base,
                auth,
                headers,
                max_body: DEFAULT_MAX_BODY,
                service: None,
                secrets,
            }),
        })
    }

    /// Names the service, for every error and event.
    #[must_use]
    pub fn with_service(mut self, name: &'static str) -> Self {
        Arc::make_mut(&mut self.inner).service = Some(name);
        self
    }

    /// Sends a header with every request, in place of one that is already there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no header, and for a credential (`authorization`,
    /// `x-api-key`, …) over `http://` to another machine.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = self.header(name, value)?;
        let inner = Arc::make_mut(&mut self.inner);
        if value.is_sensitive() {
            let secret = value.to_str().ok().map(str::to_owned);
            inner.secrets = inner.secrets.and(secret);
        }
        inner.headers.insert(name, value);
        Ok(self)
    }

    /// Names further keys and passwords that the service knows and that no error may hold, such as those
    /// of another of its interfaces.
    #[must_use]
    pub fn with_secrets(mut self, secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let secrets = secrets.into_iter().map(Into::into);
        let inner = Arc::make_mut(&mut self.inner);
        inner.secrets = inner.secrets.and(secrets);
        self
    }

    /// Limits the body of a reply, in bytes and after decompression. Default: 32 MiB.
    #[must_use]
    pub fn with_max_body(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.inner).max_body = bytes;
        self
    }

    /// Returns the base URL.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.inner.base.as_str()
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn service(&self) -> Option<&'static str> {
        self.inner.service
    }

    /// Begins a `GET`; the path is joined below that of the base URL.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// Begins a `POST`.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// Begins a `PUT`.
    pub fn put(&self, path: &str) -> Request {
        self.request(Method::PUT, path)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::PATCH, path)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Begins a `HEAD`.
    pub fn head(&self, path: &str) -> Request {
        self.request(Method::HEAD, path)
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(self.clone(), method, path)
    }

    pub(crate) fn base(&self) -> &Url {
        &self.inner.base
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.inner.headers
    }

    pub(crate) fn max_body(&self) -> u64 {
        self.inner.max_body
    }

    /// Returns the credentials that requests carry, those of a proxy included, to take them out of what
    /// the service says.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Reads a header that is to be sent to this API.
    pub(crate) fn header(
        &self,
        name: &str,
        value: &str,
    ) -> Result<(reqwest::header::HeaderName, HeaderValue), Error> {
        let name = name_of(name)?;
        // Without the source, which could show the value.
        let mut value = HeaderValue::try_from(value).map_err(|_value| {
            Error::new(
                ErrorKind::Invalid,
                format!("the header {name} has a value that cannot be sent"),
            )
        })?;
        if is_sensitive(name.as_str()) {
            if !self.inner.client.is_private(&self.inner.base) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "the header {name} is not sent to {}: expected https for a credential",
                        target::redacted(&self.inner.base)
                    ),
                ));
            }
            value.set_sensitive(true);
        }
        Ok((name, value))
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("service", &self.inner.service)
            .field("base_url", &self.base_url())
            .field("auth", &self.inner.auth)
            .field(
                "headers",
                &Shown {
                    headers: &self.inner.headers,
                    secrets: &self.inner.secrets,
                },
            )
            .field("max_body", &self.inner.max_body)
            .field("client", &self.inner.client)
            .finish()
    }
}
