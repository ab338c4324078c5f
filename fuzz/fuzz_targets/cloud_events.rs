//! Events and messages that others send.
//!
//! What is accepted keeps the rules of CloudEvents, and is the same after it was written and read
//! again; writing it twice gives the same bytes.

#![no_main]

use contexter_protocol::{IntegrationEvent, IntegrationMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = IntegrationEvent::from_json(bytes) {
        for required in [event.id(), event.source(), event.event_type()] {
            assert!(!required.is_empty() && !required.contains(char::is_control));
        }
        for name in event.extensions().keys() {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(!name.is_empty() && name.bytes().all(allowed), "{name:?}");
        }
        let written = event.to_json();
        let again = IntegrationEvent::from_json(&written).expect("what is written is read");
        assert_eq!(again, event);
        assert_eq!(again.to_json(), written);
    }
    if let Ok(message) = IntegrationMessage::from_json(bytes) {
        let written = message.to_json();
        let again = IntegrationMessage::from_json(&written).expect("what is written is read");
        assert_eq!(again, message);
        assert_eq!(again.to_json(), written);
    }
});
