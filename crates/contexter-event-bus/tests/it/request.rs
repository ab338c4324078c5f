//! Asking and answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::{
    Bus, HandlerError, Request, RequestError, ResponderConfig, SubscribeError,
};
use contexter_protocol::rag::DocumentProcessed;
use contexter_protocol::{EventPayload, IntegrationEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::support::{LONG, number, typed};

fn config() -> ResponderConfig {
    ResponderConfig::default()
}

#[expect(clippy::needless_pass_by_value, reason = "the form of a handler")]
fn echo(request: Request) -> Result<IntegrationEvent, HandlerError> {
    let data = request.event().data().clone();
    let reply = request.reply("test", "a.echoed").data(data);
    reply.build().map_err(HandlerError::permanent)
}

#[tokio::test(start_paused = true)]
async fn a_reply_belongs_to_its_request() {
    let bus = Bus::default();
    let _kept = bus.respond("a.*", config(), |r| async { echo(r) }).unwrap();
    let request = typed("a.b", 7);
    let (id, flow) = (
        request.id().to_owned(),
        request.correlation_id().map(str::to_owned),
    );
    let reply = bus.request(request, LONG).await.unwrap();
    assert_eq!(number(&reply), 7);
    assert_eq!(reply.causation_id(), Some(&*id));
    assert_eq!(reply.correlation_id().map(str::to_owned), flow);
}

#[tokio::test(start_paused = true)]
async fn without_a_responder_it_fails_at_once() {
    let bus = Bus::default();
    let start = Instant::now();
    let error = bus.request(typed("a.b", 1), LONG).await.unwrap_err();
    assert!(matches!(error, RequestError::NoResponder { event_type } if event_type == "a.b"));
    let kept = bus.respond("a.b", config(), |r| async { echo(r) }).unwrap();
    bus.request(typed("a.b", 1), LONG).await.unwrap();
    drop(kept);
    let error = bus.request(typed("a.b", 1), LONG).await.unwrap_err();
    assert!(matches!(error, RequestError::NoResponder { .. }));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Says when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_is_discarded_and_a_dropped_request_cancelled() {
    let bus = Bus::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let slow = move |request: Request| {
        let flag = Flag(Arc::clone(&flag));
        async move {
            sleep(Duration::from_secs(10)).await;
            drop(flag);
            echo(request)
        }
    };
    let _kept = bus.respond("a.b", config(), slow).unwrap();
    let start = Instant::now();
    let within = Duration::from_secs(2);
    let error = bus.request(typed("a.b", 1), within).await.unwrap_err();
    assert!(matches!(error, RequestError::Timeout { within: w } if w == within));
    assert_eq!(start.elapsed().as_secs(), 2);
    assert!(dropped.swap(false, Ordering::SeqCst));
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(typed("a.b", 2), LONG).await }
    });
    sleep(Duration::from_secs(1)).await;
    asking.abort();
    sleep(Duration::from_millis(1)).await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_each_get_their_own_reply() {
    let bus = Bus::default();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let handler = move |request: Request| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let wait = 1 + number(request.event()) as u64 * 7 % 13;
            sleep(Duration::from_millis(wait)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            echo(request)
        }
    };
    let _kept = bus
        .respond("a.b", config().with_concurrency(50), handler)
        .unwrap();
    let asking: Vec<_> = (0..1_000)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.request(typed("a.b", number), LONG).await.unwrap() })
        })
        .collect();
    for (sent, asking) in asking.into_iter().enumerate() {
        assert_eq!(number(&asking.await.unwrap()), sent);
    }
    assert_eq!(most.load(Ordering::SeqCst), 50);
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_a_panic_are_told() {
    let bus = Bus::default();
    let handler = |request: Request| async move {
        match number(request.event()) {
            0 => Err(HandlerError::permanent("no such library")),
            1 => Err(HandlerError::retryable("busy")),
            _ => panic!("unlucky"),
        }
    };
    let _kept = bus.respond("a.b", config(), handler).unwrap();
    for (number, text, again) in [
        (0, "no such library", false),
        (1, "busy", true),
        (2, "handler panicked: unlucky", true),
    ] {
        let failed = bus.request(typed("a.b", number), LONG).await.unwrap_err();
        let RequestError::Failed { error, retryable } = failed else {
            panic!("{failed:?}")
        };
        assert_eq!((&*error, retryable), (text, again));
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct CountLibrary {
    library_id: String,
}

impl EventPayload for CountLibrary {
    const TYPE: &'static str = "library.count";
}

#[tokio::test(start_paused = true)]
async fn typed_requests_are_decoded_on_both_sides() {
    let bus = Bus::default();
    let answer = |asked: CountLibrary, request: Request| async move {
        assert!(request.event().expiry_time().is_some());
        Ok(DocumentProcessed {
            library_id: asked.library_id,
            document_count: 12,
            processing_time_seconds: 0.5,
        })
    };
    let _kept = bus.respond_to("index", config(), answer).unwrap();
    let request = CountLibrary {
        library_id: "tokio".to_owned(),
    };
    let reply: DocumentProcessed = bus.ask("cli", &request, LONG).await.unwrap();
    assert_eq!((&*reply.library_id, reply.document_count), ("tokio", 12));
    let wrong = bus.ask::<_, CountLibrary>("cli", &request, LONG).await;
    assert!(matches!(wrong, Err(RequestError::Reply(_))));
    let error = bus
        .request(typed("library.count", 5), LONG)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        RequestError::Failed {
            retryable: false,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn responders_take_turns_and_a_drain_lets_them_finish() {
    let bus = Bus::default();
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let kept = counts.each_ref().map(|count| {
        let count = Arc::clone(count);
        let handler = move |request: Request| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                sleep(Duration::from_secs(1)).await;
                echo(request)
            }
        };
        bus.respond("a.b", config(), handler).unwrap()
    });
    let asking: Vec<_> = (0..10)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.request(typed("a.b", number), LONG).await })
        })
        .collect();
    crate::support::quiet().await;
    bus.drain(LONG).await;
    for asking in asking {
        asking.await.unwrap().unwrap();
    }
    assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 5));
    let closed = bus.request(typed("a.b", 1), LONG).await.unwrap_err();
    assert!(matches!(closed, RequestError::Closed));
    let late = bus
        .respond("a.b", config(), |r| async { echo(r) })
        .unwrap_err();
    assert_eq!(late, SubscribeError::Closed);
    drop(kept);
}
