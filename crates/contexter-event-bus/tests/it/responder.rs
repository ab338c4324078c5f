//! Answering over a broker: nobody who asks is left waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::*;
use contexter_event_bus::{Bus, BusConfig, HandlerError, Request, Responder, ResponderConfig};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep};

use crate::support::{LONG, quiet, typed};

const FAILED: &str = "contexter.request.failed";

/// A broker of requests. A reply of the type `large` does not fit.
#[derive(Debug)]
struct Desk {
    requests: tokio::sync::Mutex<mpsc::Receiver<IncomingRequest>>,
    replies: Mutex<Vec<(String, Arc<IntegrationEvent>)>>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct DeskTransport(Arc<Desk>);

#[derive(Debug)]
struct DeskSource(Arc<Desk>);

#[async_trait]
impl MessageTransport for DeskTransport {
    fn name(&self) -> &'static str {
        "desk"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::none().with(Capability::RequestReply)
    }

    async fn publish(
        &self,
        _: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>> {
        Vec::new()
    }

    async fn subscribe(&self, _: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError> {
        Err(TransportError::closed())
    }

    async fn dead_letter(&self, _: &DeadLetter) -> Result<DeadLetterId, TransportError> {
        Err(TransportError::closed())
    }

    async fn dead_letters(&self, _: &DeadLetterQuery) -> Result<Vec<DeadLetter>, TransportError> {
        Ok(Vec::new())
    }

    async fn remove_dead_letter(&self, _: &DeadLetterId) -> Result<bool, TransportError> {
        Ok(false)
    }

    async fn purge_dead_letters(&self) -> Result<u64, TransportError> {
        Ok(0)
    }

    async fn redeliver(&self, _: &DeadLetter) -> Result<Confirmation, TransportError> {
        Err(TransportError::closed())
    }

    async fn respond(
        &self,
        _: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        Ok(Arc::new(DeskSource(Arc::clone(&self.0))))
    }

    async fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Up)
    }

    async fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl RequestSource for DeskSource {
    async fn receive(&self, _max: usize) -> Result<Vec<IncomingRequest>, TransportError> {
        let mut requests = self.0.requests.lock().await;
        let mut got = Vec::new();
        // More than is asked for, so that some find no permit.
        requests.recv_many(&mut got, 100).await;
        if got.is_empty() {
            return Err(TransportError::closed());
        }
        Ok(got)
    }

    async fn reply(
        &self,
        to: RequestToken,
        reply: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError> {
        if self.0.closed.load(Ordering::SeqCst) {
            return Err(TransportError::closed());
        }
        if reply.event_type() == "large" {
            return Err(TransportError::too_large(9, 8));
        }
        // It takes a while.
        sleep(Duration::from_millis(100)).await;
        self.0
            .replies
            .lock()
            .push((to.0.to_string(), Arc::clone(reply)));
        Ok(())
    }

    fn health(&self) -> TransportHealth {
        TransportHealth::new(Connection::Up)
    }

    async fn close(&self) {}
}

impl Desk {
    fn new() -> (Arc<Self>, Bus, mpsc::Sender<IncomingRequest>) {
        let (asking, requests) = mpsc::channel(100);
        let desk = Arc::new(Self {
            requests: requests.into(),
            replies: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let transport = Arc::new(DeskTransport(Arc::clone(&desk)));
        (desk, Bus::over(transport, &BusConfig::default()), asking)
    }

    /// Waits for so many replies and returns to whom each went, its type, and whether it may be
    /// tried again.
    async fn wait_for(&self, count: usize) -> Vec<(String, String, Option<bool>)> {
        let end = Instant::now() + LONG;
        while self.replies.lock().len() < count {
            assert!(Instant::now() < end, "only {:?}", self.replies.lock());
            sleep(Duration::from_millis(10)).await;
        }
        let said = |(to, reply): &(String, Arc<IntegrationEvent>)| {
            let retryable = reply
                .data()
                .get("retryable")
                .and_then(serde_json::Value::as_bool);
            (to.clone(), reply.event_type().to_owned(), retryable)
        };
        let mut said: Vec<_> = self.replies.lock().iter().map(said).collect();
        said.sort();
        said
    }
}

fn ask(number: usize) -> IncomingRequest {
    let token = RequestToken(number.to_string().into());
    IncomingRequest::new(Arc::new(typed("job.run", number)), token)
}

/// A responder of one request at a time, whose handler waits for a permit.
async fn one_by_one(bus: &Bus, gate: &Arc<Semaphore>) -> Responder {
    let gate = Arc::clone(gate);
    let config = ResponderConfig::default()
        .with_concurrency(1)
        .with_timeout(LONG);
    let responder = bus.respond("job.run", config, move |request: Request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire()
                .await
                .map_err(HandlerError::permanent)?
                .forget();
            let reply = request.reply("test", "job.done").data(json!(1));
            reply.build().map_err(HandlerError::permanent)
        }
    });
    let responder = responder.unwrap();
    responder.ready().await.unwrap();
    responder
}

fn turned_away(number: usize) -> (String, String, Option<bool>) {
    (number.to_string(), FAILED.to_owned(), Some(true))
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_fit_is_answered_by_a_failure() {
    let (desk, bus, asking) = Desk::new();
    let answer = |request: Request| async move {
        let reply = request.reply("test", "large").build();
        reply.map_err(HandlerError::permanent)
    };
    let kept = bus
        .respond("job.run", ResponderConfig::default(), answer)
        .unwrap();
    kept.ready().await.unwrap();
    asking.send(ask(1)).await.unwrap();
    let said = desk.wait_for(1).await;
    assert_eq!(said, [("1".to_owned(), FAILED.to_owned(), Some(false))]);
    let replies = desk.replies.lock();
    let error = replies[0].1.data()["error"].as_str().unwrap();
    assert!(error.contains("9 bytes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_is_dropped_tells_everybody_who_has_asked() {
    let (desk, bus, asking) = Desk::new();
    let gate = Arc::new(Semaphore::new(0));
    let responder = one_by_one(&bus, &gate).await;
    for number in 1..=4 {
        asking.send(ask(number)).await.unwrap();
    }
    quiet().await;
    drop(responder);
    let said = desk.wait_for(4).await;
    assert_eq!(said, [1, 2, 3, 4].map(turned_away));
}

#[tokio::test(start_paused = true)]
async fn a_drain_answers_what_was_begun_and_turns_the_rest_away() {
    let (desk, bus, asking) = Desk::new();
    let gate = Arc::new(Semaphore::new(0));
    let kept = one_by_one(&bus, &gate).await;
    for number in 1..=3 {
        asking.send(ask(number)).await.unwrap();
    }
    quiet().await;
    let draining = bus.clone();
    let draining = tokio::spawn(async move { draining.drain(Duration::from_secs(30)).await });
    quiet().await;
    gate.add_permits(1);
    // The second has a permit as soon as the first is answered, and no handler that ends.
    draining.await.unwrap();
    let said = desk.wait_for(3).await;
    assert_eq!(said[0], ("1".to_owned(), "job.done".to_owned(), None));
    assert_eq!(said[1..], [2, 3].map(turned_away));
    assert!(desk.closed.load(Ordering::SeqCst), "and then it is closed");
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn responders_are_closed_at_the_same_time_and_beside_the_queues() {
    let bus = Bus::default();
    let hang = |_: Request| std::future::pending();
    let kept: Vec<_> = ["job.a", "job.b", "job.c"]
        .into_iter()
        .map(|kind| bus.respond(kind, ResponderConfig::default(), hang).unwrap())
        .collect();
    for kind in ["job.a", "job.b", "job.c"] {
        let bus = bus.clone();
        tokio::spawn(async move { bus.request(typed(kind, 1), LONG).await });
    }
    let seen = crate::support::Seen::default();
    let gate = Arc::new(Semaphore::new(0));
    let slow = crate::support::gated(&seen, &gate);
    let _subscription = bus
        .subscribe("a.b", crate::support::config(), slow)
        .unwrap();
    crate::support::publish_all(&bus, 0..1).await;
    quiet().await;
    let release = async {
        sleep(Duration::from_secs(5)).await;
        gate.add_permits(1);
    };
    let start = Instant::now();
    let (report, ()) = tokio::join!(bus.drain(Duration::from_secs(20)), release);
    assert_eq!(start.elapsed().as_secs(), 20);
    assert_eq!((report.settled, report.abandoned.len()), (1, 0));
    drop(kept);
}
