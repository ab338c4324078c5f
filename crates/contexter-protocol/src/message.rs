//! A message from one service to another.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attribute::check_text;
use crate::error::{DecodeError, InvalidAttribute};

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// Asks the target to perform the operation.
    Request,
    /// Carries the result of a request.
    Response,
    /// Says that something happened; nobody has to answer.
    Event,
    /// Says that a request failed.
    Error,
}

/// A message from one service to another.
///
/// Messages are made by a [`ProtocolHandler`](crate::ProtocolHandler), which keeps correlation and
/// causation. Members that this version does not know are ignored when decoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegrationMessage {
    /// The id, unique among all messages.
    pub message_id: String,
    /// What the message is for.
    pub message_type: MessageType,
    /// Who sends it.
    pub source_service: String,
    /// Who receives it.
    pub target_service: String,
    /// Which operation it is about.
    pub operation: String,
    /// What the operation takes or gives.
    #[serde(default)]
    pub payload: Value,
    /// When it was made.
    pub timestamp: Timestamp,
    /// The id that all messages and events of one flow share.
    pub correlation_id: String,
    /// The id of the message that led to this one; none for the first of a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// How often the message was sent again; 0 for the first time.
    #[serde(default)]
    pub retry_count: u32,
    /// How many milliseconds after `timestamp` the sender stops waiting; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl IntegrationMessage {
    /// Writes the message as one JSON object.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "an object with text keys always has a JSON form"
    )]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are strings, and a Vec takes any bytes")
    }

    /// Reads a message from one JSON object.
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] if the bytes are not such an object, or if an id or a name is
    /// empty or contains control characters.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = serde_json::from_slice(bytes)?;
        message.check()?;
        Ok(message)
    }

    /// Returns whether the sender has stopped waiting at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let Some(timeout) = self.timeout_ms else {
            return false;
        };
        // A timestamp before the epoch of the sender's clock counts as no time passed.
        let age = Duration::try_from(now.duration_since(self.timestamp)).unwrap_or_default();
        age >= Duration::from_millis(timeout)
    }

    pub(crate) fn check(&self) -> Result<(), InvalidAttribute> {
        check_text("message_id", &self.message_id)?;
        check_text("source_service", &self.source_service)?;
        check_text("target_service", &self.target_service)?;
        check_text("operation", &self.operation)?;
        check_text("correlation_id", &self.correlation_id)?;
        self.causation_id
            .iter()
            .try_for_each(|id| check_text("causation_id", id))
    }
}
