//! What the stream keeps, and what a group misses.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{Disposition, MessageTransport, Source, Start};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_testkit::{Nats, Server, require};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENCE, config, event, publish, spec};

async fn connect(config: NatsConfig) -> NatsTransport {
    NatsTransport::connect(config).await.unwrap()
}

async fn stream(server: &Server) -> async_nats::jetstream::stream::Info {
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream("contexter").await.unwrap();
    stream.get_info().await.unwrap()
}

async fn send(transport: &NatsTransport, many: usize) {
    let events: Vec<_> = (0..many).map(|_| event("a.b")).collect();
    publish(transport, &events).await;
}

/// Receives and acknowledges so many.
async fn take(source: &Arc<dyn Source>, many: usize) {
    let mut left = many;
    while left > 0 {
        let some = timeout(PATIENCE, source.receive(left)).await;
        let some = some.unwrap().unwrap();
        left -= some.len();
        let acks: Vec<_> = some
            .iter()
            .map(|incoming| (incoming.token, Disposition::Ack))
            .collect();
        for answer in source.settle(&acks).await {
            answer.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_removed_before_a_group_has_read_it_is_counted() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let transport = connect(config(&server).with_max_events(Some(10))).await;
    send(&transport, 15).await;
    // What was gone before there was a group is not missed.
    let spec = spec(">", "g").with_prefetch(1);
    let source = transport.subscribe(&spec).await.unwrap();
    take(&source, 10).await;
    assert_eq!(source.health().trimmed, 0);
    source.close().await;
    drop(source);
    // Nobody is there, and then one reads on, who is also slow.
    send(&transport, 30).await;
    let source = transport.subscribe(&spec).await.unwrap();
    take(&source, 1).await;
    assert_eq!(source.health().trimmed, 20);
    send(&transport, 40).await;
    take(&source, 10).await;
    let trimmed = source.health().trimmed;
    // Whether one was at hand by then is a matter of luck.
    assert!((58..=59).contains(&trimmed), "{trimmed}");
    transport.close().await;
}

#[tokio::test]
async fn what_was_stored_before_a_subscription_to_new_events_is_not_missed() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let transport = connect(config(&server).with_max_events(Some(10))).await;
    send(&transport, 15).await;
    let new = spec(">", "g").with_start(Start::New);
    let grouped = transport.subscribe(&new).await.unwrap();
    let mut solo = new;
    solo.group = None;
    let alone = transport.subscribe(&solo).await.unwrap();
    send(&transport, 3).await;
    for source in [grouped, alone] {
        take(&source, 3).await;
        assert_eq!(source.health().trimmed, 0);
    }
    transport.close().await;
}

#[tokio::test]
async fn a_stream_is_made_with_limits_of_age_and_bytes_and_keeps_to_them() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let age = Duration::from_millis(500);
    let limited = config(&server)
        .with_max_age(Some(age))
        .with_max_bytes(Some(2_000));
    let transport = connect(limited).await;
    send(&transport, 50).await;
    let found = stream(&server).await;
    assert_eq!((found.config.max_age, found.config.max_bytes), (age, 2_000));
    assert!(found.state.bytes <= 2_000, "{:?}", found.state);
    let end = Instant::now() + PATIENCE;
    while stream(&server).await.state.messages > 0 {
        assert!(Instant::now() < end, "events are not removed by their age");
        sleep(Duration::from_millis(50)).await;
    }
    transport.close().await;
}

#[tokio::test]
async fn a_stream_that_is_there_keeps_its_limits() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let first = connect(config(&server)).await;
    let age = Duration::from_mins(1);
    let second = connect(config(&server).with_max_age(Some(age))).await;
    assert_eq!(stream(&server).await.config.max_age, Duration::ZERO);
    first.close().await;
    second.close().await;
}

#[test]
fn an_age_is_read_as_text_and_one_that_is_too_short_is_refused_by_its_value() {
    let config: NatsConfig =
        serde_json::from_str(r#"{ "max_age": "7d", "max_bytes": 1000000 }"#).unwrap();
    assert_eq!(config.max_age, Some(Duration::from_hours(7 * 24)));
    assert_eq!(config.max_bytes, Some(1_000_000));
    let short = config
        .with_max_age(Some(Duration::from_millis(99)))
        .with_max_bytes(Some(0));
    let faults = short.validate().unwrap_err().to_string();
    assert!(
        faults.contains("max_age") && faults.contains("99ms"),
        "{faults}"
    );
    assert!(
        faults.contains("max_bytes") && faults.contains("got 0"),
        "{faults}"
    );
}
