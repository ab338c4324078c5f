//! Between events and messages of the server.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use async_nats::header::IntoHeaderName;
use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};
use bytes::Bytes;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{REDRIVE_GROUP, RawMessage, TransportErrorKind, Undecodable};
use contexter_protocol::codec::Encoder;
use contexter_protocol::{IntegrationEvent, codec};

use crate::error::refused;

/// What headers begin with on the wire, and their end.
const FRAME: usize = "NATS/1.0\r\n\r\n".len();

const SOURCE: &str = "ce-source";
const ID: &str = "ce-id";

/// The most bytes of all headers of a message: JetStream keeps their length in two bytes.
const MOST_HEADERS: usize = u16::MAX as usize;

/// What a header that is set is counted for, besides its value.
const SET_NAME: usize = 32;

/// A message that is to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    size: usize,
}

impl Outgoing {
    pub(crate) fn new(body: Bytes) -> Self {
        Self {
            headers: HeaderMap::new(),
            size: FRAME + body.len(),
            body,
        }
    }

    /// Takes the headers of another message, whose size was looked at.
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(crate) fn event(event: &IntegrationEvent) -> Result<Self, TransportError> {
        Self::named(event, &mut Encoder::default()).map(|(outgoing, _)| outgoing)
    }

    /// Encodes an event so that its attributes are in the body, where there is more room.
    pub(crate) fn structured(event: &IntegrationEvent) -> Result<Self, TransportError> {
        let encoded =
            codec::encode_structured(event).map_err(|error| too_large(error.to_string()))?;
        let mut outgoing = Self::new(encoded.body);
        for (name, value) in &encoded.headers {
            outgoing.add(name, value)?;
        }
        Ok(outgoing)
    }

    /// Encodes an event, and returns the name by which the server recognises it with it: its source
    /// and its id, of which none has a space when it is encoded.
    pub(crate) fn named(
        event: &IntegrationEvent,
        codec: &mut Encoder,
    ) -> Result<(Self, String), TransportError> {
        let encoded = codec
            .encode_binary(event)
            .map_err(|error| too_large(error.to_string()))?;
        let mut outgoing = Self::new(encoded.body);
        let (mut source, mut id) = ("", "");
        for (name, value) in &encoded.headers {
            match &**name {
                SOURCE => source = value,
                ID => id = value,
                _ => {}
            }
            outgoing.count(name, value);
        }
        let key = [source, " ", id].concat();
        for (name, value) in encoded.headers {
            let name = match name {
                // Those that are fixed are fit to be sent.
                Cow::Borrowed(name) => HeaderName::from_static(name),
                Cow::Owned(name) => header_name(&name)?,
            };
            // No name comes twice.
            outgoing.headers.insert(name, header_value(&value)?);
        }
        Ok((outgoing, key))
    }

    pub(crate) fn raw(raw: &RawMessage) -> Result<Self, TransportError> {
        let mut outgoing = Self::new(Bytes::from(raw.body.clone()));
        for (name, value) in &raw.headers {
            let text = std::str::from_utf8(value).map_err(|error| {
                refused("a header is not UTF-8 and cannot be sent").with_source(error)
            })?;
            outgoing.add(name, text)?;
        }
        Ok(outgoing)
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), TransportError> {
        self.headers
            .append(header_name(name)?, header_value(value)?);
        self.count(name, value);
        Ok(())
    }

    fn count(&mut self, name: &str, value: &str) {
        self.size += name.len() + value.len() + ": \r\n".len();
    }

    /// Adds a header, in the place of those of its name.
    pub(crate) fn set(
        &mut self,
        name: impl IntoHeaderName,
        value: &str,
    ) -> Result<(), TransportError> {
        let text = header_value(value)?;
        self.size += SET_NAME + value.len();
        self.headers.insert(name, text);
        Ok(())
    }

    /// Returns an error if it is larger than that, or its headers than the server takes.
    pub(crate) fn check(&self, limit: usize) -> Result<(), TransportError> {
        let headers = self.size - self.body.len();
        if headers > MOST_HEADERS {
            return Err(too_large(format!(
                "headers of {headers} bytes, at most {MOST_HEADERS} are allowed"
            )));
        }
        if self.size > limit {
            return Err(TransportError::too_large(self.size, limit));
        }
        Ok(())
    }

    /// Returns the name by which the server recognises the event: no encoded attribute has a space.
    pub(crate) fn key(&self) -> String {
        let text = |name: &str| self.headers.get(name).map_or("", |value| value.as_str());
        [text(SOURCE), " ", text(ID)].concat()
    }
}

fn too_large(message: String) -> TransportError {
    TransportError::new(TransportErrorKind::TooLarge, message)
}

fn header_name(name: &str) -> Result<HeaderName, TransportError> {
    HeaderName::from_str(name)
        .map_err(|error| refused("a header has a name that cannot be sent").with_source(error))
}

fn header_value(value: &str) -> Result<HeaderValue, TransportError> {
    HeaderValue::from_str(value)
        .map_err(|error| refused("a header has a value that cannot be sent").with_source(error))
}

/// Headers as names and values; those of one name in their order.
pub(crate) fn pairs(headers: Option<HeaderMap>) -> Vec<(String, Vec<u8>)> {
    let mut pairs = Vec::new();
    for (name, values) in headers.unwrap_or_default().iter() {
        for value in values {
            let name: &str = name.as_ref();
            pairs.push((name.to_owned(), value.as_str().as_bytes().to_vec()));
        }
    }
    pairs
}

/// What a message says.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The event, or the message as it is.
    pub(crate) event: Result<Arc<IntegrationEvent>, Undecodable>,
    /// For whom it was published again.
    pub(crate) redrive_group: Option<Arc<str>>,
}

/// Decodes a message, in one pass over its headers.
pub(crate) fn decode(message: Message) -> Decoded {
    let mut redrive_group = None;
    let headers = message.headers.as_ref();
    let views = headers.into_iter().flat_map(|headers| {
        headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str()))
        })
    });
    let views = views.inspect(|(name, value)| {
        if *name == REDRIVE_GROUP && redrive_group.is_none() {
            redrive_group = Some(Arc::from(*value));
        }
    });
    match codec::decode(views, message.payload.clone()) {
        Ok(event) => Decoded {
            event: Ok(Arc::new(event)),
            redrive_group,
        },
        Err(error) => {
            // The pass may have ended before it came to that header.
            let redrive_group = self::redrive_group(&message);
            let raw = RawMessage::new(pairs(message.headers), message.payload.to_vec());
            Decoded {
                event: Err(Undecodable::new(error.to_string(), raw)),
                redrive_group,
            }
        }
    }
}

pub(crate) fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    let value = message.headers.as_ref()?.get(name)?;
    Some(value.as_str())
}

pub(crate) fn redrive_group(message: &Message) -> Option<Arc<str>> {
    const NAME: HeaderName = HeaderName::from_static(REDRIVE_GROUP);
    let value = message.headers.as_ref()?.get(NAME)?;
    Some(Arc::from(value.as_str()))
}

/// What comes after the number of a message in the name of its place, and before the number of streams
/// that were there before.
const OTHER: char = '~';

/// Returns the number of a message from the name of its place.
pub(crate) fn number_of(place: &str) -> Option<u64> {
    place.split(OTHER).next()?.parse().ok()
}

/// What the server says about a delivery, in the subject for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// How often, this time included.
    pub(crate) count: u64,
    /// The number in the stream.
    pub(crate) sequence: u64,
    /// The number among all deliveries of the consumer at the server.
    pub(crate) delivery: u64,
    /// How many more the consumer has waiting.
    pub(crate) pending: u64,
}

impl Delivered {
    /// The place of the message: its number in the stream. In a stream that took the place of others,
    /// it says so, since they had the same numbers.
    pub(crate) fn id(&self, others: u32) -> Arc<str> {
        let mut number = itoa::Buffer::new();
        let number = number.format(self.sequence);
        match others {
            0 => number.into(),
            others => format!("{number}{OTHER}{others}").into(),
        }
    }

    /// Reads `$JS.ACK.stream.consumer.count.sequence.consumer sequence.time.pending`, or the longer
    /// form with a domain and an account before the stream, and more at the end.
    pub(crate) fn read(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        // A name of a stream or a consumer has no dot.
        let before = match rest.bytes().filter(|byte| *byte == b'.').count() {
            6 => 2,
            8.. => 4,
            _ => return None,
        };
        let mut tokens = rest.split('.').skip(before);
        let count = tokens.next()?.parse().ok()?;
        let sequence = tokens.next()?.parse().ok()?;
        let delivery = tokens.next()?.parse().ok()?;
        let _time = tokens.next()?;
        Some(Self {
            count,
            sequence,
            delivery,
            pending: tokens.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_delivery_are_read() {
        let expected = Delivered {
            count: 2,
            sequence: 30,
            delivery: 31,
            pending: 5,
        };
        for reply in [
            "$JS.ACK.events.group.2.30.31.1700000000000000000.5",
            "$JS.ACK.hub.Q4X.events.group.2.30.31.1700000000000000000.5.x7",
        ] {
            assert_eq!(Delivered::read(reply), Some(expected), "{reply}");
        }
        for reply in ["", "_INBOX.a", "$JS.ACK.a.b.c", "$JS.ACK.a.b.x.30.31.17.5"] {
            assert_eq!(Delivered::read(reply), None, "{reply}");
        }
    }

    #[test]
    fn the_key_of_an_event_is_its_source_and_id() {
        let mut encoder = Encoder::default();
        for (event_type, subject) in [("a.b", None), ("a.b", Some("x")), ("a.c", None)] {
            let builder = IntegrationEvent::builder("the-shop%", event_type);
            let event = match subject {
                Some(subject) => builder.subject(subject).build(),
                None => builder.build(),
            };
            let event = event.unwrap();
            let (outgoing, key) = Outgoing::named(&event, &mut encoder).unwrap();
            assert_eq!(key, format!("the-shop%25 {}", event.id()));
            assert_eq!(key, outgoing.key());
            // What is known of the one before does not change this one.
            let headers = pairs(Some(outgoing.headers));
            assert_eq!(codec::decode(headers, outgoing.body).unwrap(), event);
        }
    }
}
