//! Makes the messages and events of one service.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

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
        Ok(Self { service })
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn service_name(&self) -> &str {
        &self.service
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
        let message_id = Uuid::now_v7().to_string();
        let message = IntegrationMessage {
            correlation_id: correlation_id.unwrap_or(&message_id).to_owned(),
            message_id,
            message_type: MessageType::Request,
            source_service: self.service.clone(),
            target_service: target_service.into(),
            operation: operation.into(),
            payload,
            timestamp: Timestamp::now(),
            causation_id: None,
            retry_count: 0,
            timeout_ms: None,
        };
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
        IntegrationMessage {
            message_id: Uuid::now_v7().to_string(),
            message_type,
            source_service: self.service.clone(),
            target_service: request.source_service.clone(),
            operation: request.operation.clone(),
            payload,
            timestamp: Timestamp::now(),
            correlation_id: request.correlation_id.clone(),
            causation_id: Some(request.message_id.clone()),
            retry_count: 0,
            timeout_ms: None,
        }
    }
}
