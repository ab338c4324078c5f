//! Storing events.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{Connection, TransportErrorKind};
use contexter_event_bus::{MessageTransport, TransportError};
use contexter_protocol::IntegrationEvent;
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Redis, require};
use tokio::time::timeout;

use crate::support::{PATIENCE, config, event, events, publish, server, transport};

/// An event of at least so many bytes.
fn of_bytes(bytes: usize) -> Arc<IntegrationEvent> {
    let data = serde_json::json!("x".repeat(bytes));
    let event = IntegrationEvent::builder("tests", "a.b").data(data);
    Arc::new(event.build().unwrap())
}

#[tokio::test]
async fn ids_of_one_call_rise_in_the_order_of_its_events() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let mut last = (0, 0);
    for answer in redis.publish(&events("a.b", 5_000)).await {
        let id = answer.unwrap().id;
        let (millis, number) = id.split_once('-').unwrap();
        let place = (
            millis.parse::<u64>().unwrap(),
            number.parse::<u64>().unwrap(),
        );
        assert!(place > last);
        last = place;
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_fails_alone_and_unsent() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(config(&server).with_max_payload(2_000)).unwrap();
    let large = of_bytes(3_000);
    let answers = redis
        .publish(&[event("a.b", 1), large, event("a.b", 2)])
        .await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::TooLarge);
    assert_eq!(redis.capabilities().max_payload(), Some(2_000));
    assert_eq!(redis.health().await.reconnects, 0);
}

#[tokio::test]
async fn of_a_long_call_each_event_has_its_own_answer_and_only_the_stored_ones_are_there() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(config(&server).with_max_payload(2_000)).unwrap();
    let large = of_bytes(3_000);
    let is_large = |number: usize| number % 7 == 3 || (300..500).contains(&number);
    let mut all = events("a.b", 1_000);
    for (number, event) in all.iter_mut().enumerate() {
        if is_large(number) {
            *event = Arc::clone(&large);
        }
    }
    let mut stored = 0;
    for (number, answer) in redis.publish(&all).await.into_iter().enumerate() {
        let expected = is_large(number).then_some(TransportErrorKind::TooLarge);
        assert_eq!(answer.as_ref().err().map(TransportError::kind), expected);
        stored += usize::from(answer.is_ok());
    }
    let length = crate::support::command(&server, &[b"XLEN", crate::support::EVENTS]);
    assert_eq!(length.lines().next(), Some(&*format!(":{stored}")));
}

#[tokio::test]
async fn what_follows_unanswered_events_of_a_call_is_not_sent() {
    require!("redis-server");
    let server = server();
    let config = config(&server).with_timeouts(
        Duration::from_secs(2),
        // The connection outlives the call, also on a busy machine.
        Duration::from_secs(30),
        Duration::from_secs(2),
    );
    let redis = RedisTransport::new(config).unwrap();
    publish(&redis, &[event("a.b", "first")]).await;
    server.pause().unwrap();
    let kinds: Vec<_> = redis
        .publish(&events("a.b", 1_000))
        .await
        .into_iter()
        .map(|answer| answer.unwrap_err().kind())
        .collect();
    server.resume().unwrap();
    let sent = kinds.partition_point(|kind| *kind == TransportErrorKind::Unconfirmed);
    assert!(sent > 0, "{kinds:?}");
    let rest = &kinds[sent..];
    assert!(!rest.is_empty(), "everything was sent");
    assert!(
        rest.iter()
            .all(|kind| *kind == TransportErrorKind::Unavailable)
    );
    // Goes over the same connection, behind everything that was sent.
    publish(&redis, &[event("a.b", "last")]).await;
    let length = crate::support::command(&server, &[b"XLEN", crate::support::EVENTS]);
    assert_eq!(length.lines().next(), Some(&*format!(":{}", sent + 2)));
}

#[tokio::test]
async fn without_a_server_it_fails_in_time_and_says_that_nothing_was_sent() {
    let config = RedisConfig::new("redis://127.0.0.1:1").with_timeouts(
        Duration::from_millis(100),
        Duration::from_millis(100),
        Duration::from_millis(300),
    );
    let redis = RedisTransport::new(config).unwrap();
    let error = redis
        .publish(&[event("a.b", 1)])
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unavailable);
    let health = redis.health().await;
    assert_eq!(health.connection, Connection::Reconnecting);
    assert!(health.last_error.is_some());
}

#[tokio::test]
async fn what_is_not_sent_needs_no_server() {
    // It would be waited for until the test gives up.
    let config = RedisConfig::new("redis://127.0.0.1:1")
        .with_max_payload(200)
        .with_timeouts(
            Duration::from_secs(1),
            Duration::from_secs(1),
            Duration::from_hours(1),
        );
    let redis = RedisTransport::new(config).unwrap();
    let large = of_bytes(300);
    let large: Vec<_> = (0..300).map(|_| Arc::clone(&large)).collect();
    let answers = timeout(PATIENCE, redis.publish(&large)).await;
    for answer in answers.expect("it waits for a server") {
        assert_eq!(answer.unwrap_err().kind(), TransportErrorKind::TooLarge);
    }
    let none = timeout(PATIENCE, redis.publish(&[])).await;
    assert!(none.expect("it waits for a server").is_empty());
}

#[tokio::test]
async fn a_server_that_is_full_says_so_and_recovers() {
    require!("redis-server");
    let server = Redis::builder()
        .args(["--maxmemory", "3mb"])
        .start()
        .unwrap();
    let redis = transport(&server);
    let filler = of_bytes(100_000);
    let mut full = None;
    for _ in 0..100 {
        if let Err(error) = redis.publish(&[Arc::clone(&filler)]).await.remove(0) {
            full = Some(error.kind());
            break;
        }
    }
    assert_eq!(full, Some(TransportErrorKind::Full));
    crate::support::command(&server, &[b"CONFIG", b"SET", b"maxmemory", b"0"]);
    publish(&redis, &[filler]).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_never_shown() {
    require!("redis-server");
    let server = Redis::builder()
        .args(["--requirepass", "sesame"])
        .ready(b"PING\r\n", ["NOAUTH"])
        .start()
        .unwrap();
    let url = |password: &str| format!("redis://:{password}@{}", server.address());
    let redis = RedisTransport::new(RedisConfig::new(url("wrong-s3cret"))).unwrap();
    let error = redis
        .publish(&[event("a.b", 1)])
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    let shown = format!("{error} {error:?} {redis:?} {:?}", redis.health().await);
    assert!(!shown.contains("s3cret"), "{shown}");

    let redis = RedisTransport::new(RedisConfig::new(url("sesame"))).unwrap();
    publish(&redis, &[event("a.b", 1)]).await;
}

#[tokio::test]
async fn the_stream_keeps_about_as_many_events_as_it_may() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(config(&server).with_max_events(Some(500))).unwrap();
    publish(&redis, &events("a.b", 3_000)).await;
    let length = crate::support::command(&server, &[b"XLEN", crate::support::EVENTS]);
    let length: u64 = length
        .trim_start_matches(':')
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((500..700).contains(&length), "{length}");
}

#[tokio::test]
async fn nothing_is_published_after_closing() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &[event("a.b", 1)]).await;
    redis.close().await;
    redis.close().await;
    let error = redis
        .publish(&[event("a.b", 2)])
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Closed);
    assert_eq!(redis.health().await.connection, Connection::Closed);
}
