//! Subscriptions without a group, and a server that takes them for dead or forgets them.

use std::collections::BTreeSet;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{Disposition, Settled, Source};
use contexter_redis::RedisTransport;
use contexter_testkit::{Server, require};

use crate::support::{
    EVENTS, LEASE, command, config, drain, event, events, id_of, publish, receive, server, settle,
    spec, transport, until,
};

/// How long the server remembers them here: longer than a busy machine takes to start it and to
/// subscribe.
const MEMORY: Duration = Duration::from_mins(1);

fn groups(server: &Server) -> String {
    command(server, &[b"XINFO", b"GROUPS", EVENTS])
}

fn pending(server: &Server) -> String {
    let group = solo(server);
    command(server, &[b"XPENDING", EVENTS, group.as_bytes()])
}

/// The name of the only group.
fn solo(server: &Server) -> String {
    let groups = groups(server);
    let mut words = groups.split("\r\n");
    let name = words.find(|word| word.starts_with("solo:"));
    name.unwrap_or_else(|| panic!("{groups}")).to_owned()
}

/// What happens to a subscription that gave no sign of life for too long.
fn forget(server: &Server) {
    let group = solo(server);
    let delayed = format!("{{contexter}}:delayed:{group}");
    command(server, &[b"XGROUP", b"DESTROY", EVENTS, group.as_bytes()]);
    command(server, &[b"DEL", delayed.as_bytes()]);
}

/// Receives so many, without settling them.
async fn hold(source: &dyn Source, many: usize) {
    for _ in 0..many {
        receive(source).await;
    }
}

#[tokio::test]
async fn who_joins_after_an_outage_forgets_nobody_who_could_not_show_life() {
    require!("redis-server");
    let mut server = server();
    let short = config(&server).with_forget_after(MEMORY);
    // It comes back long after the others.
    let pause = Duration::from_secs(6);
    let late = RedisTransport::new(short.clone().with_reconnect(pause, pause)).unwrap();
    let late = late.subscribe(&spec(">")).await.unwrap();
    let redis = RedisTransport::new(short).unwrap();
    publish(&redis, &events("a", 20)).await;
    hold(&*late, 10).await;
    let alive = format!("{{contexter}}:alive:{}", solo(&server));
    server.kill().unwrap();
    server.restart().unwrap();
    // As if the server had been away for longer than it remembers.
    let gone = command(&server, &[b"DEL", alive.as_bytes()]);
    assert!(gone.starts_with(":1"), "{gone}");
    let _new = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
    assert!(groups(&server).contains("solo:"), "{}", groups(&server));
    until("it is back", || async { late.health().is_up() }).await;
    drain(&*late, 20).await;
    assert_eq!(late.health().trimmed, 0);
}

#[tokio::test]
async fn life_is_shown_as_soon_as_the_server_is_back() {
    require!("redis-server");
    let mut server = server();
    let redis = transport(&server);
    let _source = redis.subscribe(&spec(">")).await.unwrap();
    let alive = format!("{{contexter}}:alive:{}", solo(&server));
    assert_eq!(
        command(&server, &[b"DEL", alive.as_bytes()]).get(..2),
        Some(":1")
    );
    server.restart().unwrap();
    until("it shows life", || async {
        command(&server, &[b"EXISTS", alive.as_bytes()]).starts_with(":1")
    })
    .await;
}

#[tokio::test]
async fn life_that_could_not_be_shown_is_shown_again_soon() {
    require!("redis-server");
    let server = server();
    // A third of it is longer than the test waits.
    let long = config(&server).with_forget_after(Duration::from_mins(10));
    let redis = RedisTransport::new(long).unwrap();
    let _source = redis.subscribe(&spec(">")).await.unwrap();
    let alive = format!("{{contexter}}:alive:{}", solo(&server));
    command(&server, &[b"DEL", alive.as_bytes()]);
    // The server refuses to write until it has as many replicas.
    let replicas = |many: &[u8]| {
        command(
            &server,
            &[b"CONFIG", b"SET", b"min-replicas-to-write", many],
        )
    };
    replicas(b"1");
    command(&server, &[b"CLIENT", b"KILL", b"TYPE", b"normal"]);
    until("it could not show life", || async {
        let stats = command(&server, &[b"INFO", b"commandstats"]);
        let of_set = stats.lines().find(|line| line.starts_with("cmdstat_set:"));
        of_set.is_some_and(|line| !line.contains("rejected_calls=0"))
    })
    .await;
    replicas(b"0");
    until("it shows life", || async {
        command(&server, &[b"EXISTS", alive.as_bytes()]).starts_with(":1")
    })
    .await;
}

#[tokio::test]
async fn what_was_not_settled_comes_again_though_the_server_has_forgotten_all_of_it() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = redis.subscribe(&spec(">")).await.unwrap();
    publish(&redis, &events("a", 10)).await;
    let first = receive(&*source).await;
    settle(&*source, first.token, Disposition::Ack).await;
    hold(&*source, 9).await;
    forget(&server);
    let mut ids = drain(&*source, 9).await;
    ids.sort_unstable();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let nothing = tokio::time::timeout(LEASE * 2, source.receive(1)).await;
    assert!(nothing.is_err(), "what was settled came again: {nothing:?}");
    assert!(pending(&server).starts_with("*4\r\n:0\r\n"));
}

#[tokio::test]
async fn what_is_held_stays_so_and_what_was_given_back_is_due_when_it_was() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let long = spec(">").with_lease(Duration::from_mins(1));
    let source = redis.subscribe(&long).await.unwrap();
    publish(&redis, &events("a", 3)).await;
    let held = receive(&*source).await;
    let back = receive(&*source).await;
    let late = receive(&*source).await;
    let begun = tokio::time::Instant::now();
    let after = Duration::from_secs(3);
    settle(&*source, back.token, Disposition::Nack { after }).await;
    forget(&server);
    // There may be no group at this moment; then this is in vain, and it comes again all the same.
    let after = Duration::ZERO;
    source
        .settle(&[(late.token, Disposition::Nack { after })])
        .await;
    publish(&redis, &[event("a", "new")]).await;
    let mut came = BTreeSet::new();
    while came.len() < 3 {
        let incoming = receive(&*source).await;
        let id = id_of(&incoming).to_owned();
        if id == "1" {
            assert!(
                begun.elapsed() >= Duration::from_secs(3),
                "{:?}",
                begun.elapsed()
            );
            assert_eq!(incoming.delivery_count, 2);
        }
        let settled = settle(&*source, incoming.token, Disposition::Ack).await;
        assert_eq!(settled, Settled::Done);
        came.insert(id);
    }
    assert_eq!(came.into_iter().collect::<Vec<_>>(), ["1", "2", "new"]);
    assert!(
        pending(&server).starts_with("*4\r\n:1\r\n"),
        "{}",
        pending(&server)
    );
    let settled = settle(&*source, held.token, Disposition::Ack).await;
    assert_eq!(settled, Settled::Done);
    assert!(
        pending(&server).starts_with("*4\r\n:0\r\n"),
        "{}",
        pending(&server)
    );
}
