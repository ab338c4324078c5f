//! What the stream keeps, and what a group misses.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{Source, Start};
use contexter_event_bus::{Bus, BusConfig, Delivery, MessageTransport as _, SubscriptionConfig};
use contexter_redis::RedisTransport;
use contexter_testkit::{Server, require};

use crate::support::{
    EVENTS, ack, command, config, drain, event, events, publish, receive, server, spec, subscribe,
    transport, until,
};

fn trim(server: &Server, keep: &str) {
    command(server, &[b"XTRIM", EVENTS, b"MAXLEN", keep.as_bytes()]);
}

async fn counts(source: &dyn Source, trimmed: u64) {
    until("all that was missed is counted", || async {
        source.health().trimmed == trimmed
    })
    .await;
}

/// A consumer that has one of its events at hand, and room for no other.
async fn full(redis: &RedisTransport, group: &str) -> Arc<dyn Source> {
    let one = spec(">").with_group(group).with_prefetch(1);
    let source = redis.subscribe(&one).await.unwrap();
    let first = receive(&*source).await;
    // It keeps its lease for long enough.
    ack(&*source, &[first.token]).await;
    source
}

#[tokio::test]
async fn what_is_trimmed_before_a_group_has_read_it_is_counted() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 100)).await;
    let slow = full(&redis, "g").await;
    // The second one is at hand, and gone at the server.
    until("it is read ahead", || async {
        command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]).starts_with("*4\r\n:1\r\n")
    })
    .await;
    trim(&server, "30");
    counts(&*slow, 68).await;
    assert_eq!(drain(&*slow, 31).await.len(), 31);
    trim(&server, "0");
    publish(&redis, &[event("a", "next")]).await;
    assert_eq!(drain(&*slow, 1).await, ["next"]);
    assert_eq!(slow.health().trimmed, 68, "what was read is not missed");
}

#[tokio::test]
async fn what_is_missed_between_reads_is_counted_however_fast_it_goes() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(config(&server).with_max_events(Some(200))).unwrap();
    for solo in [false, true] {
        let spec = spec(">").with_start(Start::New).with_prefetch(8);
        let spec = if solo { spec } else { spec.with_group("g") };
        let source = redis.subscribe(&spec).await.unwrap();
        let (rounds, each) = (20, 500);
        let mut read = 0;
        for round in 0..rounds {
            let burst: Vec<_> = (0..each).map(|n| event("a", round * each + n)).collect();
            publish(&redis, &burst).await;
            read += drain(&*source, 10).await.len();
        }
        publish(&redis, &[event("last", "last")]).await;
        loop {
            let incoming = receive(&*source).await;
            ack(&*source, &[incoming.token]).await;
            read += 1;
            if crate::support::id_of(&incoming) == "last" {
                break;
            }
        }
        let missed = rounds * each + 1 - read;
        assert!(missed > 0);
        counts(&*source, missed as u64).await;
    }
}

#[tokio::test]
async fn members_of_a_group_count_a_gap_once() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 50)).await;
    let (one, other) = (full(&redis, "g").await, full(&redis, "g").await);
    until("they are full", || async {
        command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]).starts_with("*4\r\n:2\r\n")
    })
    .await;
    trim(&server, "10");
    let sum = || one.health().trimmed + other.health().trimmed;
    until("it is counted", || async { sum() >= 36 }).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(sum(), 36);
}

#[tokio::test]
async fn what_was_gone_before_a_group_was_made_is_not_missed() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 50)).await;
    trim(&server, "20");
    let early = subscribe(&redis, ">", "early").await;
    let late = spec(">").with_group("late").with_start(Start::New);
    let late = redis.subscribe(&late).await.unwrap();
    publish(&redis, &[event("a", "next")]).await;
    assert_eq!(drain(&*late, 1).await, ["next"]);
    assert_eq!(drain(&*early, 21).await.len(), 21);
    trim(&server, "0");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((early.health().trimmed, late.health().trimmed), (0, 0));
}

#[tokio::test]
async fn events_past_their_age_are_removed_by_who_publishes_and_who_subscribes() {
    require!("redis-server");
    let server = server();
    let age = Duration::from_millis(400);
    let aging = || RedisTransport::new(config(&server).with_max_age(Some(age))).unwrap();
    let length = || command(&server, &[b"XLEN", EVENTS]);
    let forever = transport(&server);
    publish(&forever, &events("a", 250)).await;
    tokio::time::sleep(age).await;
    let redis = aging();
    publish(&redis, &[event("a", "new")]).await;
    let left = length();
    assert!(
        left.starts_with(":1\r\n") || left.starts_with(":0\r\n"),
        "{left}"
    );
    drop(redis);

    publish(&forever, &events("b", 250)).await;
    let redis = aging();
    let slow = redis
        .subscribe(&spec(">").with_group("g").with_prefetch(1))
        .await
        .unwrap();
    until("all are too old", || async {
        length().starts_with(":0\r\n")
    })
    .await;
    // All of them but what is at hand, if it came to that.
    until("what is gone is counted", || async {
        (249..=251).contains(&slow.health().trimmed)
    })
    .await;
}

#[tokio::test]
async fn a_bus_counts_what_its_subscriptions_missed_those_that_ended_too() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 20)).await;
    // A member that has read one, and is away while the others are trimmed.
    let away = full(&redis, "g").await;
    away.close().await;
    drop(away);
    trim(&server, "5");
    let bus = Bus::over(Arc::new(redis), &BusConfig::default());
    let config = SubscriptionConfig::default().with_group("g");
    let handle = |_: Delivery| async { Ok(()) };
    let subscription = bus.subscribe(">", config, handle).unwrap();
    until("all are counted", || async {
        subscription.stats().trimmed == 14 && subscription.stats().delivered == 5
    })
    .await;
    assert_eq!(bus.stats().trimmed, 14);
    drop(subscription);
    until("it has ended", || async { bus.stats().subscribers == 0 }).await;
    assert_eq!(bus.stats().trimmed, 14);
}
