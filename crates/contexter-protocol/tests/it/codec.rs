//! Headers and bodies: both modes, and what is refused.

use contexter_protocol::codec::{self, Encoded};
use contexter_protocol::{DecodeError, IntegrationEvent};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::event;

pub(crate) fn decode(encoded: &Encoded<'_>) -> Result<IntegrationEvent, DecodeError> {
    let headers = encoded
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value));
    codec::decode(headers, encoded.body.clone())
}

/// The least headers of an event in binary mode.
const LEAST: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("ce-source", "/s"),
    ("ce-type", "a.b"),
];

fn decode_with(
    more: &[(&str, &str)],
    body: &'static [u8],
) -> Result<IntegrationEvent, DecodeError> {
    codec::decode(LEAST.iter().chain(more).copied(), body)
}

/// The event as headers can carry it: every extension is a text.
fn with_textual_extensions(event: &IntegrationEvent) -> IntegrationEvent {
    let mut value = serde_json::to_value(event).unwrap();
    for (name, extension) in event.extensions() {
        value[name] = extension.to_string().into();
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_value_that_another_attribute_usually_has_is_kept_as_any_other() {
    let event = IntegrationEvent::builder("1.0", "application/json")
        .id("1.0")
        .subject("application/json")
        .build()
        .unwrap();
    let encoded = codec::encode_binary(&event).unwrap();
    assert_eq!(decode(&encoded).unwrap(), event);
    for found in ["application/json", "1.00", "\"1.0"] {
        let headers = [("ce-specversion", found), ("ce-id", "1")];
        let refused = codec::decode(headers, &b""[..]).unwrap_err();
        assert!(
            matches!(refused, DecodeError::Version { .. }),
            "{found}: {refused}"
        );
    }
}

#[test]
fn binary_mode_has_a_header_for_each_attribute_and_the_bare_data() {
    let event = IntegrationEvent::builder("/search", "index.renamed")
        .id("7")
        .time("2026-11-23T10:00:00.5+01:00".parse().unwrap())
        .subject("größe \"2\" 100%")
        .correlation_id("c")
        .partition_key("p")
        .extension("sequence", 7)
        .extension("flag", true)
        .data(json!({ "to": "größe" }))
        .build()
        .unwrap();
    let encoded = codec::encode_binary(&event).unwrap();
    let headers: Vec<_> = encoded.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(
        headers,
        [
            ("ce-specversion", "1.0"),
            ("ce-id", "7"),
            ("ce-source", "/search"),
            ("ce-type", "index.renamed"),
            ("ce-subject", "gr%C3%B6%C3%9Fe%20%222%22%20100%25"),
            ("ce-datacontenttype", "application/json"),
            ("ce-correlationid", "c"),
            ("ce-partitionkey", "p"),
            ("ce-time", "2026-11-23T09:00:00.5Z"),
            ("ce-flag", "true"),
            ("ce-sequence", "7"),
        ]
    );
    assert_eq!(encoded.body, "{\"to\":\"größe\"}");
    let again = decode(&encoded).unwrap();
    assert_eq!(again.extensions()["sequence"].as_i32(), Some(7));
    assert_eq!(again.extensions()["flag"].as_bool(), Some(true));
    assert_eq!(again.extensions()["flag"].as_i32(), None);
}

#[test]
fn structured_mode_has_one_header_and_everything_in_the_body() {
    let event = IntegrationEvent::builder("s", "a.b").build().unwrap();
    let encoded = codec::encode_structured(&event).unwrap();
    let mark = ("Content-Type".into(), "application/cloudevents+json".into());
    assert_eq!(encoded.headers, [mark]);
    assert_eq!(encoded.body, event.to_json());
    assert_eq!(decode(&encoded).unwrap(), event);
}

#[test]
fn the_content_type_alone_tells_the_mode() {
    let body = r#"{"specversion":"1.0","id":"in body","source":"s","type":"t"}"#;
    let structured = [(
        "content-TYPE",
        "Application/CloudEvents+JSON; charset=utf-8",
    )];
    let broken = [("ce-id", "in header"), ("ce-id", "%"), ("ce-bad_name", "x")];
    let event = codec::decode(structured.into_iter().chain(broken), body).unwrap();
    assert_eq!(event.id(), "in body", "headers of attributes are ignored");
    for (mark, found) in [
        ("application/cloudevents", "application/cloudevents"),
        (
            "application/cloudevents+avro; a=b",
            "application/cloudevents+avro",
        ),
        (
            "application/cloudevents-batch+json",
            "application/cloudevents-batch+json",
        ),
    ] {
        let error = codec::decode([("Content-Type", mark)], body).unwrap_err();
        assert!(
            matches!(&error, DecodeError::Format { found: f } if f == found),
            "{error:?}"
        );
    }
    let error = codec::decode([("Nats-Msg-Id", "1")], body).unwrap_err();
    assert!(matches!(
        error,
        DecodeError::Missing {
            attribute: "specversion"
        }
    ));
}

#[test]
fn names_of_headers_are_matched_in_any_case_and_those_of_others_ignored() {
    let headers = [
        ("CE-SpecVersion", "1.0"),
        ("Ce-Id", "1"),
        ("ce-Source", "/s"),
        ("CE-TYPE", "a.b"),
        ("Ce-MyExt", "x"),
        ("Nats-Msg-Id", "1"),
        ("Nats-Msg-Id", "2"),
        ("ce", "no attribute"),
        ("traceparent", "%"),
    ];
    let event = codec::decode(headers, "").unwrap();
    assert_eq!(event.extensions()["myext"].as_str(), Some("x"));
    assert_eq!(event.extensions().len(), 1);
}

#[test]
fn the_content_type_is_that_of_the_data_unless_an_attribute_says_it() {
    let http = decode_with(&[("Content-Type", "text/plain")], b"7").unwrap();
    assert_eq!(http.data_content_type(), Some("text/plain"));
    assert_eq!(http.data_bytes().map(|b| &b[..]), Some(&b"7"[..]));
    let both = [
        ("Content-Type", "text/plain"),
        ("ce-datacontenttype", "text/json"),
    ];
    let both = decode_with(&both, b"7").unwrap();
    assert_eq!(
        (both.data_content_type(), both.data()),
        (Some("text/json"), &json!(7))
    );
}

#[test]
fn what_is_wrong_with_a_header_is_told_by_its_attribute() {
    for (header, message) in [
        (
            ("ce-subject", "%G1"),
            "invalid percent-encoding in the header of \"subject\"",
        ),
        (
            ("ce-my1", "100%"),
            "invalid percent-encoding in the header of \"my1\"",
        ),
        (("ce-subject", "%FF"), "header of \"subject\" is not utf-8"),
        (("ce-subject", ""), "invalid attribute \"subject\""),
        (("ce-subject", "a%00b"), "invalid attribute \"subject\""),
        (("ce-id", "2"), "attribute \"id\" comes twice"),
        (("CE-ID", "1"), "attribute \"id\" comes twice"),
        (("ce-data", "x"), "invalid attribute \"data\""),
        (("ce-data_base64", "x"), "invalid attribute \"data_base64\""),
        (("ce-", "x"), "invalid attribute \"\""),
        (("ce-snake_case", "x"), "invalid attribute \"snake_case\""),
        (("ce-größe", "x"), "invalid header name \"ce-größe\""),
        (("größe", "x"), "invalid header name \"größe\""),
        (("two words", "x"), "invalid header name \"two words\""),
        (("a:b", "x"), "invalid header name \"a:b\""),
        (
            ("line\r\nbreak", "x"),
            "invalid header name \"line\\r\\nbreak\"",
        ),
        (("", "x"), "invalid header name \"\""),
        (("ce-time", "yesterday"), "invalid attribute \"time\""),
        (
            ("ce-expirytime", "2026-02-30T00:00:00Z"),
            "invalid attribute \"expirytime\"",
        ),
    ] {
        let error = decode_with(&[header], b"").unwrap_err().to_string();
        assert!(error.starts_with(message), "{error} does not say {message}");
    }
    for (missing, attribute) in ["specversion", "id", "source", "type"].iter().enumerate() {
        let mut headers = LEAST.to_vec();
        headers.remove(missing);
        let error = codec::decode(headers, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("missing attribute \"{attribute}\"")
        );
    }
    let name = [(&b"ce-subject"[..], &b"\xff"[..])];
    let error = codec::decode(name, "").unwrap_err();
    assert!(matches!(error, DecodeError::NotUtf8 { attribute } if attribute == "subject"));
    let error = codec::decode([(b"\xff", "x")], "").unwrap_err();
    assert!(matches!(error, DecodeError::HeaderName { .. }));
    let twice = [
        ("content-type", "text/plain"),
        ("Content-Type", "text/plain"),
    ];
    let error = decode_with(&twice, b"").unwrap_err().to_string();
    assert_eq!(error, "attribute \"Content-Type\" comes twice");
}

#[test]
fn another_version_of_cloudevents_is_told_before_anything_else() {
    for version in ["0.3", "1.1", "2.0", "1", " 1.0", "%31.0x"] {
        let headers = [
            ("ce-subject", "%"),
            ("ce-specversion", version),
            ("ce-a_b", "c"),
        ];
        let error = codec::decode(headers, "").unwrap_err();
        assert!(
            matches!(error, DecodeError::Version { .. }),
            "{version}: {error:?}"
        );
        let body = json!({ "from_then": [], "id": 1, "data": 1, "data_base64": 2,
            "specversion": version });
        let error = IntegrationEvent::from_json(body.to_string().as_bytes()).unwrap_err();
        assert!(
            matches!(error, DecodeError::Version { .. }),
            "{version}: {error:?}"
        );
    }
}

#[test]
fn times_are_those_of_rfc_3339_and_of_no_wider_form() {
    for time in [
        "2026-11-23T10:00:00Z",
        "2026-11-23t10:00:00.123456789z",
        "2026-11-23T10:00:00-08:30",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
    ] {
        let event = decode_with(&[("ce-time", time)], b"").unwrap();
        assert_eq!(
            decode(&codec::encode_binary(&event).unwrap()).unwrap(),
            event
        );
    }
    for time in [
        "2026-11-23",
        "2026-11-23T10:00:00",
        "2026-11-23T10:00Z",
        "2026-11-23T10:00:00.Z",
        "2026-11-23T10:00:00,5Z",
        "2026-11-23T10:00:00+0100",
        "20261123T100000Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T10:00:00Z[UTC]",
        "-000001-01-01T00:00:00Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-23:59",
    ] {
        let error = decode_with(&[("ce-time", time)], b"").unwrap_err();
        assert!(
            matches!(&error, DecodeError::Invalid(e) if e.attribute() == "time"),
            "{time}: {error}"
        );
    }
}

/// What the error, its causes and their debug forms say.
fn everything_said(error: &DecodeError) -> String {
    let mut said = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said} {error} {error:?}");
        cause = error.source();
    }
    said
}

#[test]
fn no_error_shows_the_body() {
    let json = [("ce-datacontenttype", "application/json")];
    for body in [
        &b"secret"[..],
        b"{\"a\": secret}",
        b"\"secret",
        b"{\"secret\"}",
        b"[\xffsecret",
    ] {
        let said = everything_said(&decode_with(&json, body).unwrap_err());
        assert!(!said.contains("secret"), "{said}");
    }
    let structured = [("Content-Type", "application/cloudevents+json")];
    let start = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","#;
    for body in [
        "\"secret\"".to_owned(),
        "[\"secret\"]".to_owned(),
        format!("{start}\"data\":secret}}"),
        format!("{start}\"data\":\"secret\",\"data_base64\":\"secret\"}}"),
        format!("{start}\"data\":[\"secret\"],\"datacontenttype\":\"text/plain\"}}"),
        format!("{start}\"data_base64\":\"secret!\"}}"),
        format!("{start}\"data_base64\":[\"secret\"]}}"),
        format!("{start}\"subject\":[\"secret\"]}}"),
        format!("{start}\"ext\":{{\"secret\":1}}}}"),
    ] {
        let said = everything_said(&codec::decode(structured, body.clone()).unwrap_err());
        assert!(!said.contains("secret"), "{body}: {said}");
    }
    let event = IntegrationEvent::builder("s", "t")
        .data(json!("secret"))
        .build()
        .unwrap();
    let shown = format!("{:?}", codec::encode_binary(&event).unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}

proptest! {
    #[test]
    fn any_event_comes_back_from_either_mode(event in event()) {
        let structured = codec::encode_structured(&event).unwrap();
        prop_assert_eq!(&decode(&structured).unwrap(), &event);
        let binary = codec::encode_binary(&event).unwrap();
        for (name, value) in &binary.headers {
            prop_assert!(name.bytes().chain(value.bytes()).all(|b| b.is_ascii_graphic()));
        }
        let again = decode(&binary).unwrap();
        prop_assert_eq!(&again, &with_textual_extensions(&event));
        // What came through headers goes through any number of hops unchanged.
        prop_assert_eq!(&decode(&codec::encode_structured(&again).unwrap()).unwrap(), &again);
        prop_assert_eq!(&decode(&codec::encode_binary(&again).unwrap()).unwrap(), &again);
    }

    #[test]
    fn no_headers_and_no_body_make_the_decoder_panic(
        headers: Vec<(Vec<u8>, Vec<u8>)>, values: [Vec<u8>; 4], body: Vec<u8>,
        name in "ce-[a-z]{0,4}", kind in "(text/plain|application/json|)",
    ) {
        let _ = codec::decode(headers, body.clone());
        let names = ["ce-time", "ce-subject", "Content-Type", &name];
        let wild = names.into_iter().zip(&values).map(|(n, v)| (n, &v[..]));
        let least = LEAST.map(|(name, value)| (name, value.as_bytes()));
        let kind = ("ce-datacontenttype", kind.as_bytes());
        if let Ok(event) = codec::decode(wild.chain(least).chain([kind]), body) {
            let again = decode(&codec::encode_binary(&event).unwrap()).unwrap();
            prop_assert_eq!(&again, &event);
            prop_assert_eq!(&IntegrationEvent::from_json(&event.to_json()).unwrap(), &event);
        }
    }

    #[test]
    fn a_body_in_structured_mode_is_read_as_the_json_form(bytes: Vec<u8>, event in event()) {
        let mark = [("Content-Type", IntegrationEvent::MEDIA_TYPE)];
        prop_assert!(codec::decode(mark, bytes).is_err());
        prop_assert_eq!(codec::decode(mark, event.to_json()).unwrap(), event);
    }
}

#[test]
fn the_names_of_json_members_come_once() {
    let start = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","#;
    for (member, name) in [
        (r#""id":"1"}"#, "id"),
        (r#""ext":1,"ext":1}"#, "ext"),
        (r#""data":1,"data":1}"#, "data"),
        (
            r#""data_base64":"AA==","data_base64":"AA=="}"#,
            "data_base64",
        ),
    ] {
        let error = IntegrationEvent::from_json([start, member].concat().as_bytes()).unwrap_err();
        assert!(
            matches!(&error, DecodeError::Duplicate { attribute } if attribute == name),
            "{member}: {error:?}"
        );
    }
    let null: Value = json!(null);
    let twice = format!("{start}\"id\":{null},\"data\":{null},\"data_base64\":\"AA==\"}}");
    assert!(
        IntegrationEvent::from_json(twice.as_bytes()).is_ok(),
        "null is absent"
    );
}
