//! Failures of Bright Data that a body tells of: those in the envelope, and those of the data set interface.
//!
//! No envelope passes that is none or that tells of a failure inside; its refusal is that of the headers
//! around it where these refuse already. A failure of the data set interface never passes; what it is shown
//! as is one line that does not grow with the body.
//!
//! The input is a status, a line for each header, an empty line, and the body.

#![no_main]

use contexter_brightdata::{judge, judge_dataset, judge_envelope};
use libfuzzer_sys::fuzz_target;

/// What is shown of a refusal: a meaning, at most 300 characters of the vendor's, a code, a status.
const LONGEST: usize = 600;

fuzz_target!(|input: &[u8]| {
    let (head, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (&[][..], input),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(200);
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();

    let outer = judge(status, &headers, body);
    let enclosed = judge_envelope(status, &headers, body);
    match &enclosed {
        Ok(passed) => {
            assert!(outer.is_ok(), "the envelope hides a failure");
            // In fields that nobody reads there may be what is no text.
            let envelope: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            if envelope.is_null() {
                return;
            }
            let page = envelope["body"].as_str().unwrap_or_default();
            let is_blank = page.bytes().all(|byte| byte.is_ascii_whitespace());
            assert!(!(is_blank && passed.status == 200), "an empty success passed");
            let failed = envelope["headers"].as_object().is_some_and(|headers| {
                headers.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("x-brd-error-code")
                        && value.as_str().is_some_and(|code| !code.trim().is_empty())
                })
            });
            assert!(!failed, "a failure in the envelope passed");
        }
        Err(refusal) => {
            if let Err(outer) = &outer {
                assert_eq!(refusal, outer);
            }
        }
    }
    let stored = judge_dataset(status, body);
    assert!(stored.is_err() || (200..300).contains(&status) || status == 409);
    for refusal in [enclosed.err(), stored.err()].into_iter().flatten() {
        let shown = refusal.to_string();
        assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
        assert!(shown.chars().count() <= LONGEST, "{shown:?}");
    }
});
