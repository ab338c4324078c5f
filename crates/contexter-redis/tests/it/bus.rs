//! A bus on the transport, from end to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::DeadLetterQuery;
use contexter_event_bus::{
    Bus, BusConfig, Delivery, FailureKind, HandlerError, ResponderConfig, SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Server, require};
use parking_lot::Mutex;

use crate::support::{EVENTS, command, event, server, transport, until};

fn bus(server: &Server) -> Bus {
    Bus::over(Arc::new(transport(server)), &BusConfig::default())
}

fn quick() -> SubscriptionConfig {
    SubscriptionConfig::default().with_group("g").with_attempts(
        3,
        Duration::from_millis(20),
        Duration::from_millis(50),
    )
}

#[tokio::test]
async fn failures_are_tried_again_then_buried_and_redriven() {
    require!("redis-server");
    let server = server();
    let bus = bus(&server);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let healed = Arc::new(AtomicU32::new(0));
    let subscription = {
        let (attempts, healed) = (Arc::clone(&attempts), Arc::clone(&healed));
        bus.subscribe("a.*", quick(), move |delivery: Delivery| {
            attempts.lock().push(delivery.attempt());
            let healed = healed.load(Ordering::SeqCst) > 0;
            async move {
                if healed {
                    Ok(())
                } else {
                    Err(HandlerError::retryable("not yet"))
                }
            }
        })
        .unwrap()
    };
    subscription.ready().await.unwrap();
    bus.publish((*event("a.b", 1)).clone()).await.unwrap();
    until("it is buried", || async {
        !bus.dead_letters().await.unwrap().is_empty()
    })
    .await;
    assert_eq!(*attempts.lock(), [1, 2, 3]);
    let letters = bus
        .find_dead_letters(&DeadLetterQuery::all())
        .await
        .unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].attempts, letters[0].kind),
        (3, FailureKind::Retryable)
    );
    assert_eq!(&*letters[0].group, "g");

    healed.store(1, Ordering::SeqCst);
    bus.redrive(&letters[0].id).await.unwrap();
    until("it is handled", || async { attempts.lock().len() == 4 }).await;
    assert!(bus.dead_letters().await.unwrap().is_empty());
    let report = bus.drain(Duration::from_secs(5)).await;
    assert!(report.abandoned.is_empty());
    let pending = command(&server, &[b"XPENDING", EVENTS, b"group:g:a.*"]);
    assert!(pending.starts_with("*4\r\n:0\r\n"), "{pending}");
}

#[tokio::test]
async fn what_only_waited_through_drains_has_all_its_attempts() {
    require!("redis-server");
    let server = server();
    for round in 0..3 {
        let bus = bus(&server);
        let begun = Arc::new(AtomicU32::new(0));
        let subscription = {
            let begun = Arc::clone(&begun);
            bus.subscribe("a.*", quick(), move |_: Delivery| {
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            })
            .unwrap()
        };
        subscription.ready().await.unwrap();
        if round == 0 {
            for number in 0..6 {
                bus.publish((*event("a.b", number)).clone()).await.unwrap();
            }
        }
        until("one is begun with and the others wait", || async {
            begun.load(Ordering::SeqCst) == 1 && subscription.stats().waiting == 5
        })
        .await;
        let report = bus.drain(Duration::from_millis(50)).await;
        assert_eq!(report.abandoned.len(), 6);
    }
    let bus = bus(&server);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let subscription = {
        let attempts = Arc::clone(&attempts);
        bus.subscribe("a.*", quick(), move |delivery: Delivery| {
            attempts.lock().push(delivery.attempt());
            async { Ok(()) }
        })
        .unwrap()
    };
    subscription.ready().await.unwrap();
    until("all are settled", || async {
        let dead = bus.dead_letters().await.unwrap().len();
        attempts.lock().len() + dead == 6
    })
    .await;
    // Which one was begun with may differ from time to time.
    let mut attempts = attempts.lock().clone();
    attempts.sort_unstable();
    assert!(
        attempts.len() >= 5 && attempts[..3] == [1, 1, 1],
        "{attempts:?}"
    );
    bus.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_buried_and_the_next_is_handled() {
    require!("redis-server");
    let server = server();
    let bus = bus(&server);
    let handled = Arc::new(AtomicU32::new(0));
    let subscription = {
        let handled = Arc::clone(&handled);
        bus.subscribe(">", quick(), move |_: Delivery| {
            handled.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
        .unwrap()
    };
    subscription.ready().await.unwrap();
    command(&server, &[b"XADD", EVENTS, b"*", b"x", b"\xff"]);
    bus.publish((*event("a.b", 1)).clone()).await.unwrap();
    until("the next is handled", || async {
        handled.load(Ordering::SeqCst) == 1
    })
    .await;
    until("it is buried", || async {
        bus.dead_letters().await.unwrap().len() == 1
    })
    .await;
    assert_eq!(
        bus.dead_letters().await.unwrap()[0].kind,
        FailureKind::Undecodable
    );
    bus.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_bus_asks_and_answers() {
    require!("redis-server");
    let server = server();
    let (asking, answering) = (bus(&server), bus(&server));
    let responder = answering
        .respond("sum.*", ResponderConfig::default(), |request| async move {
            let data = request.event().data().clone();
            request
                .reply("adder", "sum.done")
                .data(data)
                .build()
                .map_err(HandlerError::permanent)
        })
        .unwrap();
    responder.ready().await.unwrap();
    let request = IntegrationEvent::builder("tests", "sum.of")
        .data(serde_json::json!([1, 2]))
        .build()
        .unwrap();
    let reply = asking
        .request(request, Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(reply.data(), &serde_json::json!([1, 2]));
    answering.drain(Duration::from_secs(5)).await;
    asking.drain(Duration::from_secs(5)).await;
}
