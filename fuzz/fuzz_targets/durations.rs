//! Durations as people write them.
//!
//! What is read, written and read again is the same; a number is as many seconds; what is left out
//! and what is there are told apart.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Held(#[serde(with = "contexter_service::duration")] Duration);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Optional(#[serde(with = "contexter_service::duration::option")] Option<Duration>);

fuzz_target!(|text: &str| {
    // As text, such as `30s`.
    check(&Value::String(text.to_owned()));
    // As JSON, such as `30`, `0.5` or `"30s"`.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        check(&value);
    }
});

fn check(value: &Value) {
    let held = serde_json::from_value::<Held>(value.clone());
    let optional = serde_json::from_value::<Optional>(value.clone());
    if value.is_null() {
        assert!(held.is_err());
        assert_eq!(optional.unwrap(), Optional(None));
        return;
    }
    let Ok(Held(duration)) = held else {
        assert!(optional.is_err(), "{value} is no duration");
        return;
    };
    assert_eq!(optional.unwrap(), Optional(Some(duration)));
    if let Some(seconds) = value.as_u64() {
        assert_eq!(duration, Duration::from_secs(seconds));
    } else if let Some(seconds) = value.as_f64() {
        let off = (duration.as_secs_f64() - seconds).abs();
        assert!(
            off <= 1e-9 + seconds.abs() * f64::EPSILON,
            "{value}: {duration:?}"
        );
    } else {
        assert!(value.is_string(), "{value} is no duration");
    }
    let written = serde_json::to_value(Held(duration)).expect("a duration can be written");
    let Held(again) = serde_json::from_value(written.clone()).expect("what is written is read");
    assert_eq!(again, duration, "written as {written}");
}
