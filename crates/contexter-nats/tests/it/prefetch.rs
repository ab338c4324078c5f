//! What is read ahead, by its size.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::{Disposition, MessageTransport};
use contexter_event_bus::{Bus, BusConfig, Delivery, HandlerError, SubscriptionConfig};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Server, require};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::support::{PATIENCE, event, group_at, id, publish, settle, spec, start, take};

const MIB: usize = 1024 * 1024;
/// How long something is watched that is not to become more.
const WATCH: Duration = Duration::from_millis(500);

fn large(bytes: usize, ids: std::ops::Range<usize>) -> Vec<Arc<IntegrationEvent>> {
    let event = |id: usize| {
        let event = IntegrationEvent::builder("tests", "a.b")
            .id(id.to_string())
            .data_bytes("application/octet-stream", vec![7; bytes]);
        Arc::new(event.build().unwrap())
    };
    ids.map(event).collect()
}

/// How many messages the group holds.
async fn pending(server: &Server) -> usize {
    group_at(server).await.num_ack_pending
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stalled_handler_has_read_ahead_what_fits_and_gets_all_in_order() {
    require!("nats-server");
    let (server, transport) = start().await;
    let bus = Bus::over(Arc::new(transport.clone()), &BusConfig::default());
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
    let kept = bus.subscribe("a.b", config, handler).unwrap();
    kept.ready().await.unwrap();
    publish(&transport, &large(MIB / 2, 0..64)).await;
    until("the first is being handled", || {
        begun.load(Ordering::SeqCst) == 1
    })
    .await;
    sleep(WATCH).await;
    let held = pending(&server).await;
    assert!((2..=5).contains(&held), "{held} of half a MiB are held");
    gate.add_permits(64);
    until("all are handled", || seen.lock().len() == 64).await;
    assert_eq!(*seen.lock(), ids(0..64));
}

#[tokio::test]
async fn an_event_that_is_larger_than_all_that_may_be_held_comes_alone() {
    require!("nats-server");
    let (server, transport) = start().await;
    publish(&transport, &large(MIB / 2, 0..3)).await;
    let small = spec("a.b", "g").with_prefetch_bytes(MIB / 4);
    let source = transport.subscribe(&small).await.unwrap();
    for wanted in ids(0..2) {
        let one = take(&*source, 1).await.remove(0);
        assert_eq!((id(&one), one.delivery_count), (&*wanted, 1));
        assert!(one.size > MIB / 2, "{}", one.size);
        sleep(WATCH / 5).await;
        assert_eq!(pending(&server).await, 1);
        settle(&*source, one.token, Disposition::Ack).await;
    }
    // What was given back comes alone, too.
    let one = take(&*source, 1).await.remove(0);
    let after = Duration::from_millis(20);
    settle(&*source, one.token, Disposition::Nack { after }).await;
    let again = take(&*source, 1).await.remove(0);
    assert_eq!((id(&again), again.delivery_count), ("2", 2));
}

#[tokio::test]
async fn what_was_asked_for_while_events_were_small_is_bounded_when_they_are_large() {
    require!("nats-server");
    let (server, transport) = start().await;
    let little = spec("a.b", "g")
        .with_prefetch(1_000)
        .with_prefetch_bytes(2 * MIB);
    let source = transport.subscribe(&little).await.unwrap();
    // By now it knows small ones, and has asked for many more of them.
    let small: Vec<_> = (0..50).map(|_| event("a.b")).collect();
    publish(&transport, &small).await;
    for one in take(&*source, 50).await {
        settle(&*source, one.token, Disposition::Ack).await;
    }
    publish(&transport, &large(MIB / 2, 0..32)).await;
    take(&*source, 1).await;
    sleep(WATCH).await;
    // Four times two are eight of the largest.
    let held = pending(&server).await;
    assert!((4..=8).contains(&held), "{held} of half a MiB are held");
}
