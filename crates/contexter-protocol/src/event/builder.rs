//! Builds events, and refuses what could not be decoded again.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{IntegrationEvent, SCHEMA_VERSION};
use crate::attribute::ExtensionValue;
use crate::data::{self, Data};
use crate::error::{DecodeError, InvalidAttribute};
use crate::message::IntegrationMessage;
use crate::schema::SchemaVersion;

/// Builds an [`IntegrationEvent`]; attributes are checked by [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use = "an event exists only after `build`"]
pub struct EventBuilder {
    pub(super) event: IntegrationEvent,
}

impl EventBuilder {
    /// Replaces the generated id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.event.id = id.into();
        self
    }

    /// Says what the event is about within its source.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.event.subject = Some(subject.into());
        self
    }

    /// Replaces the time of the event.
    pub fn time(mut self, time: Timestamp) -> Self {
        self.event.time = Some(time);
        self
    }

    /// Sets the data. Its media type is `application/json` unless
    /// [`data_content_type`](Self::data_content_type) names another one.
    pub fn data(mut self, data: Value) -> Self {
        self.event.data = Data::Json(data);
        self
    }

    /// Sets data that is not JSON, with its media type, such as `"image/png"`.
    ///
    /// Under a media type of JSON, the bytes are read as JSON when the event is built.
    pub fn data_bytes(mut self, content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.event.data_content_type = Some(Cow::Owned(content_type.into()));
        self.event.data = Data::Bytes(bytes.into());
        self
    }

    /// Replaces the media type of the data; that of JSON must be `json` or end in `+json`.
    pub fn data_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.event.data_content_type = Some(Cow::Owned(content_type.into()));
        self
    }

    /// Names the schema of the data by a URI.
    pub fn data_schema(mut self, uri: impl Into<String>) -> Self {
        self.event.data_schema = Some(uri.into());
        self
    }

    /// Points at the bytes that the event is about.
    pub fn data_ref(mut self, uri: impl Into<String>) -> Self {
        self.event.data_ref = Some(uri.into());
        self
    }

    /// Makes the event part of a flow.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.event.correlation_id = Some(id.into());
        self
    }

    /// Makes the event follow from `cause`: its correlation and trace are kept, its id becomes the
    /// causation.
    pub fn caused_by(mut self, cause: &IntegrationEvent) -> Self {
        let correlation = cause.correlation_id.as_ref().unwrap_or(&cause.id);
        self.event.correlation_id = Some(correlation.clone());
        self.event.causation_id = Some(cause.id.clone());
        self.event.trace_parent.clone_from(&cause.trace_parent);
        self.event.trace_state.clone_from(&cause.trace_state);
        self
    }

    /// Makes the event follow from a message: its correlation is kept, its id becomes the
    /// causation.
    pub fn caused_by_message(mut self, cause: &IntegrationMessage) -> Self {
        self.event.correlation_id = Some(cause.correlation_id.clone());
        self.event.causation_id = Some(cause.message_id.clone());
        self
    }

    /// Names the event or message that led to this one.
    pub fn causation_id(mut self, id: impl Into<String>) -> Self {
        self.event.causation_id = Some(id.into());
        self
    }

    /// Keeps the order among events of the same key.
    pub fn partition_key(mut self, key: impl Into<String>) -> Self {
        self.event.partition_key = Some(key.into());
        self
    }

    /// Sets the W3C trace context: `traceparent`, and `tracestate` where there is one.
    pub fn trace(mut self, parent: impl Into<String>, state: Option<String>) -> Self {
        self.event.trace_parent = Some(parent.into());
        self.event.trace_state = state;
        self
    }

    /// Says when the event stops being of use.
    pub fn expiry_time(mut self, time: Timestamp) -> Self {
        self.event.expiry_time = Some(time);
        self
    }

    /// Names the one service that the event is meant for.
    pub fn target_service(mut self, service: impl Into<String>) -> Self {
        self.event.target_service = Some(service.into());
        self
    }

    /// Adds an extension of another name: lower-case ASCII letters and digits.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<ExtensionValue>) -> Self {
        self.event.extensions.insert(name.into(), value.into());
        self
    }

    /// Says which version of its schema the data follows; 1.0 if nothing is said.
    pub fn schema_version(self, version: SchemaVersion) -> Self {
        self.extension(SCHEMA_VERSION, version.to_string())
    }

    /// Checks the attributes and returns the event.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] naming the first attribute that CloudEvents does not allow.
    pub fn build(mut self) -> Result<IntegrationEvent, InvalidAttribute> {
        self.event.data = self.checked_data()?;
        self.event.data_content_type =
            data::with_implied_type(self.event.data_content_type.take(), &self.event.data);
        if self.event.correlation_id.is_none() {
            self.event.correlation_id = Some(self.event.id.clone());
        }
        self.event.check()?;
        Ok(self.event)
    }

    /// Takes the data out, as decoding the event will give it back.
    fn checked_data(&mut self) -> Result<Data, InvalidAttribute> {
        let content_type = self.event.data_content_type();
        let data = match &self.event.data {
            Data::Bytes(bytes) => Data::from_bytes(content_type, bytes.clone()),
            Data::Json(value) if value.is_null() => Ok(Data::NONE),
            Data::Json(_) if content_type.is_some_and(|name| !data::is_json(name)) => {
                let allowed = "a media type of json, as the data is json";
                let name = content_type.unwrap_or_default();
                return Err(InvalidAttribute::new("datacontenttype", name, allowed));
            }
            Data::Json(value) if data::is_deeper(value, data::MAX_DEPTH) => {
                Err(DecodeError::DataTooDeep {
                    limit: data::MAX_DEPTH,
                })
            }
            Data::Json(_) => Ok(std::mem::replace(&mut self.event.data, Data::NONE)),
        };
        data.map_err(|fault| match fault {
            DecodeError::DataTooDeep { .. } => {
                InvalidAttribute::new("data", "json", data::TOO_DEEP)
            }
            _ => InvalidAttribute::new("data", "bytes", "json, as its datacontenttype says"),
        })
    }
}
