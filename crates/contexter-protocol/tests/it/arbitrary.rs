//! Any event and any message.

use std::collections::BTreeMap;

use contexter_protocol::{
    ExtensionValue, IntegrationEvent, IntegrationMessage, MessageType, SchemaVersion,
};
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

pub(crate) fn text() -> impl Strategy<Value = String> {
    "[^\\p{C}]{1,12}"
}

fn uri() -> impl Strategy<Value = String> {
    "[a-z/:._%-]{1,12}"
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_i64..253_402_207_200, 0..1_000_000_000)
        .prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap())
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Data with its media type, where it is not the usual one.
#[derive(Clone, Debug)]
enum AnyData {
    Json(Value),
    OtherJson(Value),
    Text(String),
    Bytes(&'static str, Vec<u8>),
}

fn data() -> impl Strategy<Value = AnyData> {
    let media_type = prop_oneof![
        Just("application/octet-stream"),
        Just("text/plain; charset=utf-16"),
        Just("text/xml"),
        Just("größe"),
    ];
    prop_oneof![
        json().prop_map(AnyData::Json),
        json().prop_map(AnyData::OtherJson),
        any::<String>().prop_map(AnyData::Text),
        (media_type, any::<Vec<u8>>()).prop_map(|(name, bytes)| AnyData::Bytes(name, bytes)),
    ]
}

fn extension() -> impl Strategy<Value = ExtensionValue> {
    prop_oneof![
        any::<bool>().prop_map(ExtensionValue::from),
        any::<i32>().prop_map(ExtensionValue::from),
        text().prop_map(ExtensionValue::from),
        Just(ExtensionValue::from("")),
    ]
}

prop_compose! {
    pub(crate) fn event()(
        id in text(), source in uri(), kind in text(), subject in option::of(text()),
        time in timestamp(), expiry in option::of(timestamp()), data in data(),
        (schema, reference) in (option::of("urn:[a-z]{1,8}"), option::of(uri())),
        correlation in text(), cause in option::of(text()), key in option::of(text()),
        (target, version) in (option::of(text()), option::of((0_u32.., 0_u32..))),
        trace in option::of((text(), option::of(text()))),
        others in btree_map("x[a-z0-9]{0,8}", extension(), 0..4),
    ) -> IntegrationEvent {
        let mut builder = IntegrationEvent::builder(source, kind)
            .id(id).time(time).correlation_id(correlation);
        builder = match data {
            AnyData::Json(value) => builder.data(value),
            AnyData::OtherJson(value) => builder.data(value).data_content_type("a/b+json"),
            AnyData::Text(text) => builder.data_bytes("text/plain", text),
            AnyData::Bytes(name, bytes) => builder.data_bytes(name, bytes),
        };
        if let Some(subject) = subject { builder = builder.subject(subject); }
        if let Some(expiry) = expiry { builder = builder.expiry_time(expiry); }
        if let Some(schema) = schema { builder = builder.data_schema(schema); }
        if let Some(reference) = reference { builder = builder.data_ref(reference); }
        if let Some(cause) = cause { builder = builder.causation_id(cause); }
        if let Some(key) = key { builder = builder.partition_key(key); }
        if let Some(target) = target { builder = builder.target_service(target); }
        if let Some((major, minor)) = version {
            builder = builder.schema_version(SchemaVersion::new(major, minor));
        }
        if let Some((parent, state)) = trace { builder = builder.trace(parent, state); }
        for (name, value) in others { builder = builder.extension(name, value); }
        builder.build().unwrap()
    }
}

fn message_type() -> impl Strategy<Value = MessageType> {
    prop_oneof![
        Just(MessageType::Request),
        Just(MessageType::Response),
        Just(MessageType::Event),
        Just(MessageType::Error),
    ]
}

/// Text with characters that no attribute holds, such as control characters and noncharacters.
fn any_characters() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just('\0'),
        Just('\u{7f}'),
        Just('\u{9b}'),
        Just('\u{fdd0}'),
        Just('\u{ffff}'),
        Just('\u{10fffe}'),
    ];
    vec(prop_oneof![any::<char>(), odd], 0..8).prop_map(|characters| characters.iter().collect())
}

/// Members from a newer version: some fit an attribute, others do not.
fn foreign() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let name = prop_oneof![
        "x[a-z0-9]{0,8}",
        "x_[a-zA-Z]{0,8}",
        Just("traceparent".to_owned()),
        any_characters(),
    ];
    let value = prop_oneof![
        json(),
        text().prop_map(Value::from),
        any_characters().prop_map(Value::from),
        (any_characters(), any_characters())
            .prop_map(|(name, text)| serde_json::json!({ name: text })),
    ];
    btree_map(name, value, 0..4)
}

prop_compose! {
    pub(crate) fn message()(
        id in text(), message_type in message_type(), source in uri(), target in text(),
        operation in text(), payload in json(), timestamp in timestamp(), correlation in text(),
        cause in option::of(text()), retry_count: u32, timeout_ms: Option<u64>,
        minor: u32, extensions in foreign(),
    ) -> IntegrationMessage {
        let handler = contexter_protocol::ProtocolHandler::new("s").unwrap();
        let mut message = handler.create_request(target, operation, payload, None).unwrap();
        message.message_id = id;
        message.message_type = message_type;
        message.source_service = source;
        message.timestamp = timestamp;
        message.correlation_id = correlation;
        message.causation_id = cause;
        message.retry_count = retry_count;
        message.timeout_ms = timeout_ms;
        message.schema_version = SchemaVersion::new(1, minor);
        message.extensions = extensions;
        message
    }
}
