//! Data of any media type: what is JSON, what is bytes, and how each form carries it.

use contexter_protocol::{
    DecodeError, EventBuilder, IntegrationEvent, PayloadError, codec, rag::DocumentProcessed,
};
use serde_json::{Value, json};

use crate::codec::decode;

fn base() -> EventBuilder {
    IntegrationEvent::builder("s", DOCUMENT_PROCESSED)
}

const DOCUMENT_PROCESSED: &str = "document.processed";

fn structured(event: &IntegrationEvent) -> Value {
    serde_json::from_slice(&event.to_json()).unwrap()
}

fn from_members(extra: &Value) -> Result<IntegrationEvent, DecodeError> {
    let mut object = json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t" });
    for (name, value) in extra.as_object().unwrap() {
        object[name] = value.clone();
    }
    IntegrationEvent::from_json(object.to_string().as_bytes())
}

#[test]
fn bytes_travel_as_they_are_in_binary_mode_and_as_base64_in_json() {
    let png = b"\x89PNG\r\n\x1a\n";
    let event = base().data_bytes("image/png", &png[..]).build().unwrap();
    assert_eq!(event.data(), &Value::Null);
    assert_eq!(event.data_bytes().unwrap(), &png[..]);
    assert_eq!(codec::encode_binary(&event).unwrap().body, &png[..]);
    let object = structured(&event);
    assert_eq!(object["data_base64"], "iVBORw0KGgo=");
    assert_eq!(object["datacontenttype"], "image/png");
    assert_eq!(object.get("data"), None);
}

#[test]
fn bytes_are_not_copied_on_their_way() {
    let body = bytes::Bytes::from(vec![0_u8; 1000]);
    let event = base()
        .data_bytes("image/png", body.clone())
        .build()
        .unwrap();
    assert_eq!(event.data_bytes().unwrap().as_ptr(), body.as_ptr());
    let encoded = codec::encode_binary(&event).unwrap();
    assert_eq!(encoded.body.as_ptr(), body.as_ptr());
    let again = decode(&encoded).unwrap();
    assert_eq!(again.data_bytes().unwrap().as_ptr(), body.as_ptr());
}

#[test]
fn text_of_a_text_type_stays_legible_in_json() {
    for (content_type, text) in [
        ("text/plain", "größe"),
        ("text/html; charset=UTF-8", "<p>"),
        ("application/atom+xml", "<a/>"),
    ] {
        let event = base().data_bytes(content_type, text).build().unwrap();
        assert_eq!(structured(&event)["data"], text);
        assert_eq!(
            IntegrationEvent::from_json(&event.to_json()).unwrap(),
            event
        );
    }
    for (content_type, bytes) in [
        ("text/plain; charset=latin1", &b"a"[..]),
        ("text/plain", b"\xff"),
        ("application/octet-stream", b"a"),
    ] {
        let event = base().data_bytes(content_type, bytes).build().unwrap();
        assert!(
            structured(&event).get("data_base64").is_some(),
            "{content_type}"
        );
        assert_eq!(
            IntegrationEvent::from_json(&event.to_json()).unwrap(),
            event
        );
    }
}

#[test]
fn json_data_without_a_media_type_says_afterwards_that_it_is_json() {
    let event = from_members(&json!({ "data": { "a": 1 } })).unwrap();
    assert_eq!(event.data_content_type(), Some("application/json"));
    let encoded = codec::encode_binary(&event).unwrap();
    assert_eq!(decode(&encoded).unwrap(), event);
    assert_eq!(from_members(&json!({})).unwrap().data_content_type(), None);
}

#[test]
fn base64_of_json_is_json_if_its_media_type_says_or_implies_so() {
    for content_type in [
        json!(null),
        json!("application/json"),
        json!("a/b+json; c=d"),
    ] {
        let members = json!({ "datacontenttype": content_type, "data_base64": "eyJhIjoxfQ==" });
        assert_eq!(from_members(&members).unwrap().data(), &json!({ "a": 1 }));
    }
    let bytes = from_members(&json!({ "data_base64": "AAEC" })).unwrap();
    assert_eq!(bytes.data_bytes().unwrap(), &[0_u8, 1, 2][..]);
    assert_eq!(bytes.data_content_type(), None);
    assert_eq!(
        decode(&codec::encode_binary(&bytes).unwrap()).unwrap(),
        bytes
    );
    let broken = json!({ "datacontenttype": "application/json", "data_base64": "AAEC" });
    let error = from_members(&broken).unwrap_err();
    assert!(matches!(error, DecodeError::Data(_)), "{error:?}");
}

#[test]
fn an_empty_body_is_no_data() {
    for content_type in ["application/json", "image/png"] {
        let event = base().data_bytes(content_type, "").build().unwrap();
        assert_eq!((event.data(), event.data_bytes()), (&Value::Null, None));
        assert_eq!(event.data_content_type(), Some(content_type));
        assert_eq!(
            decode(&codec::encode_binary(&event).unwrap()).unwrap(),
            event
        );
    }
}

#[test]
fn the_data_and_its_media_type_must_agree() {
    let error = base()
        .data(json!(1))
        .data_content_type("image/png")
        .build()
        .unwrap_err();
    assert_eq!(error.attribute(), "datacontenttype");
    let error = base()
        .data_bytes("application/json", "{secret")
        .build()
        .unwrap_err();
    assert_eq!(error.attribute(), "data");
    assert!(!error.to_string().contains("secret"));
    let members = json!({ "datacontenttype": "text/plain", "data": { "a": 1 } });
    let error = from_members(&members).unwrap_err();
    assert!(matches!(error, DecodeError::DataNotText), "{error:?}");
    let both = json!({ "data": 1, "data_base64": "AAEC" });
    assert!(matches!(from_members(&both), Err(DecodeError::DataTwice)));
    for broken in ["AAE", "A*==", "AAEC=", "AA-_"] {
        let error = from_members(&json!({ "data_base64": broken })).unwrap_err();
        assert!(matches!(error, DecodeError::BinaryData), "{error:?}");
    }
}

#[test]
fn a_payload_is_read_from_json_and_from_nothing_else() {
    let data = r#"{"library_id":"l","document_count":1,"processing_time_seconds":0.1}"#;
    let json = base().data_bytes("application/json", data).build().unwrap();
    assert_eq!(
        json.payload::<DocumentProcessed>().unwrap().document_count,
        1
    );
    let text = base().data_bytes("text/plain", data).build().unwrap();
    let error = text.payload::<DocumentProcessed>().unwrap_err();
    assert!(
        matches!(&error, PayloadError::NotJson { content_type, .. } if content_type == "text/plain"),
        "{error:?}"
    );
    let shape = base()
        .data(json!({ "library_id": ["secret"], "x": 1 }))
        .build()
        .unwrap();
    let error = shape.payload::<DocumentProcessed>().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "invalid type: sequence, expected a string");
    let shape = base()
        .data(json!({ "library_id": "l", "document_count": "secret", "x": 1 }))
        .build()
        .unwrap();
    let error = shape.payload::<DocumentProcessed>().unwrap_err();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[test]
fn what_is_nested_too_deep_is_refused_alike_by_every_form() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let built = |levels| {
        let bytes = nested(levels).into_bytes();
        base().data_bytes("application/json", bytes).build()
    };
    let event = built(126).unwrap();
    for encoded in [
        codec::encode_binary(&event).unwrap(),
        codec::encode_structured(&event).unwrap(),
    ] {
        assert_eq!(decode(&encoded).unwrap(), event);
    }
    assert_eq!(built(127).unwrap_err().attribute(), "data");
    let value = (0..500).fold(json!(null), |inner, _| Value::Array(vec![inner]));
    assert_eq!(base().data(value).build().unwrap_err().attribute(), "data");
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "s"),
        ("ce-type", "t"),
    ];
    let error = codec::decode(headers, nested(127)).unwrap_err();
    assert!(
        matches!(error, DecodeError::DataTooDeep { limit: 126 }),
        "{error:?}"
    );
    let json = headers
        .into_iter()
        .chain([("ce-datacontenttype", "text/json")]);
    assert!(codec::decode(json, nested(100_000)).is_err());
}
