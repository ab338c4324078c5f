//! Ending, with a server and without, and callers that do not wait for an answer.

use std::future::{Future, ready};
use std::pin::pin;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{
    Connection, Disposition, RequestError, Settled, SubscriptionSpec, TransportErrorKind,
};
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Server, require};
use tokio::time::{sleep, timeout};

use crate::support::{
    EVENTS, PATIENCE, command, config, event, events, id_of, publish, receive, server, spec,
    subscribe, transport, until,
};

/// An answer is waited for longer than a test takes.
fn patient(server: &Server) -> RedisConfig {
    let long = Duration::from_mins(2);
    config(server).with_timeouts(Duration::from_secs(2), long, long)
}

/// As a process that is stopped.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing on this thread may run meanwhile"
)]
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}

async fn begin(future: &mut (impl Future<Output = ()> + Unpin)) {
    tokio::select! {
        biased;
        () = future => {}
        () = ready(()) => {}
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_not_waited_for_at_the_end() {
    require!("redis-server");
    let mut server = server();
    let redis = RedisTransport::new(patient(&server)).unwrap();
    let mut sources = Vec::new();
    for number in 0..5 {
        sources.push(subscribe(&redis, ">", &format!("g{number}")).await);
        sources.push(redis.subscribe(&spec(">")).await.unwrap());
    }
    let responder = SubscriptionSpec::new(">".parse().unwrap()).with_group("g");
    let _responder = redis.respond(&responder).await.unwrap();
    server.kill().unwrap();
    until("it is noticed", || async {
        sources.iter().all(|source| !source.health().is_up())
    })
    .await;
    timeout(PATIENCE, redis.close()).await.unwrap();
    assert_eq!(redis.health().await.connection, Connection::Closed);
}

#[tokio::test]
async fn who_closes_everything_waits_for_a_source_that_is_closing() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &events("a", 10)).await;
    let pending = || command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    until("it is read ahead", || async {
        pending().starts_with("*4\r\n:10\r\n")
    })
    .await;
    let mut closing = pin!(source.close());
    begin(&mut closing).await;
    tokio::join!(closing, redis.close());
    assert!(pending().starts_with("*4\r\n:0\r\n"), "{}", pending());
}

#[tokio::test]
async fn whoever_leaves_early_breaks_no_connection() {
    require!("redis-server");
    let server = server();
    let redis = RedisTransport::new(patient(&server)).unwrap();
    publish(&redis, &[event("a", 1)]).await;
    server.pause().unwrap();
    let within = Duration::from_millis(50);
    let error = redis.request(&event("a", 2), within).await.unwrap_err();
    assert!(
        matches!(error, RequestError::Timeout { within: told } if told == within),
        "{error}"
    );
    let health = redis.health().await;
    assert_eq!(health.connection, Connection::Reconnecting);
    assert!(health.last_error.is_some());
    server.resume().unwrap();
    publish(&redis, &[event("a", 3)]).await;
    until("it is well", || async { redis.health().await.is_up() }).await;
    assert_eq!(redis.health().await.reconnects, 0);
}

#[tokio::test]
async fn a_connection_that_answers_nobody_is_made_again_though_nobody_waits_for_long() {
    require!("redis-server");
    let server = server();
    let short = config(&server).with_timeouts(
        Duration::from_millis(400),
        Duration::from_millis(400),
        Duration::from_secs(1),
    );
    let redis = RedisTransport::new(short).unwrap();
    publish(&redis, &[event("a", 1)]).await;
    server.pause().unwrap();
    let question = event("a", 2);
    until("it is given up", || async {
        match redis.request(&question, Duration::from_millis(20)).await {
            Err(RequestError::Transport(error)) => error.kind() == TransportErrorKind::Unavailable,
            _ => false,
        }
    })
    .await;
    server.resume().unwrap();
    until("it is made again", || async {
        redis.publish(&[event("a", 3)]).await.remove(0).is_ok()
    })
    .await;
    assert!(redis.health().await.reconnects > 0);
}

#[tokio::test]
async fn an_acknowledgement_is_not_sent_when_its_lease_is_over() {
    require!("redis-server");
    let mut server = server();
    let redis = transport(&server);
    let lease = Duration::from_secs(4);
    let leased = spec(">").with_group("g").with_lease(lease);
    let source = redis.subscribe(&leased).await.unwrap();
    publish(&redis, &[event("a", 1)]).await;
    let incoming = receive(&*source).await;
    server.kill().unwrap();
    sleep(lease / 2).await;
    // It would be sent again for a whole lease from now on.
    let acks = [(incoming.token, Disposition::Ack)];
    let late = async {
        sleep(lease / 2).await;
        server.restart().unwrap();
    };
    let (mut answers, ()) = tokio::join!(source.settle(&acks), late);
    let answer = answers.remove(0);
    assert!(!matches!(answer, Ok(Settled::Done)), "{answer:?}");
    assert_eq!(id_of(&receive(&*source).await), "1", "it comes again");
}

#[tokio::test]
async fn a_lease_begins_no_later_than_the_read_that_brought_it() {
    require!("redis-server");
    let server = server();
    let config = config(&server).with_block_time(Duration::from_secs(1));
    let redis = RedisTransport::new(config).unwrap();
    // Blocking takes a third of it.
    let lease = Duration::from_millis(1_200);
    let leased = spec(">").with_group("g").with_lease(lease);
    for round in 0..3 {
        let source = redis.subscribe(&leased).await.unwrap();
        until("it waits for more", || async {
            command(&server, &[b"INFO", b"clients"]).contains("blocked_clients:1\r\n")
        })
        .await;
        let number = format!("{round}");
        let entry: [&[u8]; 11] = [
            b"XADD",
            EVENTS,
            b"*",
            b"ce-specversion",
            b"1.0",
            b"ce-id",
            number.as_bytes(),
            b"ce-source",
            b"s",
            b"ce-type",
            b"a",
        ];
        command(&server, &entry);
        // Nothing of this process runs until the lease at the server is over.
        stand_still(lease + Duration::from_millis(20));
        let incoming = receive(&*source).await;
        assert_eq!(id_of(&incoming), number);
        // It was never given out, so this is its first delivery; but under another lease.
        assert_eq!(incoming.delivery_count, 1);
        let pending: [&[u8]; 6] = [b"XPENDING", EVENTS, b"group:g:>", b"-", b"+", b"1"];
        let pending = command(&server, &pending);
        let idle = pending.lines().find_map(|line| line.strip_prefix(':'));
        let idle = idle
            .and_then(|idle| idle.parse().ok())
            .map(Duration::from_millis);
        assert!(idle.is_some_and(|idle| idle < lease), "{pending}");
        crate::support::ack(&*source, &[incoming.token]).await;
        source.close().await;
    }
}
