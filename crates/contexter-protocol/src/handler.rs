//! Makes the messages and events of one service.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arrival::{DEFAULT_CLOCK_SKEW, Refused};
use crate::attribute::check_uri;
use crate::error::{BuildError, InvalidAttribute};
use crate::event::IntegrationEvent;
use crate::message::{IntegrationMessage, MessageType};
use crate::payload::EventPayload;

/// Makes the messages and events of one service, with correlation kept and causation set.
///
/// # Examples
///
/// ```
/// use contexter_protocol::ProtocolHandler;
/// use serde_json::json;
///
/// let search = ProtocolHandler::new("search_engine")?;
/// let store = ProtocolHandler::new("vector_store")?;
///
/// let request = search.create_request("vector_store", "query", json!({ "limit": 5 }), None)?;
/// let response = store.create_response(&request, json!({ "hits": [] }));
/// assert_eq!(response.target_service, "search_engine");
/// assert_eq!(response.correlation_id, request.correlation_id);
/// assert_eq!(response.causation_id, Some(request.message_id));
/// # Ok::<(), contexter_protocol::InvalidAttribute>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProtocolHandler {
    service: String,
    clock_skew: Duration,
}

impl ProtocolHandler {
    /// Creates the handler of the service of that name.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] if the name is no URI reference, because it becomes the
    /// `source` of events.
    pub fn new(service_name: impl Into<String>) -> Result<Self, InvalidAttribute> {
        let service = service_name.into();
        check_uri("source_service", &service)?;
        Ok(Self {
            service,
            clock_skew: DEFAULT_CLOCK_SKEW,
        })
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn service_name(&self) -> &str {
        &self.service
    }

    /// Replaces how far the clocks of others may be ahead of ours; [`DEFAULT_CLOCK_SKEW`] unless
    /// said.
    #[must_use]
    pub fn with_clock_skew(mut self, tolerance: Duration) -> Self {
        self.clock_skew = tolerance;
        self
    }

    /// Refuses a message whose sender has stopped waiting at `now`, or whose clock disagrees with
    /// ours; see [`IntegrationMessage::check_time`].
    ///
    /// # Errors
    ///
    /// Returns the reason.
    pub fn accept(&self, message: &IntegrationMessage, now: Timestamp) -> Result<(), Refused> {
        message.check_time(now, self.clock_skew)
    }

    /// Refuses an event that is no longer of use at `now`, or that comes from a clock which
    /// disagrees with ours; see [`IntegrationEvent::check_time`].
    ///
    /// # Errors
    ///
    /// Returns the reason.
    pub fn accept_event(&self, event: &IntegrationEvent, now: Timestamp) -> Result<(), Refused> {
        event.check_time(now, self.clock_skew)
    }

    /// Creates a request. Without a correlation id it starts a flow of its own.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] if a name or the correlation id is empty or has control
    /// characters.
    pub fn create_request(
        &self,
        target_service: impl Into<String>,
        operation: impl Into<String>,
        payload: Value,
        correlation_id: Option<&str>,
    ) -> Result<IntegrationMessage, InvalidAttribute> {
        let (target, operation) = (target_service.into(), operation.into());
        let mut message = self.message(MessageType::Request, target, operation, payload);
        if let Some(id) = correlation_id {
            id.clone_into(&mut message.correlation_id);
        }
        message.check()?;
        Ok(message)
    }

    /// Creates a message that tells the target that something happened; with a cause it belongs to
    /// the flow of that message.
    ///
    /// It is for one service. What concerns whoever listens is an
    /// [event](Self::create_event).
    ///
    /// # Errors
    ///
    /// Returns [`InvalidAttribute`] if a name is empty or has control characters.
    pub fn create_event_message(
        &self,
        target_service: impl Into<String>,
        operation: impl Into<String>,
        payload: Value,
        cause: Option<&IntegrationMessage>,
    ) -> Result<IntegrationMessage, InvalidAttribute> {
        let (target, operation) = (target_service.into(), operation.into());
        let mut message = self.message(MessageType::Event, target, operation, payload);
        if let Some(cause) = cause {
            message.correlation_id.clone_from(&cause.correlation_id);
            message.causation_id = Some(cause.message_id.clone());
        }
        message.check()?;
        Ok(message)
    }

    /// Creates the response to a request.
    #[must_use]
    pub fn create_response(
        &self,
        request: &IntegrationMessage,
        payload: Value,
    ) -> IntegrationMessage {
        self.reply(request, MessageType::Response, payload)
    }

    /// Creates the error reply to a request; its payload is `{ "error", "error_type" }`.
    ///
    /// `error` is one line without secrets, `error_type` the kind of error, for grouping.
    #[must_use]
    pub fn create_error(
        &self,
        request: &IntegrationMessage,
        error: &str,
        error_type: &str,
    ) -> IntegrationMessage {
        let payload = json!({ "error": error, "error_type": error_type });
        self.reply(request, MessageType::Error, payload)
    }

    /// Creates an event; with a cause it belongs to the flow of that event.
    ///
    /// # Errors
    ///
    /// Returns a [`BuildError`] if the payload has no JSON form or gives an attribute that
    /// CloudEvents does not allow.
    pub fn create_event<P: EventPayload>(
        &self,
        payload: &P,
        cause: Option<&IntegrationEvent>,
    ) -> Result<IntegrationEvent, BuildError> {
        let mut builder = IntegrationEvent::of(self.service.clone(), payload)?;
        if let Some(cause) = cause {
            builder = builder.caused_by(cause);
        }
        Ok(builder.build()?)
    }

    fn reply(
        &self,
        request: &IntegrationMessage,
        message_type: MessageType,
        payload: Value,
    ) -> IntegrationMessage {
        let (target, operation) = (request.source_service.clone(), request.operation.clone());
        let mut message = self.message(message_type, target, operation, payload);
        message.correlation_id.clone_from(&request.correlation_id);
        message.causation_id = Some(request.message_id.clone());
        message
    }

    /// A message that starts a flow of its own.
    fn message(
        &self,
        message_type: MessageType,
        target_service: String,
        operation: String,
        payload: Value,
    ) -> IntegrationMessage {
        let message_id = Uuid::now_v7().to_string();
        IntegrationMessage {
            correlation_id: message_id.clone(),
            message_id,
            message_type,
            source_service: self.service.clone(),
            target_service,
            operation,
            payload,
            timestamp: Timestamp::now(),
            causation_id: None,
            retry_count: 0,
            timeout_ms: None,
            schema_version: IntegrationMessage::SCHEMA_VERSION,
            extensions: BTreeMap::new(),
        }
    }
}
