//! Delivering events, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{
    DeliveryToken, Disposition, Settled, Start, TransportErrorKind,
};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::require;
use tokio::time::{Instant, timeout};

use crate::support::{
    EVENTS, ack, command, drain, event, events, id_of, nothing_within, publish, receive, server,
    settle, spec, subscribe, transport, until,
};

#[tokio::test]
async fn events_come_in_order_as_they_were_published() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let sent = events("document.found", 1_000);
    publish(&redis, &sent[..500]).await;
    let source = subscribe(&redis, "document.*", "g").await;
    publish(&redis, &sent[500..]).await;
    let mut came = Vec::new();
    while came.len() < sent.len() {
        let some = source.receive(64).await.unwrap();
        let tokens: Vec<_> = some.iter().map(|incoming| incoming.token).collect();
        for incoming in some {
            assert_eq!(incoming.delivery_count, 1);
            came.push(incoming.message.unwrap());
        }
        ack(&*source, &tokens).await;
    }
    assert_eq!(came, sent);
}

#[tokio::test]
async fn every_attribute_crosses_the_wire() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let sent = IntegrationEvent::builder("crawler/gr%C3%B6sse", "a.b")
        .subject("50 % \"of\" it")
        .partition_key("ключ")
        .correlation_id("c1")
        .causation_id("c2")
        .trace(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some("x=y".to_owned()),
        )
        .extension("customer", "ACME & söhne")
        .data_bytes("application/octet-stream", vec![0_u8, 255, 10, 13])
        .build()
        .unwrap();
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[Arc::new(sent.clone())]).await;
    assert_eq!(*receive(&*source).await.message.unwrap(), sent);
}

#[tokio::test]
async fn patterns_mean_what_they_mean_everywhere() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let types = ["a", "a.b", "a.b.c", "a.x.c", "b.b", "a.b.c.d"];
    let all: Vec<_> = types.iter().map(|kind| event(kind, kind)).collect();
    publish(&redis, &all).await;
    for pattern in ["a", "a.*", "a.*.c", "a.>", "*.b", ">", "*"] {
        let parsed: contexter_event_bus::Pattern = pattern.parse().unwrap();
        let wanted: Vec<_> = types.iter().filter(|kind| parsed.matches(kind)).collect();
        let source = subscribe(&redis, pattern, "g").await;
        assert_eq!(
            drain(&*source, wanted.len())
                .await
                .iter()
                .collect::<Vec<_>>(),
            wanted
        );
        nothing_within(&*source, Duration::from_millis(120)).await;
    }
}

#[tokio::test]
async fn what_is_given_back_comes_again_counted_and_never_too_early() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let mut incoming = receive(&*source).await;
    for (count, after) in (1..).zip([0, 50, 250].map(Duration::from_millis)) {
        assert_eq!(incoming.delivery_count, count);
        let asked = Instant::now();
        let done = settle(&*source, incoming.token, Disposition::Nack { after }).await;
        assert_eq!(done, Settled::Done);
        incoming = receive(&*source).await;
        let passed = asked.elapsed();
        assert!(
            passed >= after,
            "asked for {after:?}, came after {passed:?}"
        );
    }
    assert_eq!(incoming.delivery_count, 4);
    settle(&*source, incoming.token, Disposition::Ack).await;
    nothing_within(&*source, Duration::from_millis(150)).await;
}

#[tokio::test]
async fn a_delay_may_be_longer_than_a_lease_and_survives_its_consumer() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let first = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let incoming = receive(&*first).await;
    let after = crate::support::LEASE * 2;
    let asked = Instant::now();
    settle(&*first, incoming.token, Disposition::Nack { after }).await;
    drop(first);
    let second = subscribe(&redis, ">", "g").await;
    let again = receive(&*second).await;
    assert!(asked.elapsed() >= after, "{:?}", asked.elapsed());
    assert_eq!(again.delivery_count, 2);
    assert_eq!(again.id, incoming.id);
}

#[tokio::test]
async fn what_comes_again_goes_before_what_is_newer() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 6)).await;
    let source = subscribe(&redis, ">", "g").await;
    let one = receive(&*source).await;
    let after = Duration::ZERO;
    settle(&*source, one.token, Disposition::Nack { after }).await;
    until("it is taken back", || async {
        let waiting = command(&server, &[b"ZCARD", b"{contexter}:delayed:group:g:>"]);
        waiting.starts_with(":0")
    })
    .await;
    // The answer has yet to arrive here.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(drain(&*source, 6).await, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_message_is_settled_once() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, ">", "g").await;
    publish(&redis, &[event("a", 1)]).await;
    let token = receive(&*source).await.token;
    let after = Duration::ZERO;
    let answers = source
        .settle(&[
            (token, Disposition::Ack),
            (token, Disposition::Nack { after }),
            (DeliveryToken(999), Disposition::Ack),
        ])
        .await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [Settled::Done, Settled::Refused, Settled::Refused]);
    assert_eq!(
        settle(&*source, token, Disposition::Ack).await,
        Settled::Refused
    );
    nothing_within(&*source, Duration::from_millis(150)).await;
}

#[tokio::test]
async fn no_more_is_held_than_the_prefetch_says() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 50)).await;
    let spec = spec(">")
        .with_group("g")
        .with_prefetch(4)
        .with_lease(Duration::from_secs(30));
    let source = redis.subscribe(&spec).await.unwrap();
    let mut held = Vec::new();
    while held.len() < 4 {
        held.extend(
            timeout(crate::support::PATIENCE, source.receive(50))
                .await
                .unwrap()
                .unwrap(),
        );
    }
    nothing_within(&*source, Duration::from_millis(150)).await;
    let pending = command(&server, &[b"XPENDING", EVENTS, b"group:g:>"]);
    assert!(pending.starts_with("*4\r\n:4\r\n"), "{pending}");
    let ids: Vec<_> = held.iter().map(id_of).collect();
    assert_eq!(ids, ["0", "1", "2", "3"]);
    let tokens: Vec<_> = held.iter().map(|incoming| incoming.token).collect();
    ack(&*source, &tokens).await;
    assert_eq!(drain(&*source, 46).await.len(), 46);
}

#[tokio::test]
async fn what_cannot_be_read_is_delivered_and_the_next_comes_after_it() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, "a.*", "g").await;
    let entries: [&[&[u8]]; 5] = [
        &[b"x", b"\xff\x00"],
        &[b"data", b"no headers at all"],
        &[
            b"ce-type",
            b"a.b",
            b"ce-specversion",
            b"9.9",
            b"ce-id",
            b"1",
            b"ce-source",
            b"s",
        ],
        &[
            b"Content-Type",
            b"application/cloudevents+json",
            b"data",
            b"{ half",
        ],
        &[b"ce-type", b"%zz", b"data", b""],
    ];
    for entry in entries {
        let mut words: Vec<&[u8]> = vec![b"XADD", EVENTS, b"*"];
        words.extend(entry);
        command(&server, &words);
    }
    publish(&redis, &[event("a.b", "good")]).await;
    for entry in entries {
        let incoming = receive(&*source).await;
        let bad = incoming.message.unwrap_err();
        assert!(!bad.error.is_empty());
        let stored: usize = bad.raw.headers.len() * 2;
        let data = entry.chunks(2).find(|pair| pair[0] == b"data");
        assert_eq!(stored + data.map_or(0, <[_]>::len), entry.len());
        assert_eq!(bad.raw.body, data.map_or(&b""[..], |pair| pair[1]));
        settle(&*source, incoming.token, Disposition::Ack).await;
    }
    assert_eq!(id_of(&receive(&*source).await), "good");
}

#[tokio::test]
async fn structured_mode_is_read_too() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = subscribe(&redis, "a.b", "g").await;
    for kind in ["other", "a.b"] {
        let body = event(kind, 7).to_json();
        let media: &[u8] = b"application/cloudevents+json";
        command(
            &server,
            &[
                b"XADD",
                EVENTS,
                b"*",
                b"Content-Type",
                media,
                b"data",
                &body,
            ],
        );
    }
    assert_eq!(receive(&*source).await.message.unwrap(), event("a.b", 7));
    nothing_within(&*source, Duration::from_millis(100)).await;
}

#[tokio::test]
async fn closing_ends_receiving_and_gives_back_what_was_read_ahead() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &events("a", 20)).await;
    let long = spec(">").with_group("g").with_lease(Duration::from_mins(1));
    let first = redis.subscribe(&long).await.unwrap();
    let held = receive(&*first).await;
    let waiting = {
        let first = Arc::clone(&first);
        tokio::spawn(async move { while first.receive(1).await.is_ok() {} })
    };
    // The task above takes what is read ahead; a second consumer is to get what it did not take.
    waiting.abort();
    let _aborted = waiting.await;
    first.close().await;
    let error = timeout(Duration::from_secs(1), first.receive(1))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Closed);
    assert_eq!(
        settle(&*first, held.token, Disposition::Ack).await,
        Settled::Done
    );

    publish(&redis, &[event("a", "last")]).await;
    let second = redis.subscribe(&long).await.unwrap();
    loop {
        let incoming = receive(&*second).await;
        assert_eq!(incoming.delivery_count, 1, "reading ahead is no delivery");
        settle(&*second, incoming.token, Disposition::Ack).await;
        if id_of(&incoming) == "last" {
            break;
        }
    }
}

#[tokio::test]
async fn a_group_starts_where_it_is_told_to_and_only_when_it_is_new() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    publish(&redis, &[event("a", "old")]).await;
    let new = spec(">").with_start(Start::New);
    let source = redis
        .subscribe(&new.clone().with_group("new"))
        .await
        .unwrap();
    publish(&redis, &[event("a", "late")]).await;
    assert_eq!(id_of(&receive(&*source).await), "late");

    let earliest = spec(">").with_group("early");
    let source = redis.subscribe(&earliest).await.unwrap();
    assert_eq!(drain(&*source, 2).await, ["old", "late"]);
    source.close().await;
    let again = redis.subscribe(&earliest).await.unwrap();
    nothing_within(&*again, Duration::from_millis(100)).await;

    let place = redis
        .publish(&[event("a", "then")])
        .await
        .remove(0)
        .unwrap()
        .id;
    let millis: i64 = place.split_once('-').unwrap().0.parse().unwrap();
    let time = jiff::Timestamp::from_millisecond(millis).unwrap();
    let at = spec(">").with_group("at").with_start(Start::At(time));
    let source = redis.subscribe(&at).await.unwrap();
    let first = receive(&*source).await;
    let first_millis: i64 = first.id.split_once('-').unwrap().0.parse().unwrap();
    assert!(first_millis >= millis, "{}", first.id);
}
