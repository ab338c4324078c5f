//! What is done around handlers, and in which order.

use std::sync::Arc;

use contexter_event_bus::{
    Bus, Delivery, FailureKind, Handler, HandlerError, Middleware, Next, decoded,
};
use contexter_protocol::EventPayload as _;
use contexter_protocol::rag::DocumentProcessed;
use parking_lot::Mutex;

use crate::support::{LONG, Seen, config, event, noting, publish_all};

type Steps = Arc<Mutex<Vec<String>>>;

/// Notes the way in and the way out.
struct Noting(&'static str, Steps);

impl<H: Handler> Middleware<H> for Noting {
    async fn handle(&self, delivery: Delivery, next: Next<H>) -> Result<(), HandlerError> {
        let attempt = delivery.attempt();
        self.1.lock().push(format!("{} in {attempt}", self.0));
        let result = next.handle(delivery).await;
        let how = if result.is_ok() { "out" } else { "failed" };
        self.1.lock().push(format!("{} {how} {attempt}", self.0));
        result
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_wrapped_last_is_outermost_at_every_attempt() {
    let (bus, steps) = (Bus::default(), Steps::default());
    let noted = Arc::clone(&steps);
    let handler = move |delivery: Delivery| {
        noted.lock().push(format!("handler {}", delivery.attempt()));
        async move {
            match delivery.attempt() {
                1 => Err(HandlerError::retryable("not yet")),
                _ => Ok(()),
            }
        }
    };
    let handler = handler
        .wrap(Noting("inner", Arc::clone(&steps)))
        .wrap(Noting("outer", Arc::clone(&steps)));
    let _kept = bus.subscribe("a.b", config(), handler).unwrap();
    publish_all(&bus, 0..1).await;
    assert!(bus.idle(LONG).await);
    let expected = [
        "outer in 1",
        "inner in 1",
        "handler 1",
        "inner failed 1",
        "outer failed 1",
        "outer in 2",
        "inner in 2",
        "handler 2",
        "inner out 2",
        "outer out 2",
    ];
    assert_eq!(*steps.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_may_answer_in_place_of_the_handler_and_change_its_error() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let refusing = |delivery: Delivery, next: Next<_>| async move {
        if delivery.event().data() == &serde_json::json!(0) {
            return Err(HandlerError::permanent("not that one"));
        }
        next.handle(delivery).await
    };
    let final_ = |delivery: Delivery, next: Next<_>| async move {
        let result: Result<(), HandlerError> = next.handle(delivery).await;
        result.map_err(|error| HandlerError::permanent(format!("outer: {error}")))
    };
    let handler = noting(&seen).wrap(refusing).wrap(final_);
    let _kept = bus.subscribe("a.b", config(), handler).unwrap();
    publish_all(&bus, 0..2).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.all(), [(1, 1)]);
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].error, "outer: not that one");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_and_the_isolation_of_panics_are_around_every_middleware() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let odd = |delivery: Delivery, next: Next<_>| async move {
        match delivery.event().data().as_u64() {
            Some(0) => panic!("in the middle"),
            Some(1) => std::future::pending().await,
            _ => next.handle(delivery).await,
        }
    };
    let once = config().with_attempts(1, LONG, LONG);
    let _kept = bus.subscribe("a.b", once, noting(&seen).wrap(odd)).unwrap();
    publish_all(&bus, 0..3).await;
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [2]);
    let letters = bus.dead_letters().await.unwrap();
    let kinds: Vec<_> = letters.iter().map(|letter| letter.kind).collect();
    assert_eq!(kinds, [FailureKind::Panicked, FailureKind::TimedOut]);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_around_a_typed_handler_sees_what_cannot_be_decoded() {
    let (bus, steps) = (Bus::default(), Steps::default());
    let handler = decoded(|_: DocumentProcessed, _| std::future::ready(Ok(())));
    let handler = handler.wrap(Noting("m", Arc::clone(&steps)));
    let _kept = bus
        .subscribe(DocumentProcessed::TYPE, config(), handler)
        .unwrap();
    let broken = crate::support::typed(DocumentProcessed::TYPE, 1);
    bus.publish(broken).await.unwrap();
    bus.publish_document_processed("/a/b", 1, LONG)
        .await
        .unwrap();
    bus.publish(event(1)).await.unwrap();
    assert!(bus.idle(LONG).await);
    let expected = ["m in 1", "m failed 1", "m in 1", "m out 1"];
    assert_eq!(*steps.lock(), expected);
    let letters = bus.dead_letters().await.unwrap();
    assert_eq!(letters[0].kind, FailureKind::Undecodable);
}
