//! What is too large is neither written nor read.

use contexter_protocol::codec::{
    self, LimitExceeded, MAX_BODY_BYTES, MAX_HEADER_NAME_BYTES, MAX_HEADER_VALUE_BYTES, MAX_HEADERS,
};
use contexter_protocol::{DecodeError, EventBuilder, IntegrationEvent};

use crate::codec::decode;

fn base() -> EventBuilder {
    IntegrationEvent::builder("s", "a.b")
}

fn refused(headers: &[(String, String)], body: &'static [u8]) -> LimitExceeded {
    let headers = headers.iter().map(|(name, value)| (name, value));
    let error = codec::decode(headers, body).unwrap_err();
    let DecodeError::Limit(limit) = error else {
        unreachable!("{error:?}")
    };
    limit
}

#[test]
fn as_many_headers_as_allowed_come_back_and_one_more_is_refused() {
    let with = |extensions: usize| {
        (0..extensions)
            .fold(base(), |event, n| event.extension(format!("x{n}"), "v"))
            .build()
            .unwrap()
    };
    // specversion, id, source, type, time, correlationid
    let most = with(MAX_HEADERS - 6);
    let encoded = codec::encode_binary(&most).unwrap();
    assert_eq!(encoded.headers.len(), MAX_HEADERS);
    assert_eq!(decode(&encoded).unwrap(), most);
    let more = with(MAX_HEADERS - 5);
    let limit = LimitExceeded::Headers { limit: MAX_HEADERS };
    assert_eq!(codec::encode_binary(&more).unwrap_err(), limit);
    assert!(
        codec::encode_structured(&more).is_ok(),
        "no headers, no limit"
    );
    let foreign = vec![("other".to_owned(), String::new()); MAX_HEADERS + 1];
    assert_eq!(refused(&foreign, b""), limit);
}

#[test]
fn a_header_may_be_as_long_as_allowed_when_encoded() {
    let fits = base()
        .subject("ö".repeat(MAX_HEADER_VALUE_BYTES / 6))
        .build()
        .unwrap();
    assert_eq!(decode(&codec::encode_binary(&fits).unwrap()).unwrap(), fits);
    let longer = base()
        .subject("ö".repeat(MAX_HEADER_VALUE_BYTES / 6 + 1))
        .build()
        .unwrap();
    let error = codec::encode_binary(&longer).unwrap_err();
    let size = (MAX_HEADER_VALUE_BYTES / 6 + 1) * 6;
    let limit = MAX_HEADER_VALUE_BYTES;
    let name = "ce-subject".to_owned();
    assert_eq!(error, LimitExceeded::HeaderValue { name, size, limit });
    let value = "v".repeat(limit + 1);
    let error = refused(&[("other".to_owned(), value)], b"");
    let text = "header \"other\" has a value of 8193 bytes, more than 8192";
    assert_eq!(error.to_string(), text);
    let long_name = "n".repeat(MAX_HEADER_NAME_BYTES + 1);
    let error = refused(&[(long_name.clone(), String::new())], b"");
    assert!(matches!(
        error,
        LimitExceeded::HeaderName {
            size: 257,
            limit: 256,
            ..
        }
    ));
    assert!(error.to_string().len() < 120);
    let error = codec::encode_binary(&base().extension(long_name, 1).build().unwrap())
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, LimitExceeded::HeaderName { .. }));
}

#[test]
fn a_body_may_be_as_large_as_allowed() {
    let most = base()
        .data_bytes("a/b", vec![0; MAX_BODY_BYTES])
        .build()
        .unwrap();
    assert_eq!(decode(&codec::encode_binary(&most).unwrap()).unwrap(), most);
    let error = codec::encode_structured(&most).unwrap_err();
    assert!(
        matches!(error, LimitExceeded::Body { .. }),
        "base64 takes more: {error:?}"
    );
    let more = base()
        .data_bytes("a/b", vec![0; MAX_BODY_BYTES + 1])
        .build()
        .unwrap();
    let limit = LimitExceeded::Body {
        size: MAX_BODY_BYTES + 1,
        limit: MAX_BODY_BYTES,
    };
    assert_eq!(codec::encode_binary(&more).unwrap_err(), limit);
    let huge: &'static [u8] = vec![b' '; MAX_BODY_BYTES + 1].leak();
    let structured = [(
        "Content-Type".to_owned(),
        IntegrationEvent::MEDIA_TYPE.to_owned(),
    )];
    assert_eq!(refused(&structured, huge), limit);
    assert_eq!(refused(&[], huge), limit);
}
