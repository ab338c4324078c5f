//! What is read ahead: by its size, and when there is no room for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::{Disposition, MessageTransport};
use contexter_event_bus::{Bus, BusConfig, Delivery, HandlerError, SubscriptionConfig};
use contexter_protocol::IntegrationEvent;
use contexter_redis::RedisTransport;
use contexter_testkit::{Server, require};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::support::{
    EVENTS, LEASE, ack, command, config, drain, events, id_of, publish, receive, server, settle,
    spec, transport, until,
};

const MIB: usize = 1024 * 1024;
/// How long something is watched that is not to become more.
const WATCH: Duration = Duration::from_millis(500);

fn large(bytes: usize, ids: std::ops::Range<usize>) -> Vec<Arc<IntegrationEvent>> {
    let event = |id: usize| {
        let event = IntegrationEvent::builder("tests", "a")
            .id(id.to_string())
            .data_bytes("application/octet-stream", vec![7; bytes]);
        Arc::new(event.build().unwrap())
    };
    ids.map(event).collect()
}

/// How many entries the group holds.
fn pending(server: &Server) -> usize {
    let summary = command(server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    let many = summary.lines().nth(1).unwrap_or_default();
    many.trim_start_matches(':').parse().unwrap()
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn a_stalled_handler_has_read_ahead_what_fits_and_gets_all_in_order() {
    require!("redis-server");
    let server = server();
    let bus = Bus::over(Arc::new(transport(&server)), &BusConfig::default());
    let (seen, gate) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Semaphore::new(0)),
    );
    let begun = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (seen, gate, begun) = (Arc::clone(&seen), Arc::clone(&gate), Arc::clone(&begun));
        move |delivery: Delivery| {
            let (seen, gate) = (Arc::clone(&seen), Arc::clone(&gate));
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                let permit = gate.acquire().await.map_err(HandlerError::retryable)?;
                permit.forget();
                seen.lock().push(delivery.event().id().to_owned());
                Ok(())
            }
        }
    };
    let config = SubscriptionConfig::default()
        .with_group("g")
        .with_prefetch_bytes(2 * MIB);
    let kept = bus.subscribe(">", config, handler).unwrap();
    kept.ready().await.unwrap();
    publish(&transport(&server), &large(MIB / 2, 0..64)).await;
    until("the first is being handled", || async {
        begun.load(Ordering::SeqCst) == 1
    })
    .await;
    sleep(WATCH).await;
    let held = pending(&server);
    assert!((2..=5).contains(&held), "{held} of half a MiB are held");
    gate.add_permits(64);
    until("all are handled", || async { seen.lock().len() == 64 }).await;
    assert_eq!(*seen.lock(), ids(0..64));
}

#[tokio::test]
async fn an_event_that_is_larger_than_all_that_may_be_held_comes_alone() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &large(MIB / 2, 0..3)).await;
    let small = spec(">").with_group("g").with_prefetch_bytes(MIB / 4);
    let source = redis.subscribe(&small).await.unwrap();
    for id in ids(0..2) {
        let one = receive(&*source).await;
        assert_eq!((id_of(&one), one.delivery_count), (&*id, 1));
        assert!(one.size > MIB / 2, "{}", one.size);
        sleep(WATCH / 5).await;
        assert_eq!(pending(&server), 1);
        ack(&*source, &[one.token]).await;
    }
    // What was given back comes alone, too.
    let one = receive(&*source).await;
    let after = Duration::from_millis(20);
    settle(&*source, one.token, Disposition::Nack { after }).await;
    let again = receive(&*source).await;
    assert_eq!((id_of(&again), again.delivery_count), ("2", 2));
}

#[tokio::test]
async fn what_comes_again_is_read_by_its_size_too() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &large(MIB / 2, 0..16)).await;
    let dead = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
    for _ in 0..16 {
        receive(&*dead).await;
    }
    drop(dead);
    let small = spec(">").with_group("g").with_prefetch_bytes(2 * MIB);
    let heir = redis.subscribe(&small).await.unwrap();
    // What it has taken over is in its name, and the rest is in nobody's hands.
    let first = receive(&*heir).await;
    assert_eq!((id_of(&first), first.delivery_count), ("0", 2));
    sleep(WATCH).await;
    let rows = command(
        &server,
        &[b"XPENDING", EVENTS, b"group:g:>", b"-", b"+", b"99"],
    );
    let taken = rows.matches("\r\n:2\r\n").count();
    assert!((1..=5).contains(&taken), "{taken} were taken over: {rows}");
    ack(&*heir, &[first.token]).await;
    assert_eq!(drain(&*heir, 15).await, ids(1..16));
}

/// How many may be held, where room for one of them is kept for what comes again.
const FEW: usize = 8;
/// How many are read ahead then.
const AHEAD: usize = FEW - 1;

/// Gives up an answer within a lease.
fn impatient(server: &Server) -> RedisTransport {
    let (connect, answer) = (Duration::from_secs(2), Duration::from_millis(200));
    let config = config(server).with_timeouts(connect, answer, Duration::from_secs(10));
    RedisTransport::new(config).unwrap()
}

#[tokio::test]
async fn a_consumer_without_room_still_mends_its_connection() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", AHEAD)).await;
    let few = spec(">")
        .with_group("g")
        .with_prefetch(FEW)
        .with_lease(Duration::from_mins(1));
    let source = redis.subscribe(&few).await.unwrap();
    for _ in 0..AHEAD {
        receive(&*source).await;
    }
    let before = source.health().reconnects;
    command(
        &server,
        &[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"],
    );
    until("it is connected again", || async {
        let health = source.health();
        health.is_up() && health.reconnects > before
    })
    .await;
}

#[tokio::test]
async fn what_was_left_behind_comes_also_when_something_is_missing_meanwhile() {
    require!("redis-server");
    let server = server();
    let redis = impatient(&server);
    publish(&transport(&server), &events("a", FEW * 4)).await;
    let dead = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
    for _ in 0..FEW * 4 {
        receive(&*dead).await;
    }
    drop(dead);
    let few = spec(">").with_group("g").with_prefetch(FEW);
    let heir = redis.subscribe(&few).await.unwrap();
    // Nothing is settled, so that it holds as much as it may, and there is more.
    let first = receive(&*heir).await;
    assert_eq!((id_of(&first), first.delivery_count), ("0", 2));
    server.pause().unwrap();
    sleep(LEASE * 2).await;
    server.resume().unwrap();
    let mut came = drain(&*heir, FEW * 4).await;
    came.sort_by_key(|id| id.parse::<usize>().unwrap());
    assert_eq!(came, ids(0..FEW * 4));
}
