//! Publishing inside one process: the bus, and channels that do less and less.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, Overflow, SubscriptionConfig};
use contexter_protocol::{IntegrationEvent, InvalidAttribute};
use serde_json::json;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::Instant;

/// How many events each queue and channel holds.
const CAPACITY: usize = 1_024;
/// How many different events there are: few, because an event that is just being published was just
/// made, and so is in the caches.
const DIFFERENT: usize = 256;
const EVENT_TYPE: &str = "document.ingested";
/// Long beyond anything that is measured.
const PATIENCE: Duration = Duration::from_mins(5);

type Event = Arc<IntegrationEvent>;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The bus as it is configured by default.
    Bus,
    /// A channel to each subscriber, and one back on which it acknowledges each event.
    Floor,
    /// The same, but acknowledging only counts: nobody can say which events were handled.
    Counted,
    /// Channels alone.
    Mpsc,
    /// One channel for all, which loses events when somebody is slow.
    Broadcast,
}

/// Makes events to publish.
pub(crate) fn events(count: usize) -> Result<Vec<Event>, InvalidAttribute> {
    let one = |number| {
        let data = json!({ "path": "guide.md", "number": number });
        let event = IntegrationEvent::builder("bench", EVENT_TYPE).data(data);
        event.build().map(Arc::new)
    };
    let different = (0..DIFFERENT).map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(different.into_iter().cycle().take(count).collect())
}

/// Publishes all events to so many subscribers and returns how long it takes until all are handled.
pub(crate) async fn run(side: Side, events: &[Event], subscribers: usize) -> Duration {
    let events = events.to_vec();
    // In a task, as a service would, and not on the thread that blocks on the runtime.
    let task = tokio::spawn(async move {
        match side {
            Side::Bus => bus(&events, subscribers).await,
            Side::Floor => floor(&events, subscribers).await,
            Side::Counted => counted(&events, subscribers).await,
            Side::Mpsc => bare(&events, subscribers).await,
            Side::Broadcast => lossy(&events, subscribers).await,
        }
    });
    task.await.expect("no side panics")
}

/// What every handler does.
fn see(seen: &AtomicUsize, event: &IntegrationEvent) {
    seen.fetch_add(event.id().len(), Ordering::Relaxed);
}

async fn bus(events: &[Event], subscribers: usize) -> Duration {
    let bus = Bus::default();
    let kept: Vec<_> = (0..subscribers)
        .map(|_| {
            let seen = AtomicUsize::new(0);
            let handler = move |delivery: Delivery| {
                see(&seen, delivery.event());
                ready(Ok(()))
            };
            let config = SubscriptionConfig::default().with_queue(CAPACITY, Overflow::Block);
            bus.subscribe(EVENT_TYPE, config, handler)
                .expect("the settings are good")
        })
        .collect();
    let start = Instant::now();
    for event in events {
        bus.publish(Arc::clone(event))
            .await
            .expect("the bus is open");
    }
    assert!(bus.idle(PATIENCE).await);
    let took = start.elapsed();
    assert_eq!(bus.stats().delivered, (events.len() * subscribers) as u64);
    drop(kept);
    took
}

async fn floor(events: &[Event], subscribers: usize) -> Duration {
    let total = events.len();
    let handle = |_| {
        let (sender, mut receiver) = mpsc::channel::<(usize, Event)>(CAPACITY);
        let (ack, mut acks) = mpsc::channel::<usize>(CAPACITY);
        tokio::spawn(async move {
            let seen = AtomicUsize::new(0);
            while let Some((number, event)) = receiver.recv().await {
                see(&seen, &event);
                if ack.send(number).await.is_err() {
                    return;
                }
            }
        });
        let settled = tokio::spawn(async move {
            let (mut settled, mut some) = (0, Vec::with_capacity(CAPACITY));
            while settled < total {
                let acked = acks.recv_many(&mut some, CAPACITY).await;
                assert!(acked > 0, "every event is acknowledged");
                settled += acked;
                some.clear();
            }
        });
        (sender, settled)
    };
    let (senders, settled): (Vec<_>, Vec<_>) = (0..subscribers).map(handle).unzip();
    let start = Instant::now();
    for (number, event) in events.iter().enumerate() {
        for sender in &senders {
            let sent = sender.send((number, Arc::clone(event))).await;
            sent.expect("the subscriber lives");
        }
    }
    for all in settled {
        all.await.expect("counting does not panic");
    }
    start.elapsed()
}

async fn counted(events: &[Event], subscribers: usize) -> Duration {
    let pending = Arc::new((AtomicUsize::new(0), Notify::new()));
    let handle = |_| {
        let (sender, mut receiver) = mpsc::channel::<Event>(CAPACITY);
        let pending = Arc::clone(&pending);
        tokio::spawn(async move {
            let seen = AtomicUsize::new(0);
            while let Some(event) = receiver.recv().await {
                see(&seen, &event);
                if pending.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                    pending.1.notify_waiters();
                }
            }
        });
        sender
    };
    let senders: Vec<_> = (0..subscribers).map(handle).collect();
    let start = Instant::now();
    for event in events {
        for sender in &senders {
            pending.0.fetch_add(1, Ordering::AcqRel);
            let sent = sender.send(Arc::clone(event)).await;
            sent.expect("the subscriber lives");
        }
    }
    loop {
        let none = pending.1.notified();
        if pending.0.load(Ordering::Acquire) == 0 {
            return start.elapsed();
        }
        none.await;
    }
}

async fn bare(events: &[Event], subscribers: usize) -> Duration {
    let (senders, tasks): (Vec<_>, Vec<_>) = (0..subscribers)
        .map(|_| {
            let (sender, mut receiver) = mpsc::channel::<Event>(CAPACITY);
            let task = tokio::spawn(async move {
                let seen = AtomicUsize::new(0);
                while let Some(event) = receiver.recv().await {
                    see(&seen, &event);
                }
            });
            (sender, task)
        })
        .unzip();
    let start = Instant::now();
    for event in events {
        for sender in &senders {
            let sent = sender.send(Arc::clone(event)).await;
            sent.expect("the subscriber lives");
        }
    }
    drop(senders);
    for task in tasks {
        task.await.expect("no subscriber panics");
    }
    start.elapsed()
}

async fn lossy(events: &[Event], subscribers: usize) -> Duration {
    // Room for everything, since nothing makes the publisher wait.
    let (sender, _) = broadcast::channel::<Event>(events.len());
    let tasks: Vec<_> = (0..subscribers)
        .map(|_| {
            let mut receiver = sender.subscribe();
            tokio::spawn(async move {
                let seen = AtomicUsize::new(0);
                while let Ok(event) = receiver.recv().await {
                    see(&seen, &event);
                }
            })
        })
        .collect();
    let start = Instant::now();
    for event in events {
        sender.send(Arc::clone(event)).expect("somebody listens");
    }
    drop(sender);
    for task in tasks {
        task.await.expect("no subscriber panics");
    }
    start.elapsed()
}

/// Publishes one event at a time and returns how long each takes to reach its handler.
pub(crate) async fn latencies(side: Side, rounds: usize) -> Vec<Duration> {
    let (arrived, mut arrivals) = mpsc::channel::<Instant>(1);
    let event = events(1).unwrap_or_default().into_iter().next();
    let event = event.expect("one was asked for");
    if side == Side::Bus {
        let bus = Bus::default();
        let handler = move |_: Delivery| {
            let _ = arrived.try_send(Instant::now());
            ready(Ok(()))
        };
        let _kept = bus
            .subscribe(EVENT_TYPE, SubscriptionConfig::default(), handler)
            .expect("the settings are good");
        ping(rounds, &mut arrivals, async || {
            bus.publish(Arc::clone(&event))
                .await
                .expect("the bus is open");
        })
        .await
    } else {
        let (sender, mut receiver) = mpsc::channel::<Event>(CAPACITY);
        tokio::spawn(async move {
            while let Some(_event) = receiver.recv().await {
                let _ = arrived.try_send(Instant::now());
            }
        });
        ping(rounds, &mut arrivals, async || {
            let sent = sender.send(Arc::clone(&event)).await;
            sent.expect("the subscriber lives");
        })
        .await
    }
}

async fn ping(
    rounds: usize,
    arrivals: &mut mpsc::Receiver<Instant>,
    publish: impl AsyncFn(),
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        publish().await;
        let arrival = arrivals.recv().await.expect("the handler lives");
        times.push(arrival.duration_since(start));
    }
    times
}
