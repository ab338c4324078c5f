//! What several configurations share.

use std::time::Duration;

use contexter_service::{BreakerState, InvalidConfig, Jitter};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Settings {
    #[serde(with = "contexter_service::duration")]
    wait: Duration,
    #[serde(with = "contexter_service::duration::option", default)]
    limit: Option<Duration>,
}

fn wait(text: &str) -> Result<Duration, String> {
    serde_json::from_str::<Settings>(&format!(r#"{{"wait": {text}}}"#))
        .map(|settings| settings.wait)
        .map_err(|error| error.to_string())
}

#[test]
fn durations_are_text_or_seconds() {
    for (text, duration) in [
        (r#""30s""#, Duration::from_secs(30)),
        (r#""1m 30s""#, Duration::from_secs(90)),
        (r#""250ms""#, Duration::from_millis(250)),
        (r#""0s""#, Duration::ZERO),
        ("45", Duration::from_secs(45)),
        ("0.5", Duration::from_millis(500)),
    ] {
        assert_eq!(wait(text), Ok(duration), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_named() {
    for (text, named) in [
        (r#""half a minute""#, "half a minute"),
        (r#""30""#, "30"),
        (r#""""#, r#""""#),
        ("-1", "-1"),
        ("-0.5", "-0.5"),
        ("1e40", "1e+40"),
        ("true", "true"),
        ("null", "null"),
    ] {
        let error = wait(text).unwrap_err();
        assert!(error.contains(named), "{text}: {error}");
    }
}

#[test]
fn durations_are_written_as_people_write_them() {
    let settings = Settings {
        wait: Duration::from_millis(90_250),
        limit: Some(Duration::from_hours(1)),
    };
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(text, r#"{"wait":"1m 30s 250ms","limit":"1h"}"#);
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    let none: Settings = serde_json::from_str(r#"{"wait": 1, "limit": null}"#).unwrap();
    assert_eq!(none.limit, None);
}

#[test]
fn jitter_is_a_name_or_the_specification_s_boolean() {
    let read = |text: &str| serde_json::from_str::<Jitter>(text).ok();
    assert_eq!(read("true"), Some(Jitter::Equal));
    assert_eq!(read("false"), Some(Jitter::None));
    for jitter in [
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
    ] {
        let text = serde_json::to_string(&jitter).unwrap();
        assert_eq!(read(&text), Some(jitter), "{text}");
    }
    assert_eq!(read(r#""half""#), None);
}

#[test]
fn breaker_states_are_spelled_as_in_the_specification() {
    for (state, name) in [
        (BreakerState::Closed, "closed"),
        (BreakerState::Open, "open"),
        (BreakerState::HalfOpen, "half_open"),
    ] {
        assert_eq!(state.as_str(), name);
        assert_eq!(format!("{state:>10}"), format!("{name:>10}"));
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("{name:?}"));
    }
}

#[test]
fn faults_of_several_sections_come_together() {
    let fault = |field| InvalidConfig::check([(field, Some("must be set".to_owned()))]);
    let all = InvalidConfig::join([
        fault("a").map_err(|faults| faults.within("first")),
        Ok(()),
        fault("b"),
    ])
    .unwrap_err();
    let fields: Vec<_> = all.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(fields, ["first.a", "b"]);
    assert_eq!(InvalidConfig::join([Ok(()), Ok(())]), Ok(()));
}
