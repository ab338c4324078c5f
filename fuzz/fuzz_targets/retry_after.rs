//! Waits that a far side asks for.
//!
//! White space around a value changes nothing; whole seconds are exact; milliseconds and seconds
//! read the same numbers; a date is as much nearer as time has passed, and never in the past;
//! nothing but digits with one point, and dates, is read.

#![no_main]

use std::time::{Duration, SystemTime};

use contexter_retry::{parse_retry_after, parse_retry_after_ms};
use libfuzzer_sys::fuzz_target;

/// The date that is the example of RFC 9110, §5.6.7.
const NOW: Duration = Duration::from_secs(784_111_777);
const MINUTE: Duration = Duration::from_secs(60);
/// As many digits a float holds exactly.
const EXACT_DIGITS: usize = 15;

fuzz_target!(|text: &str| {
    let now = SystemTime::UNIX_EPOCH + NOW;
    let wait = parse_retry_after(text, now);
    let by_millis = parse_retry_after_ms(text);

    assert_eq!(wait, parse_retry_after(&format!(" \t{text} "), now));
    assert_eq!(by_millis, parse_retry_after_ms(&format!(" \t{text} ")));

    let value = text.trim();
    let is_whole = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = match value.split_once('.') {
        Some((whole, fraction)) => [whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())),
        None => is_whole,
    };
    assert_eq!(by_millis.is_some(), is_number);

    if is_number {
        let wait = wait.expect("a number of seconds is a wait");
        let by_millis = by_millis.expect("a number of milliseconds is a wait");
        assert!(
            by_millis <= wait,
            "a millisecond is no longer than a second"
        );
        if is_whole && value.len() <= EXACT_DIGITS {
            let number = value.parse().expect("few digits are a number");
            assert_eq!(wait, Duration::from_secs(number));
            let off = by_millis.abs_diff(Duration::from_millis(number));
            // A thousandth has no exact float; the error is one part in 2^52.
            assert!(
                off <= Duration::from_nanos(1) + by_millis / (1 << 30),
                "{off:?}"
            );
        }
        // The clock is of no concern.
        assert_eq!(Some(wait), parse_retry_after(text, now + MINUTE));
    } else if let Some(wait) = wait {
        let later = parse_retry_after(text, now + MINUTE).expect("it is still a date");
        assert_eq!(later, wait.saturating_sub(MINUTE));
    }
});
