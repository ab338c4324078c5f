//! Events and messages that others send.
//!
//! What is accepted keeps the rules of CloudEvents, and is the same after it was written and read
//! again, in either mode; writing it twice gives the same bytes.
//!
//! An input is a body; lines `NAME:VALUE` and an empty line before it are its headers.

#![no_main]

use contexter_protocol::codec::{self, Encoded};
use contexter_protocol::{IntegrationEvent, IntegrationMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = IntegrationEvent::from_json(bytes) {
        check(&event);
    }
    if let Ok(message) = IntegrationMessage::from_json(bytes) {
        let written = message.to_json();
        let again = IntegrationMessage::from_json(&written).expect("what is written is read");
        assert_eq!(again, message);
        assert_eq!(again.to_json(), written);
    }
    let (headers, body) = split(bytes);
    if let Ok(event) = codec::decode(headers, body.to_vec()) {
        check(&event);
        // Headers carry text, so what came out of them goes through them unchanged.
        if let Ok(binary) = codec::encode_binary(&event)
            && event
                .extensions()
                .values()
                .all(|value| value.as_str().is_some())
        {
            assert_eq!(read(&binary), event);
        }
    }
});

fn check(event: &IntegrationEvent) {
    for required in [event.id(), event.source(), event.event_type()] {
        assert!(!required.is_empty() && !required.contains(char::is_control));
    }
    for name in event.extensions().keys() {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        assert!(!name.is_empty() && name.bytes().all(allowed), "{name:?}");
    }
    let written = event.to_json();
    let again = IntegrationEvent::from_json(&written).expect("what is written is read");
    assert_eq!(&again, event);
    assert_eq!(again.to_json(), written);
    if let Ok(binary) = codec::encode_binary(event) {
        for (name, value) in &binary.headers {
            let printable = |byte: u8| byte.is_ascii_graphic();
            assert!(name.bytes().chain(value.bytes()).all(printable), "{name:?}");
        }
        let again = read(&binary);
        assert_eq!(
            (again.data(), again.data_bytes()),
            (event.data(), event.data_bytes())
        );
        assert_eq!(codec::encode_binary(&again).as_ref(), Ok(&binary));
    }
    if let Ok(message) = IntegrationMessage::from_event(event.clone()) {
        let again = message
            .clone()
            .into_event()
            .and_then(IntegrationMessage::from_event);
        if let Ok(again) = again {
            assert_eq!(again, message);
        }
    }
}

fn read(encoded: &Encoded<'_>) -> IntegrationEvent {
    let headers = encoded
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value));
    codec::decode(headers, encoded.body.clone()).expect("what is written is read")
}

/// Takes the headers off a body.
fn split(mut rest: &[u8]) -> (Vec<(&[u8], &[u8])>, &[u8]) {
    let mut headers = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        if line.is_empty() {
            return (headers, after);
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        headers.push((&line[..colon], line.get(colon + 1..).unwrap_or_default()));
        rest = after;
    }
    (headers, rest)
}
