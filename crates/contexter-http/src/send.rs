//! Sending a request, and reading its reply within limits.

use std::sync::Arc;

use contexter_model::Error;
use reqwest::Method;

use crate::reply::Origin;
use crate::request::{self, Body};
use crate::{Incoming, Reply, Request, failure};

impl Request {
    /// Sends the request and reads the whole reply. Any status is a reply; the adapter reads it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what could not be built, and for a host that the client may not
    /// ask; [`ErrorKind::Timeout`]; [`ErrorKind::Unavailable`] if the server cannot be reached or
    /// breaks off; [`ErrorKind::Unauthorized`] if a proxy refuses to open a tunnel without other
    /// credentials; [`ErrorKind::TooLarge`] as soon as the server announces or sends more than the
    /// limit; [`ErrorKind::Protocol`] for what is no HTTP. What has surely not been sent says so
    /// ([`Error::with_not_sent`]).
    ///
    /// [`ErrorKind::Invalid`]: contexter_model::ErrorKind::Invalid
    /// [`ErrorKind::Timeout`]: contexter_model::ErrorKind::Timeout
    /// [`ErrorKind::Unavailable`]: contexter_model::ErrorKind::Unavailable
    /// [`ErrorKind::Unauthorized`]: contexter_model::ErrorKind::Unauthorized
    /// [`ErrorKind::TooLarge`]: contexter_model::ErrorKind::TooLarge
    /// [`ErrorKind::Protocol`]: contexter_model::ErrorKind::Protocol
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, or over HTTP/2 the stream, unless the reply had been
    /// read. The server may have acted on the request.
    pub async fn send(self) -> Result<Reply, Error> {
        let origin = self.origin();
        let outcome = match self.exchange(&origin).await {
            Ok(incoming) => incoming.whole().await,
            Err(error) => Err(origin.sign(error)),
        };
        let answer = outcome
            .as_ref()
            .map(|reply| (reply.status(), Some(reply.bytes().len())));
        tell(&origin, answer);
        outcome
    }

    /// Sends the request and reads the head of the reply; the body is the caller's to take. Any status
    /// is a reply.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn open(self) -> Result<Incoming, Error> {
        let origin = self.origin();
        let outcome = self.exchange(&origin).await;
        let outcome = outcome.map_err(|error| origin.sign(error));
        let answer = outcome.as_ref().map(|incoming| (incoming.status(), None));
        tell(&origin, answer);
        outcome
    }

    fn origin(&self) -> Arc<Origin> {
        Arc::new(Origin {
            service: self.api.service(),
            operation: self.operation,
            url: Some(self.url.clone()),
            secrets: self.api.secrets().clone(),
        })
    }

    async fn exchange(self, origin: &Arc<Origin>) -> Result<Incoming, Error> {
        if let Some(fault) = self.fault {
            return Err(fault.with_not_sent());
        }
        let proxy = self.api.client().proxy();
        let is_head = self.method == Method::HEAD;
        let mut request = self
            .api
            .client()
            .request(self.method, self.url)?
            .headers(self.headers);
        request = match self.body {
            Body::None => request,
            Body::Whole(bytes) => request.body(bytes),
            Body::Parts(parts) => {
                request.multipart(request::form(parts).map_err(Error::with_not_sent)?)
            }
        };
        let response = request
            .send()
            .await
            .map_err(|error| failure::of_transport(error, &origin.shown_url(), proxy.as_deref()))?;
        let is_bodiless = is_head || matches!(response.status().as_u16(), 204 | 304);
        Ok(Incoming {
            response,
            origin: Arc::clone(origin),
            proxy,
            limit: self.max_body,
            taken: 0,
            is_bodiless,
        })
    }
}

/// Tells what came: status, and the size of the body where it was read.
fn tell(origin: &Origin, answer: Result<(u16, Option<usize>), &Error>) {
    match answer {
        Ok((status, bytes)) => tracing::debug!(
            service = origin.service,
            operation = origin.operation,
            url = origin.shown_url(),
            status,
            bytes,
            "answered"
        ),
        Err(error) => tracing::debug!(
            service = origin.service,
            operation = origin.operation,
            url = origin.shown_url(),
            kind = error.kind().as_str(),
            "not answered"
        ),
    }
}
