//! What is given out, and how it comes back.

use std::time::Duration;

use contexter_event_bus::transport::{
    Disposition, MessageTransport, Settled, Start, SubscriptionSpec,
};
use contexter_testkit::{Server, require};
use tokio::time::Instant;

use crate::support::{
    LEASE, PATIENCE, event, group_at, nothing, publish, settle, spec, start, take,
};

#[tokio::test]
async fn what_is_given_back_comes_again_after_its_delay_and_is_counted() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    publish(&transport, &[event("a.b")]).await;
    let after = Duration::from_millis(300);
    for count in 1..=3 {
        let one = take(&*source, 1).await.remove(0);
        assert_eq!(one.delivery_count, count);
        let begun = Instant::now();
        let back = Disposition::Nack { after };
        assert_eq!(settle(&*source, one.token, back).await, Settled::Done);
        let twice = settle(&*source, one.token, Disposition::Ack).await;
        assert_eq!(twice, Settled::Refused);
        nothing(&*source, after.saturating_sub(begun.elapsed() * 2)).await;
    }
    let last = take(&*source, 1).await.remove(0);
    assert_eq!(last.delivery_count, 4);
    let done = settle(&*source, last.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
    nothing(&*source, LEASE + Duration::from_millis(300)).await;
}

#[tokio::test]
async fn progress_keeps_the_lease_and_its_end_is_fenced() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let one = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let two = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    publish(&transport, &[event("a.b")]).await;
    let (holder, other, held) = tokio::select! {
        some = one.receive(1) => (&one, &two, some.unwrap().remove(0)),
        some = two.receive(1) => (&two, &one, some.unwrap().remove(0)),
    };
    for _ in 0..4 {
        nothing(&**other, LEASE / 2).await;
        let renewed = settle(&**holder, held.token, Disposition::InProgress).await;
        assert_eq!(renewed, Settled::Done);
    }
    // Both wait, for the server may give it to either.
    let again = tokio::select! {
        some = one.receive(1) => some.unwrap().remove(0),
        some = two.receive(1) => some.unwrap().remove(0),
    };
    assert_eq!(again.delivery_count, 2);
    assert_eq!(
        settle(&**holder, held.token, Disposition::Ack).await,
        Settled::Refused
    );
}

#[tokio::test]
async fn what_a_dropped_consumer_held_goes_to_the_next() {
    require!("nats-server");
    let (_server, transport) = start().await;
    // Long enough for a busy machine to hand out the rest before it ends.
    let lease = 5 * LEASE;
    let spec = spec("a.b", "g").with_lease(lease);
    let one = transport.subscribe(&spec).await.unwrap();
    let events: Vec<_> = (0..5).map(|_| event("a.b")).collect();
    publish(&transport, &events).await;
    let held = take(&*one, 1).await.remove(0);
    drop(one);
    let two = transport.subscribe(&spec).await.unwrap();
    let given = take(&*two, 5).await;
    let last = given.last().unwrap();
    assert_eq!(
        last.id, held.id,
        "what was only read ahead does not wait for the lease"
    );
    assert_eq!(last.delivery_count, 2);
}

/// The lease of the only group, as the server has it.
async fn lease_at(server: &Server) -> Duration {
    group_at(server).await.config.ack_wait
}

#[tokio::test]
async fn a_member_with_a_short_lease_takes_nothing_from_one_with_a_long_one() {
    require!("nats-server");
    let (server, transport) = start().await;
    let long = spec("a.b", "g").with_lease(5 * LEASE);
    let patient = transport.subscribe(&long).await.unwrap();
    publish(&transport, &[event("a.b")]).await;
    let held = take(&*patient, 1).await.remove(0);
    let hasty = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    tokio::select! {
        () = nothing(&*patient, LEASE * 2) => {}
        some = hasty.receive(1) => panic!("taken away: {some:?}"),
    }
    let done = settle(&*patient, held.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
    assert_eq!(lease_at(&server).await, 5 * LEASE);
}

#[tokio::test]
async fn a_member_with_a_long_lease_is_safe_from_those_that_were_there_before() {
    require!("nats-server");
    let (server, transport) = start().await;
    let hasty = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    let long = spec("a.b", "g").with_lease(5 * LEASE);
    let patient = transport.subscribe(&long).await.unwrap();
    assert_eq!(lease_at(&server).await, 5 * LEASE);
    hasty.close().await;
    publish(&transport, &[event("a.b")]).await;
    let held = take(&*patient, 1).await.remove(0);
    nothing(&*patient, LEASE * 2).await;
    let done = settle(&*patient, held.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
}

#[tokio::test]
async fn a_shorter_lease_counts_once_nobody_else_is_there() {
    require!("nats-server");
    let (server, transport) = start().await;
    let long = spec("a.b", "g").with_lease(5 * LEASE);
    let patient = transport.subscribe(&long).await.unwrap();
    patient.close().await;
    assert_eq!(lease_at(&server).await, 5 * LEASE);
    // The server drops the question of the one that has gone when it notices that it has.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let hasty = transport.subscribe(&spec("a.b", "g")).await.unwrap();
        if lease_at(&server).await == LEASE {
            break;
        }
        hasty.close().await;
        assert!(Instant::now() < deadline, "the lease stays long");
    }
}

#[tokio::test]
async fn what_is_put_off_comes_again_though_the_server_has_forgotten_the_consumer() {
    require!("nats-server");
    let (server, transport) = start().await;
    let alone = SubscriptionSpec::new("a.b".parse().unwrap())
        .with_start(Start::Earliest)
        .with_lease(LEASE);
    let source = transport.subscribe(&alone).await.unwrap();
    let events: Vec<_> = (0..3).map(|_| event("a.b")).collect();
    publish(&transport, &events).await;
    for (number, one) in take(&*source, 3).await.into_iter().enumerate() {
        let after = Duration::from_hours(1);
        let how = match number {
            1 => Disposition::Nack { after },
            _ => Disposition::Ack,
        };
        assert_eq!(settle(&*source, one.token, how).await, Settled::Done);
    }
    let name = group_at(&server).await.name;
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream("contexter").await.unwrap();
    // It may be writing its state just then.
    let deadline = Instant::now() + PATIENCE;
    while stream.delete_consumer(&name).await.is_err() {
        assert!(Instant::now() < deadline, "it cannot be deleted");
    }
    let again = take(&*source, 1).await.remove(0);
    assert_eq!(again.message.unwrap(), events[1]);
}
