//! A reply that is read as it arrives.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use contexter_model::{Error, ErrorKind};
use reqwest::Response;

use crate::reply::Origin;
use crate::{Reply, failure};

/// How much is set aside for a body on the server's word alone, in bytes.
const TRUSTED_LENGTH: u64 = 8 << 20;

/// The reply to a [`Request`](crate::Request) whose head has arrived, and whose body is taken piece by
/// piece: for what is larger than memory should hold.
///
/// Time and size are limited as those of a reply that is read whole.
///
/// # Examples
///
/// ```no_run
/// # async fn example(api: contexter_http::Api) -> Result<(), contexter_model::Error> {
/// let mut reply = api.get("files/7/content").max_body(u64::MAX).open().await?;
/// if !reply.is_success() {
///     return Err(reply.whole().await?.error("no such file"));
/// }
/// let mut bytes = 0;
/// while let Some(piece) = reply.chunk().await? {
///     bytes += piece.len();
/// }
/// # Ok(())
/// # }
/// ```
pub struct Incoming {
    pub(crate) response: Response,
    pub(crate) origin: Arc<Origin>,
    /// The address of the proxy that was set.
    pub(crate) proxy: Option<String>,
    pub(crate) limit: u64,
    pub(crate) taken: u64,
    /// Whether there is no body, whatever length is announced (RFC 9110, section 8.6).
    pub(crate) is_bodiless: bool,
}

impl Incoming {
    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    /// Limits the whole body anew, in bytes and after decompression: for a status whose body is of
    /// another kind than the one that was asked for.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Takes the next piece of the body, unpacked; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`Request::send`](crate::Request::send), as soon as the whole is more than the limit or is
    /// announced to be.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call goes on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.next().await.map_err(|error| self.origin.sign(error))
    }

    /// Takes the rest of the body, which is all of it if nothing was taken.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, or over HTTP/2 the stream.
    pub async fn whole(mut self) -> Result<Reply, Error> {
        let gathered = self.gather().await;
        let body = gathered.map_err(|error| self.origin.sign(error))?;
        Ok(Reply::received(
            self.response.status(),
            std::mem::take(self.response.headers_mut()),
            body,
            self.origin,
        ))
    }

    async fn gather(&mut self) -> Result<Bytes, Error> {
        let mut body = Gathered::new(self.response.content_length());
        while let Some(chunk) = self.next().await? {
            body.push(chunk);
        }
        Ok(body.finish())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        // What is still to come, where the server has said it.
        let announced = match self.response.content_length() {
            Some(length) if !self.is_bodiless => length,
            _ => 0,
        };
        if self.taken.saturating_add(announced) > self.limit {
            return Err(self.too_large());
        }
        let chunk = self.response.chunk().await.map_err(|error| {
            failure::of_transport(error, &self.origin.shown_url(), self.proxy.as_deref())
        })?;
        if chunk.is_none() && announced > 0 {
            // Over HTTP/2 the HTTP library takes an end without an error for a proper one.
            return Err(failure::cut_off(&self.origin.shown_url()));
        }
        // Lossless: no piece in memory is longer than u64::MAX.
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.taken = self.taken.saturating_add(length);
        if self.taken > self.limit {
            return Err(self.too_large());
        }
        Ok(chunk)
    }

    fn too_large(&self) -> Error {
        Error::new(
            ErrorKind::TooLarge,
            format!(
                "{} answered with more than the limit of {} bytes",
                self.origin.shown_url(),
                self.limit
            ),
        )
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("status", &self.response.status())
            .field("url", &self.origin.shown_url())
            .field("taken_bytes", &self.taken)
            .finish_non_exhaustive()
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

    fn finish(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}
