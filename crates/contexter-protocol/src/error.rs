//! Why an event or a message could not be built, decoded or read.

use serde::de::Error as _;

use crate::codec::LimitExceeded;
use crate::schema::SchemaVersion;

/// An attribute has a value that its specification does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid attribute {attribute:?}: {value:?} is not {allowed}")]
pub struct InvalidAttribute {
    attribute: String,
    value: String,
    allowed: &'static str,
}

impl InvalidAttribute {
    pub(crate) fn new(attribute: &str, value: &str, allowed: &'static str) -> Self {
        Self {
            attribute: shortened(attribute, 40),
            value: shortened(value, 80),
            allowed,
        }
    }

    /// Returns the name of the attribute.
    #[must_use]
    pub fn attribute(&self) -> &str {
        &self.attribute
    }
}

/// Why an event could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An attribute is not allowed.
    #[error(transparent)]
    Invalid(#[from] InvalidAttribute),
    /// The payload has no JSON form.
    #[error("payload of {event_type:?} cannot be written as json")]
    Payload {
        /// The type of the event.
        event_type: String,
        /// What the serializer refused.
        source: serde_json::Error,
    },
}

/// Why bytes are not an event or a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not JSON, or a member has the wrong JSON type.
    #[error("not a message in json")]
    Json(#[from] serde_json::Error),
    /// A required attribute is missing.
    #[error("missing attribute {attribute:?}")]
    Missing {
        /// The name of the attribute.
        attribute: &'static str,
    },
    /// An attribute is not allowed.
    #[error(transparent)]
    Invalid(#[from] InvalidAttribute),
    /// The event follows another version of CloudEvents.
    #[error("unsupported CloudEvents version {found:?}: \"1.0\" is supported")]
    Version {
        /// The version that the event names.
        found: String,
    },
    /// The binary data (`data_base64`) is not base64 of RFC 4648, section 4.
    #[error("invalid member \"data_base64\": not base64")]
    BinaryData,
    /// The event has both `data` and `data_base64`.
    #[error("both members \"data\" and \"data_base64\": one is allowed")]
    DataTwice,
    /// The data is not the JSON that its media type promises.
    #[error("data is not the json that \"datacontenttype\" says")]
    Data(#[source] serde_json::Error),
    /// The member `data` is neither JSON by its media type nor a text.
    #[error("data of a \"datacontenttype\" other than json is not a text")]
    DataNotText,
    /// Arrays and objects of the data lie too deep within each other.
    #[error("data is nested more than {limit} levels deep")]
    DataTooDeep {
        /// How many levels are allowed.
        limit: usize,
    },
    /// An attribute, a member or the content type comes twice.
    #[error("attribute {attribute:?} comes twice")]
    Duplicate {
        /// The name of the attribute.
        attribute: String,
    },
    /// A header has a name that is not printable ASCII.
    #[error("invalid header name {name:?}: printable ascii without a colon is allowed")]
    HeaderName {
        /// How the name begins.
        name: String,
    },
    /// A header has a `%` that two hexadecimal digits do not follow.
    #[error("invalid percent-encoding in the header of {attribute:?}")]
    PercentEncoding {
        /// The attribute that the header carries.
        attribute: String,
    },
    /// A header value is not UTF-8.
    #[error("header of {attribute:?} is not utf-8")]
    NotUtf8 {
        /// The attribute that the header carries.
        attribute: String,
    },
    /// The content type marks an event format that this crate does not read.
    #[error("unsupported event format {found:?}: \"application/cloudevents+json\" is supported")]
    Format {
        /// The media type without its parameters.
        found: String,
    },
    /// The message follows a newer major version of its schema.
    #[error("unsupported schema version {found}: up to {}.x is supported", .supported.major())]
    SchemaVersion {
        /// The version that the message names.
        found: SchemaVersion,
        /// The version of this crate.
        supported: SchemaVersion,
    },
    /// The event is larger than this crate reads.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

/// Why the data of an event is not the payload that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The event has another type.
    #[error("event type is {found:?}, expected {expected:?}")]
    WrongType {
        /// The type of the payload.
        expected: &'static str,
        /// The type of the event.
        found: String,
    },
    /// The data follows a newer major version of its schema.
    #[error("data of {event_type:?} has schema {found}: up to {}.x is supported", .supported.major())]
    SchemaVersion {
        /// The type of the event.
        event_type: &'static str,
        /// The version that the event names.
        found: SchemaVersion,
        /// The version of the payload type.
        supported: SchemaVersion,
    },
    /// The extension `schemaversion` is no version.
    #[error(transparent)]
    Invalid(#[from] InvalidAttribute),
    /// The data is not JSON.
    #[error("data of {event_type:?} is {content_type:?}, not json")]
    NotJson {
        /// The type of the event.
        event_type: &'static str,
        /// The media type of the data; empty if it names none.
        content_type: String,
    },
    /// The data does not have the shape of the payload.
    #[error("data of {event_type:?} has another shape")]
    Undecodable {
        /// The type of the event.
        event_type: &'static str,
        /// Where the shapes differ.
        source: serde_json::Error,
    },
}

/// The beginning of a foreign text, which may be of any length: an error stays one line.
pub(crate) fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Takes the values out of a message of the JSON reader, which shows them as they stand in the
/// body: `invalid type: string "secret", expected u64`.
pub(crate) fn without_values(error: &serde_json::Error) -> serde_json::Error {
    let message = error.to_string();
    let message = match (message.split_once(": "), message.rsplit_once(", expected ")) {
        (Some((fault, found)), Some((_, expected))) if fault.starts_with("invalid ") => {
            // "string", "integer", "floating point": the kind of the value, up to the value.
            let kind = found.split(['"', '`', ',']).next().unwrap_or_default();
            format!("{fault}: {}, expected {expected}", kind.trim_end())
        }
        _ if message.starts_with("unknown ") => match message.split_once('`') {
            Some((fault, _)) => fault.trim_end().to_owned(),
            None => message,
        },
        _ => message,
    };
    serde_json::Error::custom(shortened(&message, 200))
}
