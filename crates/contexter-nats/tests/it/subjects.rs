//! Subjects and types that do not agree, as others may publish them.

use contexter_event_bus::transport::{Disposition, MessageTransport, Settled};
use contexter_testkit::require;

use crate::support::{LEASE, event, id, nothing, publish, settle, spec, start, store, take};

/// An event of the type `x.y`.
const OTHER: &[u8] = b"ce-specversion: 1.0\r\nce-id: 7\r\nce-source: others\r\nce-type: x.y";

#[tokio::test]
async fn an_event_is_delivered_by_its_type_and_not_by_its_subject() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    for _ in 0..3 {
        store(&server, "contexter.a.b", OTHER, b"");
    }
    let ours = event("a.b");
    publish(&transport, std::slice::from_ref(&ours)).await;
    let one = take(&*source, 1).await.remove(0);
    assert_eq!(id(&one), ours.id());
    let done = settle(&*source, one.token, Disposition::Ack).await;
    assert_eq!(done, Settled::Done);
    nothing(&*source, LEASE * 3 / 2).await;
    // It is settled for the group: whoever comes next does not get it either.
    source.close().await;
    let next = transport.subscribe(&spec("a.b", "g")).await.unwrap();
    nothing(&*next, LEASE * 3 / 2).await;
}

#[tokio::test]
async fn a_pattern_gets_what_its_type_matches_whatever_the_rest_of_the_subject() {
    require!("nats-server");
    let (server, transport) = start().await;
    let source = transport.subscribe(&spec("x.*", "g")).await.unwrap();
    store(&server, "contexter.x.z", OTHER, b"");
    assert_eq!(id(&take(&*source, 1).await.remove(0)), "7");
}
