//! Why an event or a message could not be built, decoded or read.

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
        // A foreign value may be of any length; an error stays one line.
        Self {
            attribute: attribute.chars().take(40).collect(),
            value: value.chars().take(80).collect(),
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
    /// The event carries binary data (`data_base64`), which this crate does not read.
    #[error("unsupported member \"data_base64\": data must be json")]
    BinaryData,
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
    /// The data does not have the shape of the payload.
    #[error("data of {event_type:?} has another shape")]
    Undecodable {
        /// The type of the event.
        event_type: &'static str,
        /// Where the shapes differ.
        source: serde_json::Error,
    },
}
