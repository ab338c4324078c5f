//! Publishing, and who gets what.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::EventFilter;
use contexter_event_bus::transport::{Disposition, MessageTransport, TransportErrorKind};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::require;

use crate::support::{event, id, nothing, publish, settle, spec, start, take};

#[tokio::test]
async fn what_is_published_arrives_as_it_was_and_in_order() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let events: Vec<_> = (0..3_000).map(|_| event("order.placed")).collect();
    let confirmed = publish(&transport, &events).await;
    let sequences: Vec<_> = confirmed.iter().map(|one| one.sequence.unwrap()).collect();
    assert_eq!(sequences, (1..=3_000).collect::<Vec<_>>());
    let source = transport.subscribe(&spec("order.*", "a")).await.unwrap();
    let mut got = Vec::new();
    while got.len() < events.len() {
        let some = take(&*source, 1).await;
        for one in some {
            let settled = settle(&*source, one.token, Disposition::Ack).await;
            assert_eq!(settled, contexter_event_bus::transport::Settled::Done);
            got.push(one.message.unwrap());
        }
    }
    assert_eq!(got, events);
    source.close().await;
    assert_eq!(
        source.receive(1).await.unwrap_err().kind(),
        TransportErrorKind::Closed
    );
}

#[tokio::test]
async fn wildcards_mean_what_patterns_mean() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let types = ["a", "a.b", "a.b.c", "x.b.c"];
    let events: Vec<_> = types.into_iter().map(event).collect();
    publish(&transport, &events).await;
    for (pattern, wanted) in [
        ("a", vec!["a"]),
        ("a.*", vec!["a.b"]),
        ("a.>", vec!["a.b", "a.b.c"]),
        ("*.b.c", vec!["a.b.c", "x.b.c"]),
        (">", types.to_vec()),
    ] {
        let source = transport.subscribe(&spec(pattern, "g")).await.unwrap();
        let got = take(&*source, wanted.len()).await;
        let got: Vec<_> = got
            .iter()
            .map(|one| one.message.as_ref().unwrap().event_type())
            .collect();
        assert_eq!(got, wanted, "{pattern}");
        nothing(&*source, Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_group_gets_everything_and_within_a_group_each_event_goes_to_one() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let one = transport
        .subscribe(&spec("a.>", "g").with_prefetch(5))
        .await
        .unwrap();
    let two = transport
        .subscribe(&spec("a.>", "g").with_prefetch(5))
        .await
        .unwrap();
    let other = transport.subscribe(&spec("a.>", "h")).await.unwrap();
    let events: Vec<_> = (0..10).map(|_| event("a.b")).collect();
    publish(&transport, &events).await;
    let mut shared = take(&*one, 5).await;
    shared.extend(take(&*two, 5).await);
    let mut shared: Vec<_> = shared.iter().map(id).collect();
    let mut all: Vec<_> = events.iter().map(|event| event.id()).collect();
    shared.sort_unstable();
    all.sort_unstable();
    assert_eq!(shared, all);
    assert_eq!(take(&*other, 10).await.len(), 10);
}

#[tokio::test]
async fn an_event_that_is_published_twice_is_stored_once() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let one = event("a.b");
    let first = publish(&transport, &[Arc::clone(&one)]).await.remove(0);
    let second = publish(&transport, &[one]).await.remove(0);
    assert!(!first.duplicate && second.duplicate);
    assert_eq!(first.sequence, second.sequence);
    assert_eq!(
        transport
            .replay(&EventFilter::all())
            .await
            .unwrap()
            .events
            .len(),
        1
    );
}

#[tokio::test]
async fn what_is_too_large_fails_alone_and_the_connection_stays() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let limit = transport.capabilities().max_payload().unwrap();
    let large = IntegrationEvent::builder("tests", "a.b")
        .data("x".repeat(limit).into())
        .build();
    let events = [event("a.b"), Arc::new(large.unwrap()), event("a.b")];
    let answers = transport.publish(&events).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(
        answers[1].as_ref().unwrap_err().kind(),
        TransportErrorKind::TooLarge
    );
    let health = transport.health().await;
    assert!(health.is_up() && health.reconnects == 0, "{health:?}");
}

#[tokio::test]
async fn stored_events_are_read_again_from_a_place_and_a_gap_is_told() {
    require!("nats-server");
    let server = contexter_testkit::Nats::start().unwrap();
    let config = crate::support::config(&server).with_max_events(Some(10));
    let transport = contexter_nats::NatsTransport::connect(config)
        .await
        .unwrap();
    let events: Vec<_> = (0..15).map(|_| event("a.b")).collect();
    publish(&transport, &events).await;
    let history = transport
        .replay(&EventFilter::all().after("2").limit(4))
        .await
        .unwrap();
    assert_eq!(history.events, events[5..9]);
    assert_eq!(history.last.as_deref(), Some("9"));
    let gap = history.gap.unwrap();
    assert_eq!((gap.missing, gap.oldest.as_deref()), (Some(3), Some("6")));
    let rest = transport
        .replay(&EventFilter::all().after("9"))
        .await
        .unwrap();
    assert_eq!((rest.events.len(), rest.gap), (6, None));
}
