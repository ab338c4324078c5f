//! The event envelope: defaults, rules, and the JSON form.

use contexter_protocol::{DecodeError, ExtensionValue, IntegrationEvent};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::event;

fn decode(value: &Value) -> Result<IntegrationEvent, DecodeError> {
    IntegrationEvent::from_json(value.to_string().as_bytes())
}

/// The least object that is an event, with `extra` members added or replaced.
fn object(extra: &Value) -> Value {
    let mut object = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "a.b" });
    for (name, value) in extra.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

#[test]
fn a_built_event_starts_its_own_flow_with_a_sortable_id() {
    let first = IntegrationEvent::builder("s", "a.b").build().unwrap();
    let second = IntegrationEvent::builder("s", "a.b").build().unwrap();
    assert!(first.id() < second.id(), "UUIDv7 ids sort by time");
    assert_eq!(first.id().as_bytes()[14], b'7', "version 7");
    assert_eq!(first.correlation_id(), Some(first.id()));
    assert_eq!(first.causation_id(), None);
    assert_eq!(first.data_content_type(), None, "no data, no type of it");
}

#[test]
fn an_effect_keeps_the_correlation_and_trace_of_its_cause() {
    let cause = IntegrationEvent::builder("s", "a.b")
        .correlation_id("flow")
        .trace("00-1-2-01", Some("vendor=1".to_owned()))
        .build()
        .unwrap();
    let effect = IntegrationEvent::builder("s", "a.c")
        .caused_by(&cause)
        .build()
        .unwrap();
    assert_eq!(effect.correlation_id(), Some("flow"));
    assert_eq!(effect.causation_id(), Some(cause.id()));
    assert_eq!(effect.trace_parent(), Some("00-1-2-01"));
    assert_eq!(effect.trace_state(), Some("vendor=1"));
}

#[test]
fn the_cause_of_a_flow_without_correlation_becomes_its_correlation() {
    let cause = decode(&object(&json!({ "id": "foreign" }))).unwrap();
    assert_eq!(cause.correlation_id(), None);
    let effect = IntegrationEvent::builder("s", "a.c")
        .caused_by(&cause)
        .build()
        .unwrap();
    assert_eq!(effect.correlation_id(), Some("foreign"));
}

#[test]
fn building_refuses_what_cloudevents_does_not_allow() {
    let base = || IntegrationEvent::builder("s", "a.b");
    for (attribute, builder) in [
        ("source", IntegrationEvent::builder("", "a.b")),
        ("source", IntegrationEvent::builder("two words", "a.b")),
        ("source", IntegrationEvent::builder("größe", "a.b")),
        ("type", IntegrationEvent::builder("s", "")),
        ("id", base().id("")),
        ("subject", base().subject("")),
        ("subject", base().subject("line\nbreak")),
        ("subject", base().subject("\u{fffe}")),
        ("partitionkey", base().partition_key("")),
        ("dataref", base().data_ref("not a uri")),
        ("Bad", base().extension("Bad", 1)),
        ("snake_case", base().extension("snake_case", true)),
        ("data", base().extension("data", 1)),
        ("subject", base().extension("subject", "twice")),
        ("ext", base().extension("ext", "\u{7f}")),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.attribute(), attribute, "{error}");
    }
}

#[test]
fn decoding_reads_every_attribute_and_keeps_unknown_extensions() {
    let event = decode(&object(&json!({
        "subject": "größe", "time": "2026-11-23T10:00:00+01:00",
        "datacontenttype": "application/json", "dataschema": "urn:x",
        "correlationid": "c", "causationid": "d", "partitionkey": "p",
        "traceparent": "t", "tracestate": "u", "expirytime": "2026-11-23T09:00:01Z",
        "dataref": "sha256:00", "targetservice": "monitoring",
        "flag": true, "sequence": 7, "word": "w", "unset": null,
        "data": { "x": [1, 2] }
    })))
    .unwrap();
    assert_eq!(event.subject(), Some("größe"));
    let nine: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    assert_eq!(event.time(), Some(nine), "the offset is understood");
    assert_eq!(event.partition_key(), Some("p"));
    assert_eq!(event.target_service(), Some("monitoring"));
    assert_eq!(event.data()["x"][1], 2);
    let kept: Vec<_> = event.extensions().iter().collect();
    assert_eq!(
        kept,
        [
            (&"flag".to_owned(), &ExtensionValue::Boolean(true)),
            (&"sequence".to_owned(), &ExtensionValue::Integer(7)),
            (&"word".to_owned(), &ExtensionValue::String("w".to_owned())),
        ]
    );
    assert!(!event.is_expired(nine));
    assert!(event.is_expired(event.expiry_time().unwrap()));
}

#[test]
fn what_is_finer_than_a_nanosecond_is_cut_off() {
    for (text, expected) in [
        (
            "2026-11-23T10:00:00.1234567890Z",
            "2026-11-23T10:00:00.123456789Z",
        ),
        (
            "2026-11-23T10:00:00.99999999999999999999+01:00",
            "2026-11-23T09:00:00.999999999Z",
        ),
        ("2026-11-23t10:00:00.000000000000z", "2026-11-23T10:00:00Z"),
        (
            "2026-11-23T10:00:00.123456789-01:00",
            "2026-11-23T11:00:00.123456789Z",
        ),
        ("2026-11-23T10:00:00.1Z", "2026-11-23T10:00:00.1Z"),
    ] {
        let expected: Timestamp = expected.parse().unwrap();
        let event = decode(&object(&json!({ "time": text, "expirytime": text }))).unwrap();
        assert_eq!(event.time(), Some(expected), "{text}");
        assert_eq!(event.expiry_time(), Some(expected), "{text}");
        let again = IntegrationEvent::from_json(&event.to_json()).unwrap();
        assert_eq!(again, event);
    }
    for text in [
        "2026-11-23T10:00:00.1234567890",
        "2026-11-23T10:00:00.123456789aZ",
        "2026-11-23T10:00:00.1234567890.1Z",
        "2026-11-23T10:00:00.Z",
    ] {
        let error = decode(&object(&json!({ "time": text }))).unwrap_err();
        assert!(
            matches!(error, DecodeError::Invalid(_)),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn decoding_says_what_is_wrong() {
    for (extra, message) in [
        (json!({ "id": null }), "missing attribute \"id\""),
        (
            json!({ "specversion": "0.3" }),
            "unsupported CloudEvents version \"0.3\"",
        ),
        (
            json!({ "id": 1 }),
            "invalid attribute \"id\": \"1\" is not a text",
        ),
        (json!({ "type": "" }), "invalid attribute \"type\": \"\""),
        (
            json!({ "time": "yesterday" }),
            "invalid attribute \"time\": \"yesterday\"",
        ),
        (
            json!({ "expirytime": "7" }),
            "invalid attribute \"expirytime\"",
        ),
        (
            json!({ "data_base64": "AAE" }),
            "invalid member \"data_base64\"",
        ),
        (json!({ "ext": 1.5 }), "invalid attribute \"ext\": \"1.5\""),
        (
            json!({ "ext": 2_147_483_648_u32 }),
            "whole number of 32 bits",
        ),
        (json!({ "ext": {} }), "invalid attribute \"ext\": \"{}\""),
        (json!({ "Ext": 1 }), "invalid attribute \"Ext\""),
    ] {
        let error = decode(&object(&extra)).unwrap_err().to_string();
        assert!(error.contains(message), "{error} does not say {message}");
    }
}

#[test]
fn bytes_that_are_no_object_are_a_json_error() {
    for bytes in [&b""[..], b"[]", b"{", b"\xff", b"\"text\"", b"null"] {
        let error = IntegrationEvent::from_json(bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Json(_)), "{error:?}");
    }
}

#[test]
fn an_error_about_a_huge_value_stays_one_short_line() {
    let huge = "x\n".repeat(100_000);
    let error = decode(&object(&json!({ "subject": huge }))).unwrap_err();
    assert!(error.to_string().len() < 400);
    assert!(!error.to_string().contains('\n'));
}

proptest! {
    #[test]
    fn the_json_form_of_any_event_reads_back_equal(event in event()) {
        let json = event.to_json();
        prop_assert_eq!(&IntegrationEvent::from_json(&json).unwrap(), &event);
        let value: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&value["specversion"], "1.0");
        prop_assert_eq!(value["id"].as_str(), Some(event.id()));
        prop_assert_eq!(value["correlationid"].as_str(), event.correlation_id());
        prop_assert_eq!(value.get("expirytime").is_some(), event.expiry_time().is_some());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, cut in 0_usize..400, event in event()) {
        let _ = IntegrationEvent::from_json(&bytes);
        let json = event.to_json();
        let cut = cut.min(json.len() - 1);
        prop_assert!(IntegrationEvent::from_json(&json[..cut]).is_err(), "truncated at {}", cut);
    }
}
