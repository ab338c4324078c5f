//! Versions of payloads and messages: newer minor ones are read, newer major ones refused.

use contexter_protocol::{
    DecodeError, EventPayload, IntegrationEvent, IntegrationMessage, PayloadError, ProtocolHandler,
    SchemaVersion, codec,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::codec::decode;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    from: String,
}

impl EventPayload for Renamed {
    const TYPE: &'static str = "file.renamed";
    const SCHEMA_VERSION: SchemaVersion = SchemaVersion::new(2, 1);
}

fn event_of(version: &str) -> IntegrationEvent {
    IntegrationEvent::builder("s", "file.renamed")
        .extension("schemaversion", version)
        .data(json!({ "from": "a", "added_later": true }))
        .build()
        .unwrap()
}

#[test]
fn an_event_says_the_version_of_its_payload_unless_it_is_the_first() {
    let handler = ProtocolHandler::new("s").unwrap();
    let renamed = Renamed {
        from: "a".to_owned(),
    };
    let event = handler.create_event(&renamed, None).unwrap();
    assert_eq!(event.schema_version(), Ok(SchemaVersion::new(2, 1)));
    let again = decode(&codec::encode_binary(&event).unwrap()).unwrap();
    assert_eq!(again.payload::<Renamed>().unwrap(), renamed);
    let plain = IntegrationEvent::builder("s", "t").build().unwrap();
    assert_eq!(plain.schema_version(), Ok(SchemaVersion::FIRST));
    assert!(plain.extensions().is_empty());
}

#[test]
fn a_payload_of_a_newer_minor_version_is_read_and_of_a_newer_major_one_refused() {
    for readable in ["1", "2.0", "2.1", "2.99", "2.1.7"] {
        assert!(
            event_of(readable).payload::<Renamed>().is_ok(),
            "{readable}"
        );
    }
    let error = event_of("3.0").payload::<Renamed>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "data of \"file.renamed\" has schema 3.0: up to 2.x is supported"
    );
    let error = event_of("latest").payload::<Renamed>().unwrap_err();
    assert!(
        matches!(&error, PayloadError::Invalid(e) if e.attribute() == "schemaversion"),
        "{error:?}"
    );
    assert_eq!(
        event_of("latest").data()["from"],
        "a",
        "still readable as it is"
    );
}

fn message(version: &serde_json::Value) -> Result<IntegrationMessage, DecodeError> {
    let value = json!({
        "message_id": "1", "message_type": "event", "source_service": "a",
        "target_service": "b", "operation": "o", "timestamp": "2026-01-01T00:00:00Z",
        "correlation_id": "c", "schema_version": version, "from_the_future": { "a": [1.5, null] }
    });
    IntegrationMessage::from_json(value.to_string().as_bytes())
}

#[test]
fn a_message_of_a_newer_minor_version_is_read_and_passed_on_whole() {
    let read = message(&json!("1.9")).unwrap();
    assert_eq!(read.schema_version, SchemaVersion::new(1, 9));
    assert_eq!(
        read.extensions["from_the_future"],
        json!({ "a": [1.5, null] })
    );
    let again: serde_json::Value = serde_json::from_slice(&read.to_json()).unwrap();
    assert_eq!(again["schema_version"], "1.9");
    assert_eq!(again["from_the_future"], json!({ "a": [1.5, null] }));
    assert_eq!(
        message(&json!(null)).unwrap().schema_version,
        SchemaVersion::FIRST
    );
}

#[test]
fn a_message_of_a_newer_major_version_is_refused_before_its_members_are_looked_at() {
    let error = message(&json!("2.0")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unsupported schema version 2.0: up to 1.x is supported"
    );
    let error = IntegrationMessage::from_json(br#"{"schema_version":"7.1","message_id":[]}"#);
    assert!(
        matches!(error, Err(DecodeError::SchemaVersion { .. })),
        "{error:?}"
    );
    assert!(message(&json!("new")).is_err());
    assert!(message(&json!(2)).is_err());
}
