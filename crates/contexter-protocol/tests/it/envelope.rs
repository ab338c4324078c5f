//! Messages in the envelope of CloudEvents.

use std::time::Duration;

use contexter_protocol::{
    DecodeError, IntegrationEvent, IntegrationMessage, ProtocolHandler, codec,
};
use proptest::prelude::*;
use serde_json::json;

use crate::arbitrary::message;
use crate::codec::decode;

fn request() -> IntegrationMessage {
    let gateway = ProtocolHandler::new("gateway").unwrap();
    gateway
        .create_request(
            "search",
            "query.run",
            json!({ "text": "größe" }),
            Some("flow"),
        )
        .unwrap()
        .with_timeout(Duration::from_millis(1500))
        .retried()
}

#[test]
fn a_request_is_an_event_whose_type_is_the_operation() {
    let request = request();
    let event = request.clone().into_event().unwrap();
    assert_eq!(event.id(), request.message_id);
    assert_eq!(event.source(), "gateway");
    assert_eq!(event.target_service(), Some("search"));
    assert_eq!(event.event_type(), "query.run");
    assert_eq!(event.correlation_id(), Some("flow"));
    assert_eq!(event.time(), Some(request.timestamp));
    assert_eq!(event.data(), &request.payload);
    let lasts = event
        .expiry_time()
        .unwrap()
        .duration_since(request.timestamp);
    assert_eq!(
        lasts.as_millis(),
        1500,
        "whoever knows no messages sees it expire too"
    );
    assert_eq!(event.extensions()["messagetype"].as_str(), Some("request"));
    assert_eq!(event.extensions()["retrycount"].as_i32(), Some(1));
}

#[test]
fn replies_have_types_of_their_own() {
    let search = ProtocolHandler::new("search").unwrap();
    let response = search.create_response(&request(), json!([]));
    let error = search.create_error(&request(), "no such library", "NotFound");
    for (reply, event_type) in [(response, "query.run.response"), (error, "query.run.error")] {
        let event = reply.clone().into_event().unwrap();
        assert_eq!(event.event_type(), event_type);
        assert_eq!(event.causation_id(), reply.causation_id.as_deref());
        assert_eq!(IntegrationMessage::from_event(event).unwrap(), reply);
    }
}

#[test]
fn attributes_that_are_no_part_of_a_message_are_kept() {
    let mut value = serde_json::to_value(request().into_event().unwrap()).unwrap();
    value["traceparent"] = json!("00-1-2-01");
    value["sequence"] = json!(7);
    let event: IntegrationEvent = serde_json::from_value(value).unwrap();
    let message = IntegrationMessage::from_event(event).unwrap();
    assert_eq!(message.extensions["traceparent"], "00-1-2-01");
    assert_eq!(message.extensions["sequence"], 7);
    let again = message.into_event().unwrap();
    assert_eq!(again.trace_parent(), Some("00-1-2-01"));
}

#[test]
fn an_event_that_is_no_message_is_refused_by_what_it_lacks() {
    let object = serde_json::to_value(request().into_event().unwrap()).unwrap();
    for (name, value, message) in [
        (
            "messagetype",
            json!(null),
            "missing attribute \"messagetype\"",
        ),
        (
            "messagetype",
            json!("question"),
            "invalid attribute \"messagetype\": \"question\"",
        ),
        (
            "messagetype",
            json!("response"),
            "invalid attribute \"type\": \"query.run\"",
        ),
        (
            "messageversion",
            json!("2.0"),
            "unsupported schema version 2.0",
        ),
        (
            "correlationid",
            json!(null),
            "missing attribute \"correlationid\"",
        ),
        (
            "targetservice",
            json!(null),
            "missing attribute \"targetservice\"",
        ),
        ("time", json!(null), "missing attribute \"time\""),
        (
            "retrycount",
            json!("-1"),
            "invalid attribute \"retrycount\": \"-1\"",
        ),
        (
            "timeoutms",
            json!("soon"),
            "invalid attribute \"timeoutms\": \"soon\"",
        ),
        (
            "messagemembers",
            json!("[]"),
            "invalid attribute \"messagemembers\"",
        ),
        (
            "messagemembers",
            json!("{\"operation\":1}"),
            "invalid attribute \"operation\"",
        ),
        (
            "datacontenttype",
            json!("text/plain"),
            "data of a \"datacontenttype\"",
        ),
    ] {
        let mut object = object.clone();
        object[name] = value;
        let error = IntegrationEvent::from_json(object.to_string().as_bytes())
            .and_then(IntegrationMessage::from_event)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error} does not say {message}");
    }
    let bytes = IntegrationEvent::builder("s", "t")
        .target_service("x")
        .extension("messagetype", "request")
        .data_bytes("image/png", vec![0])
        .build()
        .unwrap();
    let error = IntegrationMessage::from_event(bytes)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "invalid attribute \"datacontenttype\": \"image/png\" is not json"
    );
}

#[test]
fn an_expiry_alone_is_the_timeout() {
    let mut value = serde_json::to_value(request().into_event().unwrap()).unwrap();
    value["timeoutms"] = json!(null);
    let event: IntegrationEvent = serde_json::from_value(value).unwrap();
    let message = IntegrationMessage::from_event(event).unwrap();
    assert_eq!(message.timeout_ms, Some(1500));
}

#[test]
fn a_source_that_is_no_uri_fits_no_envelope() {
    let mut message = request();
    message.source_service = "two words".to_owned();
    let error = message.into_event().unwrap_err();
    assert!(
        matches!(&error, DecodeError::Invalid(e) if e.attribute() == "source"),
        "{error:?}"
    );
}

#[test]
fn members_that_no_attribute_holds_travel_in_ascii() {
    let mut message = request();
    for (name, value) in [
        ("delete", json!("\u{7f}")),
        ("control", json!("\u{9b}31m\r\n")),
        (
            "noncharacters",
            json!(["\u{fdd0}", { "\u{ffff}": "\u{1fffe}" }]),
        ),
        ("\u{85}", json!("größe 😀")),
    ] {
        message.extensions.insert(name.to_owned(), value);
    }
    let event = message.clone().into_event().unwrap();
    let members = event.extensions()["messagemembers"].as_str().unwrap();
    assert!(members.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    for event in [
        decode(&codec::encode_structured(&event).unwrap()).unwrap(),
        decode(&codec::encode_binary(&event).unwrap()).unwrap(),
        event,
    ] {
        assert_eq!(IntegrationMessage::from_event(event).unwrap(), message);
    }
}

proptest! {
    #[test]
    fn any_message_comes_back_from_json_and_from_either_mode(message in message()) {
        let json = message.to_json();
        prop_assert_eq!(&IntegrationMessage::from_json(&json).unwrap(), &message);
        let event = message.clone().into_event().unwrap();
        let events = [
            decode(&codec::encode_structured(&event).unwrap()).unwrap(),
            decode(&codec::encode_binary(&event).unwrap()).unwrap(),
        ];
        for event in events {
            prop_assert_eq!(&IntegrationMessage::from_event(event).unwrap(), &message);
        }
    }

    #[test]
    fn no_bytes_make_the_message_decoder_panic(bytes: Vec<u8>, message in message(), cut: usize) {
        let _ = IntegrationMessage::from_json(&bytes);
        let json = message.to_json();
        prop_assert!(IntegrationMessage::from_json(&json[..cut % json.len()]).is_err());
    }
}
