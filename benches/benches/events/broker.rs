//! What the rows of both brokers share: events, batches, and what a run of one side is.

use std::error::Error;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_benches::{Row, grouped, interleaved, median, size, text};
use contexter_event_bus::{
    Bus, BusConfig, Delivery, MessageTransport, Overflow, Start, SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::chosen::{Chosen, Only};

pub(crate) type Event = Arc<IntegrationEvent>;
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How many events go together when publishing.
pub(crate) const BATCH: usize = 500;
/// How many events a consumer holds at a time.
pub(crate) const HELD: usize = 1_024;
pub(crate) const EVENT_TYPE: &str = "document.ingested";
/// How often each side runs.
const RUNS: usize = 7;

/// A broker with its plain client beside it. Everything is made under the name that is given, so
/// that no run meets what another one has left.
pub(crate) trait Peer: Sync {
    const CLIENT: &'static str;

    /// The rows: publishing, consuming, and from the one end to the other.
    fn rows(&self) -> [&'static str; 3];

    /// How safely the broker keeps events meanwhile, for the label of a row.
    fn keeps(&self) -> &'static str;

    /// A transport as it is by default.
    fn transport(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Arc<dyn MessageTransport>, Failure>> + Send;

    /// Publishes all events with the plain client, confirmed, and returns how long that takes.
    fn publish(
        &self,
        name: &str,
        events: &[Event],
    ) -> impl Future<Output = Result<Duration, Failure>> + Send;

    /// Consumes and acknowledges so many events, and returns how long that takes.
    fn consume(
        &self,
        name: &str,
        count: usize,
    ) -> impl Future<Output = Result<Duration, Failure>> + Send;

    /// Publishes one event after the other, and returns how long each takes to arrive.
    fn latencies(
        &self,
        name: &str,
        rounds: usize,
    ) -> impl Future<Output = Result<Vec<Duration>, Failure>> + Send;

    /// Removes what a run has left.
    fn tidy(&self, name: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Makes so many events, each with an id of its own.
pub(crate) fn events(count: usize) -> Result<Vec<Event>, Failure> {
    let one = |number: usize| {
        let data = json!({ "path": format!("guide/{number}.md"), "number": number });
        let event = IntegrationEvent::builder("bench", EVENT_TYPE).data(data);
        event.build().map(Arc::new)
    };
    Ok((0..count).map(one).collect::<Result<_, _>>()?)
}

/// Measures and prints the rows of a broker.
pub(crate) fn rows<P: Peer>(peer: &P, runtime: &Runtime, chosen: &Chosen) -> Result<(), Failure> {
    let [publishing, consuming, latency] = peer.rows();
    let keeps = peer.keeps();
    let count = size(30_000, 1_000);
    let names = AtomicUsize::new(0);
    let name = || format!("bench-{}", names.fetch_add(1, Ordering::Relaxed) + 1);
    if chosen.has(publishing) {
        let events = events(count)?;
        let side = |ours: bool| {
            let name = name();
            let took = runtime.block_on(async {
                let took = if ours {
                    let transport = peer.transport(&name).await?;
                    publish(&Bus::over(transport, &BusConfig::default()), &events).await?
                } else {
                    peer.publish(&name, &events).await?
                };
                peer.tidy(&name).await?;
                Ok::<_, Failure>(took)
            });
            per_second(count, took.expect("the broker works"))
        };
        let count = grouped(count);
        let what = format!("{publishing}: {count} events, {BATCH} at a time, {keeps}");
        compare::<P>(&what, chosen, side)?;
    }
    if chosen.has(consuming) {
        let events = events(count)?;
        let side = |ours: bool| {
            let name = name();
            let took = runtime.block_on(async {
                let filling = Bus::over(peer.transport(&name).await?, &BusConfig::default());
                publish(&filling, &events).await?;
                filling.drain(Duration::from_secs(5)).await;
                let took = if ours {
                    consume(peer.transport(&name).await?, count).await?
                } else {
                    peer.consume(&name, count).await?
                };
                peer.tidy(&name).await?;
                Ok::<_, Failure>(took)
            });
            per_second(count, took.expect("the broker works"))
        };
        let count = grouped(count);
        let what = format!("{consuming}: {count} events, {HELD} held, {keeps}");
        compare::<P>(&what, chosen, side)?;
    }
    if chosen.has(latency) {
        let rounds = size(2_000, 50);
        let (one, two) = (name(), name());
        let ours = runtime.block_on(async {
            let transport = peer.transport(&one).await?;
            latencies(transport, rounds).await
        })?;
        let theirs = runtime.block_on(peer.latencies(&two, rounds))?;
        for (who, times) in [("bus", ours), (P::CLIENT, theirs)] {
            say_latency(&format!("{latency}, {keeps}, {who}"), times);
        }
        runtime.block_on(async {
            peer.tidy(&one).await?;
            peer.tidy(&two).await
        })?;
    }
    Ok(())
}

/// Prints a row, or what the one side does that runs alone.
fn compare<P: Peer>(
    what: &str,
    chosen: &Chosen,
    side: impl Fn(bool) -> f64,
) -> Result<(), Failure> {
    let Some(only) = chosen.side() else {
        let (ours, theirs) = interleaved(RUNS, || side(true), || side(false));
        Row::rate(what, ours, theirs, P::CLIENT, "events/s").print()?;
        return Ok(());
    };
    let mut rates: Vec<f64> = (0..RUNS).map(|_| side(only == Only::Ours)).collect();
    let rate = median(&mut rates);
    text::say(&format!("{what}, {only:?} alone: {rate:.0} events/s"));
    Ok(())
}

/// Prints the middle of latencies and what one of a hundred exceeds.
pub(crate) fn say_latency(who: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied();
    text::say(&format!(
        "end to end, {who}: p50 {:?}, p99 {:?}",
        at(50).unwrap_or_default(),
        at(99).unwrap_or_default()
    ));
}

async fn publish(bus: &Bus, events: &[Event]) -> Result<Duration, Failure> {
    // The connection is made before.
    bus.health().await;
    let start = Instant::now();
    for batch in events.chunks(BATCH) {
        for answer in bus.publish_all(batch.to_vec()).await {
            answer?;
        }
    }
    Ok(start.elapsed())
}

async fn consume(transport: Arc<dyn MessageTransport>, count: usize) -> Result<Duration, Failure> {
    let bus = Bus::over(transport, &BusConfig::default());
    let seen = Arc::new((AtomicUsize::new(0), Notify::new()));
    let counted = Arc::clone(&seen);
    let handler = move |_: Delivery| {
        if counted.0.fetch_add(1, Ordering::AcqRel) + 1 == count {
            counted.1.notify_one();
        }
        ready(Ok(()))
    };
    let config = SubscriptionConfig::default()
        .with_group("bench")
        .with_start(Start::Earliest)
        .with_queue(HELD, Overflow::Block);
    let start = Instant::now();
    let subscription = bus.subscribe(EVENT_TYPE, config, handler)?;
    seen.1.notified().await;
    let report = bus.drain(Duration::from_secs(10)).await;
    let took = start.elapsed();
    assert!(report.abandoned.is_empty(), "everything is settled");
    drop(subscription);
    Ok(took)
}

async fn latencies(
    transport: Arc<dyn MessageTransport>,
    rounds: usize,
) -> Result<Vec<Duration>, Failure> {
    let bus = Bus::over(transport, &BusConfig::default());
    let (arrived, mut arrivals) = mpsc::channel::<Instant>(1);
    let handler = move |_: Delivery| {
        // The one that is waited for; there is room for it.
        let _ = arrived.try_send(Instant::now());
        ready(Ok(()))
    };
    let subscription = bus.subscribe(EVENT_TYPE, SubscriptionConfig::default(), handler)?;
    subscription.ready().await?;
    let mut times = Vec::with_capacity(rounds);
    for event in events(rounds)? {
        let start = Instant::now();
        bus.publish(event).await?;
        let arrival = arrivals.recv().await.ok_or("the handler is gone")?;
        times.push(arrival.duration_since(start));
    }
    bus.drain(Duration::from_secs(5)).await;
    Ok(times)
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 events")]
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
