//! The CloudEvents SDK for Rust reads what we write, and we read what it writes.
//!
//! The SDK has no binding with our names of headers, so [`Wire`] is one, on its own abstractions:
//! names and percent-encoding are written here a second time, from the specification.

use cloudevents::event::{AttributesReader, ExtensionValue as TheirValue, SpecVersion};
use cloudevents::message::{
    BinaryDeserializer, BinarySerializer, MessageAttributeValue, Result as TheirResult,
    StructuredDeserializer, StructuredSerializer,
};
use cloudevents::{Data, Event, EventBuilder, EventBuilderV10};
use contexter_protocol::{IntegrationEvent, codec};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use crate::arbitrary::event;

/// What the binding wants encoded, besides what is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

#[derive(Default)]
struct Wire {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Wire {
    fn of(event: &IntegrationEvent) -> Self {
        let encoded = codec::encode_binary(event).unwrap();
        let headers = encoded.headers.into_iter();
        Self {
            headers: headers
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
            body: encoded.body.to_vec(),
        }
    }

    fn push(mut self, name: &str, value: &str) -> Self {
        let value = utf8_percent_encode(value, ENCODED).to_string();
        self.headers.push((format!("ce-{name}"), value));
        self
    }
}

impl BinaryDeserializer for Wire {
    fn deserialize_binary<R, V: BinarySerializer<R>>(self, visitor: V) -> TheirResult<R> {
        let known = SpecVersion::V10.attribute_names();
        let mut visitor = visitor.set_spec_version(SpecVersion::V10)?;
        for (name, value) in &self.headers {
            let name = name.strip_prefix("ce-").unwrap();
            let value = percent_decode_str(value)
                .decode_utf8()
                .unwrap()
                .into_owned();
            let value = MessageAttributeValue::String(value);
            visitor = match name {
                "specversion" => visitor,
                _ if known.contains(&name) => visitor.set_attribute(name, value)?,
                _ => visitor.set_extension(name, value)?,
            };
        }
        if self.body.is_empty() {
            visitor.end()
        } else {
            visitor.end_with_data(self.body)
        }
    }
}

impl BinarySerializer<Self> for Wire {
    fn set_spec_version(self, version: SpecVersion) -> TheirResult<Self> {
        Ok(self.push("specversion", version.as_str()))
    }

    fn set_attribute(self, name: &str, value: MessageAttributeValue) -> TheirResult<Self> {
        Ok(self.push(name, &value.to_string()))
    }

    fn set_extension(self, name: &str, value: MessageAttributeValue) -> TheirResult<Self> {
        Ok(self.push(name, &value.to_string()))
    }

    fn end_with_data(mut self, bytes: Vec<u8>) -> TheirResult<Self> {
        self.body = bytes;
        Ok(self)
    }

    fn end(self) -> TheirResult<Self> {
        Ok(self)
    }
}

struct Body;

impl StructuredSerializer<Vec<u8>> for Body {
    fn set_structured_event(self, bytes: Vec<u8>) -> TheirResult<Vec<u8>> {
        Ok(bytes)
    }
}

/// Reads what the SDK writes, in both modes.
fn ours(theirs: &Event) -> [IntegrationEvent; 2] {
    let wire = theirs.clone().deserialize_binary(Wire::default()).unwrap();
    let body = theirs.clone().deserialize_structured(Body).unwrap();
    let mark = [("content-type", "application/cloudevents+json")];
    [
        codec::decode(wire.headers, wire.body).unwrap(),
        codec::decode(mark, body).unwrap(),
    ]
}

/// Makes the SDK read what we write, in both modes.
fn theirs(ours: &IntegrationEvent) -> [Event; 2] {
    let body = codec::encode_structured(ours).unwrap().body;
    [
        BinaryDeserializer::into_event(Wire::of(ours)).unwrap(),
        serde_json::from_slice(&body).unwrap(),
    ]
}

/// The bytes of the data, however the SDK holds them.
fn bytes(theirs: &Event) -> Option<Vec<u8>> {
    theirs.data().map(|data| match data {
        Data::Binary(bytes) => bytes.clone(),
        Data::String(text) => text.clone().into_bytes(),
        Data::Json(value) => serde_json::to_vec(value).unwrap(),
    })
}

fn assert_same(theirs: &Event, ours: &IntegrationEvent) {
    assert_eq!(theirs.id(), ours.id());
    assert_eq!(theirs.source(), ours.source());
    assert_eq!(theirs.ty(), ours.event_type());
    assert_eq!(theirs.subject(), ours.subject());
    assert_eq!(theirs.datacontenttype(), ours.data_content_type());
    let schema = theirs.dataschema().map(ToString::to_string);
    assert_eq!(schema.as_deref(), ours.data_schema());
    let nanos = theirs.time().map(|time| {
        i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())
    });
    assert_eq!(nanos, ours.time().map(jiff::Timestamp::as_nanosecond));
    for (name, value) in [
        ("correlationid", ours.correlation_id()),
        ("causationid", ours.causation_id()),
        ("partitionkey", ours.partition_key()),
        ("traceparent", ours.trace_parent()),
        ("tracestate", ours.trace_state()),
        ("dataref", ours.data_ref()),
        ("targetservice", ours.target_service()),
    ] {
        let found = theirs.extension(name).map(ToString::to_string);
        assert_eq!(found.as_deref(), value, "{name}");
    }
    for (name, value) in ours.extensions() {
        let found = theirs.extension(name).map(ToString::to_string);
        assert_eq!(found, Some(value.to_string()), "{name}");
    }
    match (bytes(theirs), ours.data_bytes()) {
        (found, Some(expected)) => assert_eq!(found.as_deref(), Some(&expected[..])),
        (Some(found), None) => {
            let value: serde_json::Value = serde_json::from_slice(&found).unwrap();
            assert_eq!(&value, ours.data());
        }
        (None, None) => assert!(ours.data().is_null()),
    }
}

#[test]
fn the_sdk_reads_our_extensions_texts_and_bytes() {
    let base = || {
        IntegrationEvent::builder("https://example.com/größe".replace("öß", "%C3"), "a.b")
            .subject("grüße \"an\" 100% 😀")
            .data_schema("https://example.com/schema")
            .partition_key("schlüssel")
            .trace(
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                None,
            )
            .data_ref("sha256:00")
            .extension("sequence", 7)
            .extension("flag", true)
            .extension("word", "wörtlich")
    };
    for event in [
        base().build(),
        base()
            .data(json!({ "text": "größe", "list": [1, null] }))
            .build(),
        base().data_bytes("image/png", vec![0, 255, 1]).build(),
        base().data_bytes("text/plain", "größe").build(),
    ] {
        let event = event.unwrap();
        let [binary, structured] = theirs(&event);
        assert_same(&binary, &event);
        assert_same(&structured, &event);
        assert_eq!(
            structured.extension("sequence"),
            Some(&TheirValue::Integer(7))
        );
        assert_eq!(
            structured.extension("flag"),
            Some(&TheirValue::Boolean(true))
        );
    }
}

#[test]
fn we_read_the_extensions_texts_and_bytes_of_the_sdk() {
    let base = || {
        EventBuilderV10::new()
            .id("grüße 1")
            .source("/a/b?c=d")
            .ty("a.b")
            .subject("100% \"größe\" 😀")
            .time("2026-11-23T10:00:00.123456789+01:00")
            .extension("sequence", 7)
            .extension("flag", true)
            .extension("word", "wörtlich")
            .extension("correlationid", "flow")
    };
    for event in [
        base().build(),
        base()
            .data("application/json", json!({ "text": "größe" }))
            .build(),
        base()
            .data("application/octet-stream", vec![0, 255, 1])
            .build(),
        base().data("text/xml", "<größe/>".to_owned()).build(),
        base()
            .data_with_schema("a/b+json", "https://example.com/s".to_owned(), json!([1]))
            .build(),
    ] {
        let event = event.unwrap();
        let [binary, structured] = ours(&event);
        assert_same(&event, &binary);
        assert_same(&event, &structured);
        assert_eq!(structured.correlation_id(), Some("flow"));
        for ours in [binary, structured] {
            assert_eq!(ours.extensions()["sequence"].as_i32(), Some(7));
            assert_eq!(ours.extensions()["flag"].as_bool(), Some(true));
            let [again, _] = theirs(&ours);
            assert_same(&again, &ours);
        }
    }
}

proptest! {
    #[test]
    fn any_event_of_ours_goes_through_the_sdk_and_back(event in event()) {
        // The SDK takes fewer sources than RFC 3986 has.
        let mut object = serde_json::to_value(&event).unwrap();
        object["source"] = event.source().replace(['%', ':'], "/").into();
        let event: IntegrationEvent = serde_json::from_value(object).unwrap();
        for through in theirs(&event) {
            assert_same(&through, &event);
            for again in ours(&through) {
                assert_same(&through, &again);
                prop_assert_eq!(again.data(), event.data());
                prop_assert_eq!(again.data_bytes(), event.data_bytes());
                prop_assert_eq!(again.expiry_time(), event.expiry_time());
            }
        }
    }
}
