//! A server that goes away in every way it can.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{Disposition, Source, TransportErrorKind};
use contexter_redis::RedisTransport;
use contexter_testkit::{Redis, require};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::support::{
    EVENTS, LEASE, ack, command, config, drain, event, id_of, publish, receive, server, settle,
    spec, subscribe, transport, until,
};

/// What was confirmed, and what came, in order.
#[derive(Default)]
struct Log {
    confirmed: Mutex<Vec<u64>>,
    came: Mutex<Vec<u64>>,
    over: AtomicBool,
}

/// Publishes numbered events of one key until it is over, each until it is confirmed.
async fn publisher(redis: Arc<RedisTransport>, log: Arc<Log>) {
    let mut number = 0_u64;
    while !log.over.load(Ordering::Relaxed) {
        let batch: Vec<_> = (number..number + 20).map(|id| event("a", id)).collect();
        // Confirmed events of one batch precede the first that was not.
        for (id, answer) in (number..).zip(redis.publish(&batch).await) {
            if answer.is_err() {
                break;
            }
            log.confirmed.lock().push(id);
            number = id + 1;
        }
        sleep(Duration::from_millis(2)).await;
    }
}

async fn subscriber(source: Arc<dyn Source>, log: Arc<Log>) {
    while let Ok(some) = source.receive(50).await {
        let mut tokens = Vec::new();
        for incoming in some {
            log.came.lock().push(id_of(&incoming).parse().unwrap());
            tokens.push((incoming.token, Disposition::Ack));
        }
        source.settle(&tokens).await;
    }
}

struct Flow {
    redis: Arc<RedisTransport>,
    source: Arc<dyn Source>,
    log: Arc<Log>,
}

impl Flow {
    async fn start(redis: RedisTransport) -> Self {
        let redis = Arc::new(redis);
        let source = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
        let log = Arc::new(Log::default());
        tokio::spawn(publisher(Arc::clone(&redis), Arc::clone(&log)));
        tokio::spawn(subscriber(Arc::clone(&source), Arc::clone(&log)));
        Self { redis, source, log }
    }

    async fn more(&self) {
        let before = self.log.came.lock().len();
        until("more events come", || async {
            self.log.came.lock().len() > before + 100
        })
        .await;
    }

    /// Ends it, and checks that what was confirmed came, and in order.
    async fn end(self) {
        self.more().await;
        self.log.over.store(true, Ordering::Relaxed);
        let lost = || {
            let came: HashSet<_> = self.log.came.lock().iter().copied().collect();
            let confirmed = self.log.confirmed.lock();
            confirmed.iter().filter(|id| !came.contains(id)).count()
        };
        until("everything that was confirmed came", || async {
            lost() == 0
        })
        .await;
        let mut known = HashSet::new();
        let came = self.log.came.lock().clone();
        let first: Vec<_> = came
            .iter()
            .copied()
            .filter(|id| known.insert(*id))
            .collect();
        assert!(first.is_sorted(), "first deliveries out of order");
        self.redis.close().await;
    }
}

#[tokio::test]
async fn killed_and_started_again_it_has_lost_nothing() {
    require!("redis-server");
    let mut server = server();
    let flow = Flow::start(transport(&server)).await;
    for _ in 0..2 {
        flow.more().await;
        server.kill().unwrap();
        until("it is noticed", || async { !flow.source.health().is_up() }).await;
        server.restart().unwrap();
        until("it is mended", || async { flow.source.health().is_up() }).await;
    }
    assert!(flow.source.health().reconnects >= 2);
    assert!(flow.source.health().last_error.is_some());
    flow.end().await;
}

#[tokio::test]
async fn connections_that_are_reset_are_made_again() {
    require!("redis-server");
    let server = server();
    let flow = Flow::start(transport(&server)).await;
    for _ in 0..10 {
        flow.more().await;
        command(
            &server,
            &[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"],
        );
    }
    flow.end().await;
}

#[tokio::test]
async fn paused_for_longer_than_a_lease_it_goes_on_by_itself() {
    require!("redis-server");
    let server = server();
    let config = config(&server).with_timeouts(
        Duration::from_millis(500),
        Duration::from_millis(500),
        Duration::from_secs(1),
    );
    let flow = Flow::start(RedisTransport::new(config).unwrap()).await;
    flow.more().await;
    server.pause().unwrap();
    let begun = tokio::time::Instant::now();
    let answer = flow.redis.publish(&[event("other", 1)]).await.remove(0);
    assert!(answer.unwrap_err().kind().is_transient());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    sleep(LEASE * 3).await;
    server.resume().unwrap();
    flow.more().await;
    // What was not confirmed in time may have been stored all the same, and comes late.
    let log = Arc::clone(&flow.log);
    log.over.store(true, Ordering::Relaxed);
    until("everything that was confirmed came", || async {
        let came: HashSet<_> = log.came.lock().iter().copied().collect();
        log.confirmed.lock().iter().all(|id| came.contains(id))
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_never_came_is_fetched_before_anything_newer() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    // Longer than the test has patience: nothing here is waited for by leases.
    let long = spec(">").with_group("g").with_lease(Duration::from_mins(1));
    let source = redis.subscribe(&long).await.unwrap();
    publish(&redis, &[event("a", 0)]).await;
    assert_eq!(drain(&*source, 1).await, ["0"]);
    // As if the server had answered the read and the answer were lost with the connection. Nothing
    // of the consumer runs between these steps, because there is one thread.
    let script = b"redis.call('XADD',KEYS[1],'*','ce-specversion','1.0','ce-id','1','ce-source','s','ce-type','a')
local c=redis.call('XINFO','CONSUMERS',KEYS[1],'group:g:>')[1][2]
redis.call('XREADGROUP','GROUP','group:g:>',c,'STREAMS',KEYS[1],'>')
return 1";
    let answer = command(&server, &[b"EVAL", script, b"1", EVENTS]);
    assert!(answer.starts_with(":1"), "{answer}");
    let kill: [&[u8]; 6] = [b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"];
    command(&server, &kill);
    let newer: [&[u8]; 11] = [
        b"XADD",
        EVENTS,
        b"*",
        b"ce-specversion",
        b"1.0",
        b"ce-id",
        b"2",
        b"ce-source",
        b"s",
        b"ce-type",
        b"a",
    ];
    command(&server, &newer);
    for id in ["1", "2"] {
        let incoming = receive(&*source).await;
        assert_eq!((id_of(&incoming), incoming.delivery_count), (id, 1));
        settle(&*source, incoming.token, Disposition::Ack).await;
    }
}

#[tokio::test]
async fn a_server_that_forgot_everything_is_subscribed_to_again() {
    require!("redis-server");
    let mut server = Redis::builder()
        .args(["--appendonly", "no"])
        .start()
        .unwrap();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", "before")]).await;
    assert_eq!(drain(&*source, 1).await, ["before"]);
    server.restart().unwrap();
    // The connection is found broken by the first that uses it.
    until("it is stored", || async {
        redis
            .publish(&[event("a", "after")])
            .await
            .remove(0)
            .is_ok()
    })
    .await;
    assert_eq!(drain(&*source, 1).await, ["after"]);
}

#[tokio::test]
async fn a_group_that_was_deleted_is_made_again_where_it_was() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    assert_eq!(drain(&*source, 1).await, ["1"]);
    command(&server, &[b"XGROUP", b"DESTROY", EVENTS, b"group:g:>"]);
    publish(&redis, &[event("a", 2)]).await;
    assert_eq!(id_of(&receive(&*source).await), "2");
}

#[tokio::test]
async fn a_subscription_needs_its_server_but_keeps_what_it_has() {
    require!("redis-server");
    let mut server = server();
    let short = config(&server).with_timeouts(
        Duration::from_millis(200),
        Duration::from_millis(200),
        Duration::from_millis(300),
    );
    let redis = RedisTransport::new(short).unwrap();
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let incoming = receive(&*source).await;
    server.kill().unwrap();
    let error = redis
        .subscribe(&spec(">").with_group("h"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unavailable);
    // It waits for the connection, but no longer than a lease.
    let begun = tokio::time::Instant::now();
    let answer = source
        .settle(&[(incoming.token, Disposition::Ack)])
        .await
        .remove(0);
    assert!(answer.unwrap_err().kind().is_transient());
    assert!(
        begun.elapsed() < LEASE + Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    server.restart().unwrap();
    let again = receive(&*source).await;
    assert_eq!(again.id, incoming.id);
    settle(&*source, again.token, Disposition::Ack).await;
}

#[tokio::test]
async fn a_short_outage_is_waited_for_when_settling() {
    require!("redis-server");
    let mut server = server();
    let redis = transport(&server);
    let long = spec(">")
        .with_group("g")
        .with_lease(Duration::from_secs(30));
    let source = redis.subscribe(&long).await.unwrap();
    publish(&redis, &[event("a", 1), event("a", 2)]).await;
    let one = receive(&*source).await;
    server.kill().unwrap();
    let settling = {
        let source = Arc::clone(&source);
        tokio::spawn(async move { ack(&*source, &[one.token]).await })
    };
    server.restart().unwrap();
    settling.await.unwrap();
    let two = receive(&*source).await;
    ack(&*source, &[two.token]).await;
    let pending = command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    assert!(pending.starts_with("*4\r\n:0\r\n"), "{pending}");
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_looked_for_again() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let one = [event("a", 1)];
    redis.publish(&one).await.remove(0).unwrap();
    command(&server, &[b"REPLICAOF", b"127.0.0.1", b"1"]);
    let error = redis.publish(&one).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unavailable, "{error:?}");
    command(&server, &[b"REPLICAOF", b"NO", b"ONE"]);
    redis.publish(&one).await.remove(0).unwrap();
    let health = redis.health().await;
    assert!(health.is_up());
    assert_eq!(health.reconnects, 1);
    assert_eq!(
        health.last_error.as_deref(),
        Some("the server is a replica")
    );
}

#[tokio::test]
async fn a_server_that_runs_a_script_for_long_is_unavailable_and_says_so() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let one = [event("a", 1)];
    redis.publish(&one).await.remove(0).unwrap();
    command(
        &server,
        &[b"CONFIG", b"SET", b"busy-reply-threshold", b"50"],
    );
    let mut other = TcpStream::connect(server.address()).unwrap();
    let endless = b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n";
    other.write_all(endless).unwrap();
    until("it is busy", || async {
        let health = redis.health().await;
        !health.is_up()
            && health
                .last_error
                .is_some_and(|error| error.contains("BUSY"))
    })
    .await;
    let error = redis.publish(&one).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Unavailable, "{error:?}");
    // It ends soon after it is told to.
    command(&server, &[b"SCRIPT", b"KILL"]);
    until("it has ended", || async { redis.health().await.is_up() }).await;
    redis.publish(&one).await.remove(0).unwrap();
}

#[tokio::test]
async fn a_consumer_that_may_not_read_says_so_and_goes_on_once_it_may() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, "a", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let one = receive(&*source).await;
    ack(&*source, &[one.token]).await;
    let forbidden: [&[&[u8]]; 2] = [&[b"-xreadgroup"], &[b"-xreadgroup", b"-xpending"]];
    for (number, forbidden) in (2..).zip(forbidden) {
        let set_user: [&[u8]; 3] = [b"ACL", b"SETUSER", b"default"];
        command(&server, &[&set_user[..], forbidden].concat());
        // A read that has begun is still answered.
        publish(&redis, &[event("a", number)]).await;
        until("it says so", || async {
            let health = source.health();
            let error = health.last_error.as_deref().unwrap_or_default();
            !health.is_up() && error.contains("NOPERM")
        })
        .await;
        assert!(redis.health().await.is_up(), "others are not concerned");
        let end = Instant::now() + Duration::from_millis(700);
        while Instant::now() < end {
            assert!(!source.health().is_up(), "it is refused again and again");
            sleep(Duration::from_millis(2)).await;
        }
        command(&server, &[&set_user[..], &[b"+@all"]].concat());
        until("it may again", || async { source.health().is_up() }).await;
        let next = receive(&*source).await;
        assert_eq!(id_of(&next), number.to_string());
        ack(&*source, &[next.token]).await;
    }
}
