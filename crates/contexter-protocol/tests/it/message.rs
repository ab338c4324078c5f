//! Messages between two services.

use contexter_protocol::{
    DecodeError, IntegrationEvent, IntegrationMessage, MessageType, ProtocolHandler,
};
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
fn decoding_fills_defaults_keeps_the_unknown_and_refuses_empty_names() {
    let mut value = json!({
        "message_id": "1", "message_type": "event", "source_service": "a",
        "target_service": "b", "operation": "o", "timestamp": "2026-01-01T00:00:00Z",
        "correlation_id": "c", "from_the_future": 1
    });
    let message = IntegrationMessage::from_json(value.to_string().as_bytes()).unwrap();
    assert_eq!((message.retry_count, message.timeout_ms), (0, None));
    assert_eq!(message.extensions["from_the_future"], 1);
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

#[test]
fn what_is_wrong_with_a_member_is_told_by_its_name() {
    let good = serde_json::to_value(request()).unwrap();
    for (name, value, message) in [
        (
            "message_id",
            json!(null),
            "missing attribute \"message_id\"",
        ),
        (
            "message_id",
            json!(7),
            "invalid attribute \"message_id\": \"7\" is not a text",
        ),
        (
            "message_type",
            json!("question"),
            "invalid attribute \"message_type\": \"question\"",
        ),
        (
            "source_service",
            json!("a\nb"),
            "invalid attribute \"source_service\"",
        ),
        (
            "timestamp",
            json!("2026-01-01"),
            "invalid attribute \"timestamp\": \"2026-01-01\"",
        ),
        (
            "retry_count",
            json!(-1),
            "invalid attribute \"retry_count\": \"-1\"",
        ),
        (
            "retry_count",
            json!(4_294_967_296_u64),
            "invalid attribute \"retry_count\"",
        ),
        (
            "timeout_ms",
            json!(1.5),
            "invalid attribute \"timeout_ms\": \"1.5\"",
        ),
        (
            "timeout_ms",
            json!(["secret"]),
            "invalid attribute \"timeout_ms\": \"[]\"",
        ),
    ] {
        let mut object = good.clone();
        object[name] = value;
        let error = IntegrationMessage::from_json(object.to_string().as_bytes()).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(message), "{error} does not say {message}");
    }
    let twice = br#"{"message_id":"1","message_id":"1"}"#;
    let error = IntegrationMessage::from_json(twice).unwrap_err();
    assert!(
        matches!(&error, DecodeError::Duplicate { attribute } if attribute == "message_id"),
        "{error:?}"
    );
}

#[test]
fn a_message_about_an_event_and_an_event_about_a_message_keep_the_flow() {
    let gateway = ProtocolHandler::new("gateway").unwrap();
    let request = request();
    let told = gateway
        .create_event_message("monitor", "query.started", json!({}), Some(&request))
        .unwrap();
    assert_eq!(told.message_type, MessageType::Event);
    assert_eq!(told.target_service, "monitor");
    let event = IntegrationEvent::builder("gateway", "query.started")
        .caused_by_message(&request)
        .build()
        .unwrap();
    for (correlation, cause) in [
        (Some(&*told.correlation_id), told.causation_id.as_deref()),
        (event.correlation_id(), event.causation_id()),
    ] {
        assert_eq!(correlation, Some(&*request.correlation_id));
        assert_eq!(cause, Some(&*request.message_id));
    }
    let alone = gateway
        .create_event_message("monitor", "started", json!({}), None)
        .unwrap();
    assert_eq!(
        (&alone.correlation_id, alone.causation_id),
        (&alone.message_id, None)
    );
    assert!(
        gateway
            .create_event_message("", "started", json!({}), None)
            .is_err()
    );
}
