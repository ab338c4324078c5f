//! JSON by `GET` and `POST`, for services that need no more.

use std::time::Duration;

use contexter_model::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Api, Auth, Client, Config};

/// How long a request may take unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Talks JSON with one service: `GET` with parameters, `POST` with a body.
///
/// A status other than 200 to 299 is an error. For anything more there is [`Api`].
///
/// # Examples
///
/// ```no_run
/// use contexter_http::HttpTransport;
/// use serde_json::{Value, json};
///
/// # async fn example() -> Result<(), contexter_model::Error> {
/// let transport = HttpTransport::new("https://api.example.org/v1")?;
/// let found: Value = transport.get("search", &[("q", "tokio")]).await?;
/// let made: Value = transport.post("items", &json!({ "name": "tokio" })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpTransport {
    api: Api,
}

impl HttpTransport {
    /// Creates a transport without credentials that gives a request 30 seconds.
    ///
    /// # Errors
    ///
    /// As [`Client::new`] and [`Api::new`].
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::with_timeout(base_url, DEFAULT_TIMEOUT)
    }

    /// Creates a transport without credentials that gives a request this much time.
    ///
    /// # Errors
    ///
    /// As [`Client::new`] and [`Api::new`].
    pub fn with_timeout(base_url: &str, timeout: Duration) -> Result<Self, Error> {
        let config = Config::default()
            .read_timeout(timeout)
            .total_timeout(timeout);
        Ok(Self::from(Api::new(
            &Client::new(&config)?,
            base_url,
            Auth::None,
        )?))
    }

    /// Returns the base URL.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.api.base_url()
    }

    /// Asks for what is at a path, with these parameters in the query.
    ///
    /// # Errors
    ///
    /// As [`Request::send`](crate::Request::send); the kind of a status that is no success
    /// ([`Reply::error`](crate::Reply::error)); `Protocol` for a body that is not the JSON
    /// expected.
    ///
    /// # Cancel safety
    ///
    /// As [`Request::send`](crate::Request::send).
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<T, Error> {
        let request = params
            .iter()
            .fold(self.api.get(path), |request, (name, value)| {
                request.query(name, value)
            });
        answer(request.operation("get")).await
    }

    /// Sends a value to a path and returns what is answered.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As [`Request::send`](crate::Request::send): the service may have acted on the request.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<T, Error> {
        answer(self.api.post(path).json(data).operation("post")).await
    }
}

/// With its credentials, limits and headers.
impl From<Api> for HttpTransport {
    fn from(api: Api) -> Self {
        Self { api }
    }
}

async fn answer<T: DeserializeOwned>(request: crate::Request) -> Result<T, Error> {
    let reply = request.send().await?;
    if reply.is_success() {
        reply.json()
    } else {
        // What the body says is the service's own affair; the status is all that is known here.
        Err(reply.error(""))
    }
}
