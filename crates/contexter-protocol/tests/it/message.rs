//! Messages between two services.

use contexter_protocol::{DecodeError, IntegrationMessage, MessageType, ProtocolHandler};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

fn request() -> IntegrationMessage {
    ProtocolHandler::new("gateway")
        .unwrap()
        .create_request("search", "query", json!({ "text": "x" }), None)
        .unwrap()
}

#[test]
fn a_request_without_correlation_starts_a_flow() {
    let request = request();
    assert_eq!(request.message_type, MessageType::Request);
    assert_eq!(request.correlation_id, request.message_id);
    assert_eq!(request.causation_id, None);
    assert_eq!((request.retry_count, request.timeout_ms), (0, None));
}

#[test]
fn both_kinds_of_reply_go_back_with_correlation_and_causation() {
    let gateway = ProtocolHandler::new("gateway").unwrap();
    let request = gateway
        .create_request("search", "query", json!({}), Some("flow"))
        .unwrap();
    let search = ProtocolHandler::new("search").unwrap();
    let response = search.create_response(&request, json!([1]));
    let error = search.create_error(&request, "no such library", "NotFound");
    for reply in [&response, &error] {
        assert_eq!(reply.source_service, "search");
        assert_eq!(reply.target_service, "gateway");
        assert_eq!(reply.operation, "query");
        assert_eq!(reply.correlation_id, "flow");
        assert_eq!(reply.causation_id.as_ref(), Some(&request.message_id));
        assert_ne!(reply.message_id, request.message_id);
    }
    assert_eq!(response.message_type, MessageType::Response);
    assert_eq!(error.message_type, MessageType::Error);
    assert_eq!(
        error.payload,
        json!({ "error": "no such library", "error_type": "NotFound" })
    );
}

#[test]
fn the_json_form_has_the_names_of_the_fields_and_reads_back_equal() {
    let mut message = request();
    message.retry_count = 2;
    message.timeout_ms = Some(1500);
    let value: serde_json::Value = serde_json::from_slice(&message.to_json()).unwrap();
    assert_eq!(value["message_type"], "request");
    assert_eq!(value["retry_count"], 2);
    assert_eq!(value["timeout_ms"], 1500);
    assert_eq!(
        IntegrationMessage::from_json(&message.to_json()).unwrap(),
        message
    );
}

#[test]
fn decoding_fills_defaults_ignores_the_unknown_and_refuses_empty_names() {
    let mut value = json!({
        "message_id": "1", "message_type": "event", "source_service": "a",
        "target_service": "b", "operation": "o", "timestamp": "2026-01-01T00:00:00Z",
        "correlation_id": "c", "from_the_future": 1
    });
    let message = IntegrationMessage::from_json(value.to_string().as_bytes()).unwrap();
    assert_eq!((message.retry_count, message.timeout_ms), (0, None));
    value["operation"] = json!("");
    let error = IntegrationMessage::from_json(value.to_string().as_bytes()).unwrap_err();
    assert!(
        matches!(&error, DecodeError::Invalid(e) if e.attribute() == "operation"),
        "{error}"
    );
}

#[test]
fn a_message_expires_exactly_when_its_timeout_is_over() {
    let mut message = request();
    assert!(
        !message.is_expired(Timestamp::MAX),
        "without a timeout never"
    );
    message.timeout_ms = Some(1000);
    let after = |ms| message.timestamp + SignedDuration::from_millis(ms);
    assert!(
        !message.is_expired(after(-5000)),
        "a clock that runs behind"
    );
    assert!(!message.is_expired(after(999)));
    assert!(message.is_expired(after(1000)));
}

#[test]
fn a_service_name_must_fit_the_source_of_an_event() {
    assert!(ProtocolHandler::new("").is_err());
    assert!(ProtocolHandler::new("two words").is_err());
}
