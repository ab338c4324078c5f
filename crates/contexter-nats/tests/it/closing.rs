//! Ends that meet.

use std::time::Duration;

use contexter_event_bus::transport::MessageTransport;
use contexter_nats::NatsTransport;
use contexter_testkit::require;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{LEASE, PATIENCE, config, event, group_at, publish, spec, start, take};

#[tokio::test]
async fn a_transport_that_closes_while_a_source_does_waits_for_what_it_gives_back() {
    require!("nats-server");
    let (server, transport) = start().await;
    // Long enough for a busy machine to hand out the rest before it ends.
    let spec = spec("a.b", "g").with_lease(5 * LEASE);
    let source = transport.subscribe(&spec).await.unwrap();
    let events: Vec<_> = (0..5).map(|_| event("a.b")).collect();
    publish(&transport, &events).await;
    let held = take(&*source, 1).await.remove(0);
    // All of them are here, so that it is this end that gives the others back.
    let deadline = Instant::now() + PATIENCE;
    while group_at(&server).await.num_ack_pending < events.len() {
        assert!(Instant::now() < deadline, "the rest is not read ahead");
        sleep(Duration::from_millis(10)).await;
    }
    // Begun, and then left alone.
    let begun = timeout(Duration::ZERO, source.close()).await;
    drop(begun);
    transport.close().await;
    let next = NatsTransport::connect(config(&server)).await.unwrap();
    let source = next.subscribe(&spec).await.unwrap();
    let given = take(&*source, 5).await;
    let given: Vec<_> = given
        .iter()
        .map(|one| (&*one.id, one.delivery_count))
        .collect();
    assert_eq!(
        given.last(),
        Some(&(&*held.id, 2)),
        "only what was given out waits for its lease: {given:?}"
    );
}
