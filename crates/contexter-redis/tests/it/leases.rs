//! Leases: kept, lost, and taken over.

use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{Disposition, Settled};
use contexter_testkit::require;
use tokio::time::{Instant, sleep};

use crate::support::{
    EVENTS, LEASE, ack, command, drain, event, events, id_of, nothing_within, publish, receive,
    server, settle, spec, subscribe, transport, until,
};

#[tokio::test]
async fn a_lease_that_is_renewed_is_not_lost_and_does_not_count() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let (one, two) = (
        subscribe(&redis, ">", "g").await,
        subscribe(&redis, ">", "g").await,
    );
    publish(&redis, &[event("a", 1)]).await;
    let (source, other, incoming) = tokio::select! {
        incoming = receive(&*one) => (&one, &two, incoming),
        incoming = receive(&*two) => (&two, &one, incoming),
    };
    let end = Instant::now() + LEASE * 4;
    while Instant::now() < end {
        sleep(LEASE / 4).await;
        let renewed = settle(&**source, incoming.token, Disposition::InProgress).await;
        assert_eq!(renewed, Settled::Done);
    }
    nothing_within(&**other, Duration::from_millis(50)).await;
    let pending = command(
        &server,
        &[b"XPENDING", EVENTS, b"group:g:>", b"-", b"+", b"9"],
    );
    assert!(pending.contains("\r\n:1\r\n"), "delivered once: {pending}");
    let done = settle(&**source, incoming.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
}

#[tokio::test]
async fn what_was_read_ahead_is_kept_while_nobody_asks_for_it() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let slow = subscribe(&redis, ">", "g").await;
    publish(&redis, &events("a", 10)).await;
    until("it is read ahead", || async {
        command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]).starts_with("*4\r\n:10\r\n")
    })
    .await;
    let other = subscribe(&redis, ">", "g").await;
    nothing_within(&*other, LEASE * 3).await;
    for _ in 0..10 {
        let incoming = receive(&*slow).await;
        assert_eq!(incoming.delivery_count, 1);
        settle(&*slow, incoming.token, Disposition::Ack).await;
    }
}

#[tokio::test]
async fn what_a_dead_consumer_held_goes_to_another_counted() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 5)).await;
    let dead = subscribe(&redis, ">", "g").await;
    for _ in 0..5 {
        receive(&*dead).await;
    }
    drop(dead);
    let heir = subscribe(&redis, ">", "g").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let incoming = receive(&*heir).await;
        assert_eq!(incoming.delivery_count, 2);
        ids.push(id_of(&incoming).to_owned());
        settle(&*heir, incoming.token, Disposition::Ack).await;
    }
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_consumer_killed_at_every_try_is_counted_up() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &[event("a", 1)]).await;
    for count in 1..=4 {
        let source = subscribe(&redis, ">", "g").await;
        assert_eq!(receive(&*source).await.delivery_count, count);
        drop(source);
    }
}

#[tokio::test]
async fn a_late_settlement_is_refused_and_harms_nobody() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let late = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let old = receive(&*late).await;
    // Its own sweep may take it again under another token, so nothing else is received here.
    let heir = subscribe(&redis, ">", "g").await;
    sleep(LEASE).await;
    let after = Duration::ZERO;
    for disposition in [
        Disposition::Ack,
        Disposition::InProgress,
        Disposition::Nack { after },
    ] {
        assert_eq!(
            settle(&*late, old.token, disposition).await,
            Settled::Refused
        );
    }
    let (source, again) = tokio::select! {
        again = receive(&*heir) => (&heir, again),
        again = receive(&*late) => (&late, again),
    };
    assert_eq!(again.id, old.id);
    assert!(again.delivery_count >= 2);
    assert_eq!(
        settle(&**source, again.token, Disposition::Ack).await,
        Settled::Done
    );
    let pending = command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    assert!(pending.starts_with("*4\r\n:0\r\n"), "{pending}");
}

#[tokio::test]
async fn twenty_competitors_take_over_each_message_once() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 100)).await;
    let dead = subscribe(&redis, ">", "g").await;
    let mut held = 0;
    while held < 100 {
        held += dead.receive(100).await.unwrap().len();
    }
    drop(dead);
    let mut competitors = tokio::task::JoinSet::new();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..20 {
        let long = spec(">").with_group("g");
        let source = redis.subscribe(&long).await.unwrap();
        let sender = sender.clone();
        competitors.spawn(async move {
            while let Ok(some) = source.receive(10).await {
                let tokens: Vec<_> = some.iter().map(|incoming| incoming.token).collect();
                ack(&*source, &tokens).await;
                for incoming in some {
                    sender.send(id_of(&incoming).to_owned()).unwrap();
                }
            }
        });
    }
    let mut ids = Vec::new();
    while ids.len() < 100 {
        ids.push(
            tokio::time::timeout(crate::support::PATIENCE, seen.recv())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    sleep(LEASE).await;
    assert!(seen.try_recv().is_err(), "one came twice");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[tokio::test]
async fn trimmed_entries_are_skipped_and_counted() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let dead = subscribe(&redis, ">", "g").await;
    publish(&redis, &events("a", 4)).await;
    for _ in 0..3 {
        receive(&*dead).await;
    }
    let given_back = receive(&*dead).await;
    let after = LEASE;
    settle(&*dead, given_back.token, Disposition::Nack { after }).await;
    drop(dead);
    command(&server, &[b"XTRIM", EVENTS, b"MAXLEN", b"0"]);
    let heir = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", "next")]).await;
    assert_eq!(drain(&*heir, 1).await, ["next"]);
    until("all four are counted", || async {
        heir.health().trimmed == 4
    })
    .await;
    let pending = command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    assert!(pending.starts_with("*4\r\n:0\r\n"), "{pending}");
}

#[tokio::test]
async fn a_slow_consumer_with_room_for_one_still_takes_over() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &[event("a", 1)]).await;
    let dead = subscribe(&redis, ">", "g").await;
    receive(&*dead).await;
    drop(dead);
    let one = spec(">").with_group("g").with_prefetch(1);
    let heir = redis.subscribe(&one).await.unwrap();
    let again = receive(&*heir).await;
    assert_eq!(again.delivery_count, 2);
    let after = Duration::from_millis(100);
    settle(&*heir, again.token, Disposition::Nack { after }).await;
    assert_eq!(receive(&*heir).await.delivery_count, 3);
}

#[tokio::test]
async fn a_member_with_a_shorter_lease_takes_nothing_from_one_with_a_longer() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let member = |lease| spec(">").with_group("g").with_lease(lease);
    let slow = redis
        .subscribe(&member(Duration::from_mins(1)))
        .await
        .unwrap();
    publish(&redis, &[event("a", 1)]).await;
    let held = receive(&*slow).await;
    let quick = redis.subscribe(&member(LEASE)).await.unwrap();
    nothing_within(&*quick, LEASE * 3).await;
    assert_eq!(
        settle(&*slow, held.token, Disposition::Ack).await,
        Settled::Done
    );
}

#[tokio::test]
async fn what_a_dead_member_with_a_shorter_lease_held_is_taken_over_when_that_is_over() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 3)).await;
    let member = |lease| spec(">").with_group("g").with_lease(lease);
    let quick = redis.subscribe(&member(LEASE)).await.unwrap();
    for _ in 0..3 {
        receive(&*quick).await;
    }
    drop(quick);
    // It looks at what others left behind every third of its own lease, which is far longer.
    let slow = redis
        .subscribe(&member(Duration::from_secs(30)))
        .await
        .unwrap();
    for _ in 0..3 {
        assert_eq!(receive(&*slow).await.delivery_count, 2);
    }
}

#[tokio::test]
async fn what_is_in_good_hands_is_looked_at_by_pages_however_little_room_there_is() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let group = spec(">").with_group("g");
    let long = group.clone().with_prefetch(400);
    let large = redis
        .subscribe(&long.with_lease(Duration::from_mins(10)))
        .await
        .unwrap();
    publish(&redis, &events("a", 399)).await;
    let mut held = 0;
    while held < 399 {
        held += large.receive(400).await.unwrap().len();
    }
    // Whatever is idle for as long as the shortest lease of those who hold something is looked at.
    let lease = Duration::from_secs(3);
    until("they are idle for longer than that", || async {
        let idle: [&[u8]; 8] = [
            b"XPENDING",
            EVENTS,
            b"group:g:>",
            b"IDLE",
            b"3000",
            b"-",
            b"+",
            b"400",
        ];
        command(&server, &idle).starts_with("*399\r\n")
    })
    .await;
    let short = group.with_prefetch(1).with_lease(lease);
    let holding = redis.subscribe(&short).await.unwrap();
    publish(&redis, &[event("a", "held")]).await;
    receive(&*holding).await;
    command(&server, &[b"CONFIG", b"RESETSTAT"]);
    let begun = Instant::now();
    let small = redis.subscribe(&short).await.unwrap();
    for number in 1_000..1_020 {
        publish(&redis, &[event("a", number)]).await;
        let mut incoming = receive(&*small).await;
        if id_of(&incoming) == "held" {
            // This machine is slow, and its lease is over.
            ack(&*small, &[incoming.token]).await;
            incoming = receive(&*small).await;
        }
        assert_eq!(id_of(&incoming), number.to_string());
        ack(&*small, &[incoming.token]).await;
    }
    // Four pages a sweep of each, and the polls for what is due.
    let sweeps = begun.elapsed().as_millis() / (lease / 3).as_millis() + 2;
    let stats = command(&server, &[b"INFO", b"commandstats"]);
    let evals = stats.split("cmdstat_eval:calls=").nth(1).unwrap();
    let evals: u128 = evals.split(',').next().unwrap().parse().unwrap();
    assert!(
        evals <= sweeps * 8 + 60,
        "{evals} scripts in {sweeps} sweeps"
    );
}
