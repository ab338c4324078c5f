//! A message from one service to another.

mod ascii;
mod envelope;
mod json;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arrival::{Refused, between, check_skew};
use crate::attribute::{check_text, check_time};
use crate::data::{MAX_DEPTH, TOO_DEEP, is_deeper};
use crate::error::{DecodeError, InvalidAttribute};
use crate::schema::SchemaVersion;

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

impl MessageType {
    /// Returns the name, as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Event => "event",
            Self::Error => "error",
        }
    }

    /// What an error says is allowed.
    const ALLOWED: &str = "one of request, response, event, error";

    /// Finds the type of a name.
    fn of(name: &str) -> Option<Self> {
        [Self::Request, Self::Response, Self::Event, Self::Error]
            .into_iter()
            .find(|known| known.as_str() == name)
    }
}

/// A message from one service to another.
///
/// Messages are made by a [`ProtocolHandler`](crate::ProtocolHandler), which keeps correlation and
/// causation. They travel as one JSON object ([`to_json`](Self::to_json)) or in the envelope of
/// CloudEvents ([`into_event`](Self::into_event)), on whatever carries events.
///
/// Members that this version does not know are kept in [`extensions`](Self::extensions) and written
/// again, so that a service which passes a message on loses nothing of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub payload: Value,
    /// When it was made.
    pub timestamp: Timestamp,
    /// The id that all messages and events of one flow share.
    pub correlation_id: String,
    /// The id of the message that led to this one; none for the first of a flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// How often the message was sent again; 0 for the first time.
    pub retry_count: u32,
    /// How many milliseconds after `timestamp` the sender stops waiting; never if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The version of this form; [`IntegrationMessage::SCHEMA_VERSION`] unless it was decoded.
    pub schema_version: SchemaVersion,
    /// The members that this version does not know, by name.
    #[serde(flatten, serialize_with = "json::foreign")]
    pub extensions: BTreeMap<String, Value>,
}

impl IntegrationMessage {
    /// The version of the form that this crate writes.
    ///
    /// A message of a newer minor version is read, one of a newer major version refused.
    pub const SCHEMA_VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Writes the message as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::json::to_vec(self)
    }

    /// Reads a message from one JSON object.
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] that says which member is missing or not allowed: an id or a name
    /// that is empty or contains control characters, a schema of a newer major version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        json::read(bytes)
    }

    /// Makes the sender stop waiting so long after [`timestamp`](Self::timestamp), in whole
    /// milliseconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Makes the message the next try of itself: its id and time stay, so that receivers know it
    /// again and its timeout covers all tries.
    #[must_use]
    pub fn retried(mut self) -> Self {
        self.retry_count = self.retry_count.saturating_add(1);
        self
    }

    /// Returns whether the sender has stopped waiting at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let Some(timeout) = self.timeout_ms else {
            return false;
        };
        // A timestamp ahead of our clock counts as no time passed.
        between(self.timestamp, now) >= Duration::from_millis(timeout)
    }

    /// Checks that the sender still waits at `now`, and that its clock agrees with ours.
    ///
    /// The timeout is measured from [`timestamp`](Self::timestamp) by our clock, without a
    /// tolerance: what is refused is refused on time. The tolerance is for timestamps ahead of our
    /// clock. A timeout shorter than two clocks differ cannot be kept by either rule.
    ///
    /// # Errors
    ///
    /// Returns [`Refused::Expired`] or [`Refused::ClockSkew`].
    pub fn check_time(&self, now: Timestamp, tolerance: Duration) -> Result<(), Refused> {
        check_skew("timestamp", self.timestamp, now, tolerance)?;
        match self.timeout_ms {
            Some(timeout) if self.is_expired(now) => Err(Refused::Expired {
                age: between(self.timestamp, now),
                timeout: Duration::from_millis(timeout),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), InvalidAttribute> {
        check_text("message_id", &self.message_id)?;
        check_text("source_service", &self.source_service)?;
        check_text("target_service", &self.target_service)?;
        check_text("operation", &self.operation)?;
        check_text("correlation_id", &self.correlation_id)?;
        if let Some(id) = &self.causation_id {
            check_text("causation_id", id)?;
        }
        check_time("timestamp", self.timestamp)?;
        check_depth("payload", &self.payload)?;
        for (name, value) in &self.extensions {
            if json::FIELDS.contains(&&**name) {
                let allowed = "a name that no field has";
                return Err(InvalidAttribute::new(name, name, allowed));
            }
            check_depth(name, value)?;
        }
        Ok(())
    }
}

fn check_depth(name: &str, value: &Value) -> Result<(), InvalidAttribute> {
    if is_deeper(value, MAX_DEPTH) {
        return Err(InvalidAttribute::new(name, "json", TOO_DEEP));
    }
    Ok(())
}
