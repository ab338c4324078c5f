//! What is refused on arrival: the expired, and what comes from a clock that is far ahead.

use std::time::Duration;

use contexter_protocol::{
    DEFAULT_CLOCK_SKEW, IntegrationEvent, IntegrationMessage, ProtocolHandler, Refused,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

fn handler() -> ProtocolHandler {
    ProtocolHandler::new("search").unwrap()
}

fn request() -> IntegrationMessage {
    handler()
        .create_request("store", "query", json!({}), None)
        .unwrap()
        .with_timeout(Duration::from_secs(1))
}

fn after(time: Timestamp, millis: i64) -> Timestamp {
    time + SignedDuration::from_millis(millis)
}

#[test]
fn a_message_is_refused_from_the_moment_its_sender_stops_waiting() {
    let request = request();
    let made = request.timestamp;
    assert_eq!(request.timeout_ms, Some(1000));
    assert_eq!(handler().accept(&request, after(made, 999)), Ok(()));
    let error = handler().accept(&request, after(made, 1500)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expired: its age is 1.5s, its timeout 1s"
    );
    let at_once = request.clone().with_timeout(Duration::ZERO);
    assert!(handler().accept(&at_once, made).is_err());
    let never = request.with_timeout(Duration::MAX);
    assert_eq!(never.timeout_ms, Some(u64::MAX));
    assert_eq!(handler().accept(&never, Timestamp::MAX), Ok(()));
}

#[test]
fn a_try_again_keeps_the_id_and_the_deadline() {
    let first = request();
    let second = first.clone().retried();
    assert_eq!(second.retry_count, 1);
    assert_eq!(
        (&second.message_id, second.timestamp),
        (&first.message_id, first.timestamp)
    );
    let mut last = second;
    last.retry_count = u32::MAX;
    assert_eq!(last.retried().retry_count, u32::MAX);
}

#[test]
fn a_clock_ahead_is_tolerated_up_to_the_tolerance_and_not_beyond() {
    let request = request();
    let made = request.timestamp;
    let tolerance = i64::try_from(DEFAULT_CLOCK_SKEW.as_millis()).unwrap();
    assert_eq!(handler().accept(&request, after(made, -tolerance)), Ok(()));
    let ahead = after(made, -tolerance - 1);
    assert!(matches!(
        handler().accept(&request, ahead),
        Err(Refused::ClockSkew {
            attribute: "timestamp",
            ..
        })
    ));
    let strict = handler().with_clock_skew(Duration::from_millis(10));
    let error = strict.accept(&request, after(made, -20)).unwrap_err();
    let text = "clock skew: its \"timestamp\" is 20ms ahead, more than 10ms";
    assert_eq!(error.to_string(), text);
}

#[test]
fn an_event_is_refused_past_its_expiry_and_from_a_clock_far_ahead() {
    let event = IntegrationEvent::builder("s", "a.b").build().unwrap();
    let made = event.time().unwrap();
    assert_eq!(handler().accept_event(&event, made), Ok(()));
    assert_eq!(
        handler().accept_event(&event, Timestamp::MAX),
        Ok(()),
        "never expires"
    );
    assert!(matches!(
        handler().accept_event(&event, after(made, -301_000)),
        Err(Refused::ClockSkew {
            attribute: "time",
            ..
        })
    ));
    let short = IntegrationEvent::builder("s", "a.b")
        .time(made)
        .expiry_time(after(made, 500))
        .build()
        .unwrap();
    assert_eq!(handler().accept_event(&short, after(made, 499)), Ok(()));
    let error = handler()
        .accept_event(&short, after(made, 700))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "expired: its \"expirytime\" was 200ms ago"
    );
    assert!(handler().accept_event(&short, after(made, 500)).is_err());
}
