//! Sending a request, and reading its reply within limits.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use contexter_model::{Error, ErrorKind};

use crate::reply::Origin;
use crate::request::{self, Body};
use crate::{Reply, Request, failure};

/// How much is set aside for a body on the server's word alone, in bytes.
const TRUSTED_LENGTH: u64 = 8 << 20;

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
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, unless the reply had been read. The server may
    /// have acted on the request.
    pub async fn send(self) -> Result<Reply, Error> {
        let origin = Arc::new(Origin {
            service: self.api.service(),
            operation: self.operation,
            url: self.shown_url(),
            secrets: self.api.secrets().clone(),
        });
        let outcome = self.exchange(&origin).await;
        match &outcome {
            Ok(reply) => tracing::debug!(
                service = origin.service,
                operation = origin.operation,
                url = origin.url,
                status = reply.status(),
                bytes = reply.bytes().len(),
                "answered"
            ),
            Err(error) => tracing::debug!(
                service = origin.service,
                operation = origin.operation,
                url = origin.url,
                kind = error.kind().as_str(),
                "not answered"
            ),
        }
        outcome.map_err(|error| origin.sign(error))
    }

    async fn exchange(self, origin: &Arc<Origin>) -> Result<Reply, Error> {
        if let Some(fault) = self.fault {
            return Err(fault.with_not_sent());
        }
        let proxy = self.api.client().proxy();
        let by = proxy.as_deref();
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
        let mut response = request
            .send()
            .await
            .map_err(|error| failure::of_transport(error, &origin.url, by))?;
        let limit = self.max_body;
        let too_large = || {
            Error::new(
                ErrorKind::TooLarge,
                format!(
                    "{} answered with more than the limit of {limit} bytes",
                    origin.url
                ),
            )
        };
        let announced = response.content_length();
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Gathered::new(announced);
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failure::of_transport(error, &origin.url, by))?
        {
            body.push(chunk);
            if body.length() > limit {
                return Err(too_large());
            }
        }
        Ok(Reply::received(
            response.status(),
            std::mem::take(response.headers_mut()),
            body.finish(),
            Arc::clone(origin),
        ))
    }
}

/// A body as it arrives. One chunk alone is not copied.
struct Gathered {
    announced: usize,
    first: Bytes,
    rest: BytesMut,
}

impl Gathered {
    fn new(announced: Option<u64>) -> Self {
        let announced = announced.unwrap_or_default().min(TRUSTED_LENGTH);
        Self {
            announced: usize::try_from(announced).unwrap_or_default(),
            first: Bytes::new(),
            rest: BytesMut::new(),
        }
    }

    fn push(&mut self, chunk: Bytes) {
        if self.rest.is_empty() && self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.rest.is_empty() {
            self.rest.reserve(self.announced.max(2 * self.first.len()));
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&chunk);
    }

    fn length(&self) -> u64 {
        // Lossless: no buffer in memory is longer than u64::MAX.
        self.first.len().max(self.rest.len()) as u64
    }

    fn finish(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}
