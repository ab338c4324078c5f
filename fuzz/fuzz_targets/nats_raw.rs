//! Messages that the server hands out as text because the client library cannot take them.
//!
//! Whatever the server answers is read or refused. Of a message every byte is kept: its body, and
//! each line of its headers. What is said to be fit for the client library is what that takes:
//! UTF-8, with names and values that it makes headers of.
//!
//! The first byte says how many bytes are headers, in units of four; the rest is the body.

#![no_main]

use std::str::FromStr as _;

use async_nats::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_nats::read_stored;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // As an answer, whatever it is.
    let _read_or_not = read_stored(input);

    let Some((size, rest)) = input.split_first() else {
        return;
    };
    let (headers, body) = rest.split_at((usize::from(*size) * 4).min(rest.len()));
    let answer = serde_json::json!({ "message": {
        "subject": "a.b",
        "seq": 1,
        "hdrs": STANDARD.encode(headers),
        "data": STANDARD.encode(body),
    }});
    let answer = serde_json::to_vec(&answer).expect("it is JSON");
    let (fault, raw) = read_stored(&answer).expect("it is an answer");
    assert_eq!(raw.body, body);

    let lines = headers.split(|byte| *byte == b'\n').skip(1);
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    assert_eq!(raw.headers.len(), lines.len());
    for ((name, value), line) in raw.headers.iter().zip(&lines) {
        let at = line.iter().position(|byte| *byte == b':');
        let (first, second) = line.split_at(at.unwrap_or(line.len()));
        assert_eq!(*name, String::from_utf8_lossy(first));
        let second = second.strip_prefix(b":").unwrap_or(second);
        assert_eq!(value.as_slice(), second.trim_ascii());
    }

    if fault.is_none() {
        assert!(are_taken(headers), "the client library takes what is fit");
    }
});

/// Reads headers as the client library does, which ends its connection, or its task, if it cannot.
fn are_taken(headers: &[u8]) -> bool {
    if headers.is_empty() {
        return true;
    }
    let Ok(text) = std::str::from_utf8(headers) else {
        return false;
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().skip(1) {
        match lines.last_mut() {
            // A line that begins with space belongs to the one before, unless that is empty.
            Some(last) if line.starts_with(char::is_whitespace) && !last.is_empty() => {
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.iter().filter(|line| !line.is_empty()).all(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            HeaderName::from_str(name).is_ok() && HeaderValue::from_str(value.trim()).is_ok()
        })
    })
}
