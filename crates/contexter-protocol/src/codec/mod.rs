//! Events as brokers carry them: headers and a body.
//!
//! In **binary mode** ([`encode_binary`]) every attribute is a header `ce-NAME` and the body is the
//! data alone. In **structured mode** ([`encode_structured`]) the body is one JSON object, marked
//! by the header `Content-Type: application/cloudevents+json`. [`decode`] reads both.
//!
//! This is the NATS protocol binding of CloudEvents; transports without a binding, such as Redis
//! Streams, use the same names for their fields. Its rules:
//!
//! - The media type of the data is in `ce-datacontenttype`. If it is absent, a `Content-Type` that
//!   does not mark structured mode is taken instead, where the HTTP binding puts it.
//! - Values are percent-encoded: space, `"`, `%`, and whatever is not printable ASCII.
//! - Names are matched without regard to case. An attribute that comes twice is refused. Headers
//!   without `ce-` belong to others and are ignored, as are `ce-` headers in structured mode.
//! - Headers carry text: a boolean or a whole number in
//!   [`extensions`](IntegrationEvent::extensions) comes back from binary mode as its text.
//!   [`ExtensionValue::as_bool`](crate::ExtensionValue::as_bool) and
//!   [`as_i32`](crate::ExtensionValue::as_i32) read either.
//!
//! What is larger than [`MAX_HEADERS`], [`MAX_HEADER_NAME_BYTES`], [`MAX_HEADER_VALUE_BYTES`] or
//! [`MAX_BODY_BYTES`] is neither written nor read, so whatever is written can be read.
//!
//! # Examples
//!
//! ```
//! use contexter_protocol::{IntegrationEvent, codec};
//!
//! let event = IntegrationEvent::builder("search", "index.renamed")
//!     .subject("größe 2")
//!     .data(serde_json::json!({ "to": "size" }))
//!     .build()?;
//!
//! let sent = codec::encode_binary(&event)?;
//! assert!(sent.headers.contains(&("ce-subject".into(), "gr%C3%B6%C3%9Fe%202".into())));
//! assert_eq!(sent.body, r#"{"to":"size"}"#);
//!
//! let headers = sent.headers.iter().map(|(name, value)| (&**name, &**value));
//! assert_eq!(codec::decode(headers, sent.body.clone())?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod binary;
mod encoder;
mod limits;
mod percent;
mod structured;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

pub use self::encoder::Encoder;
pub use self::limits::{
    LimitExceeded, MAX_BODY_BYTES, MAX_HEADER_NAME_BYTES, MAX_HEADER_VALUE_BYTES, MAX_HEADERS,
};
use crate::error::DecodeError;
use crate::event::IntegrationEvent;

/// The name of the header that marks structured mode.
pub const CONTENT_TYPE: &str = "Content-Type";

/// A header: its name, and its value in printable ASCII.
pub type Header<'e> = (Cow<'static, str>, Cow<'e, str>);

/// An event as headers and a body; values that need no encoding are borrowed from the event.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded<'e> {
    /// The headers; no name comes twice.
    pub headers: Vec<Header<'e>>,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Encoded<'_> {
    /// Shows the headers and the size of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Encodes an event in binary mode: attributes are headers, the body is the data. An [`Encoder`] is
/// cheaper for many events.
///
/// # Errors
///
/// Returns [`LimitExceeded`] if the event is larger than [`decode`] reads.
pub fn encode_binary(event: &IntegrationEvent) -> Result<Encoded<'_>, LimitExceeded> {
    binary::encode(event, |data| crate::json::to_vec(data).into())
}

/// Encodes an event in structured mode: the body is one JSON object
/// ([`IntegrationEvent::to_json`]).
///
/// # Errors
///
/// Returns [`LimitExceeded`] if the event is larger than [`decode`] reads.
pub fn encode_structured(event: &IntegrationEvent) -> Result<Encoded<'static>, LimitExceeded> {
    let body = Bytes::from(event.to_json());
    limits::check_body(body.len())?;
    let headers = vec![(CONTENT_TYPE.into(), IntegrationEvent::MEDIA_TYPE.into())];
    Ok(Encoded { headers, body })
}

/// Decodes an event in the mode that its headers tell.
///
/// Names and values are bytes, because brokers give no more: `&str`, `String`, `Vec<u8>` and
/// `Bytes` all fit. Data that is not JSON is a slice of `body`, not a copy.
///
/// # Errors
///
/// Returns a [`DecodeError`] that names the attribute, header or limit. Nothing of the body is in
/// it.
pub fn decode<N, V>(
    headers: impl IntoIterator<Item = (N, V)>,
    body: impl Into<Bytes>,
) -> Result<IntegrationEvent, DecodeError>
where
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let body = body.into();
    let headers = binary::Headers::read(headers)?;
    limits::check_body(body.len())?;
    match headers.content_type().and_then(structured::format) {
        Some(format) => structured::decode(format, &body),
        None => headers.into_event(body),
    }
}
