//! Handlers that are at it for longer than a lease.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, Overflow};
use tokio::time::{Instant, sleep, timeout};

use crate::events::log::{Log, number};
use crate::events::meddling::Meddling;
use crate::events::stage::{LEASE, Stage, open, publish};
use crate::verdict::{Checked, check, same};

/// How often a run is repeated in which the machine itself hung: it says nothing about leases.
const RUNS: usize = 4;

/// How often is looked whether the machine hangs.
const TICK: Duration = Duration::from_millis(50);

/// Buses of two processes, and how long the broker took to answer them.
struct Processes {
    buses: Vec<Bus>,
    transports: Vec<Arc<Meddling>>,
}

impl Processes {
    /// Two of them, whose settlements are so long on their way.
    async fn new(stage: &Stage, way: Duration) -> Checked<Self> {
        let mut both = Self {
            buses: Vec::new(),
            transports: Vec::new(),
        };
        for _ in 0..2 {
            if stage.is_in_process() {
                both.buses.push(stage.bus().await?);
                continue;
            }
            let transport = Arc::new(Meddling::new(stage.transport().await?).with_way(way));
            let shared = Arc::clone(&transport);
            both.buses.push(Bus::over(shared, &stage.settings.bus));
            both.transports.push(transport);
        }
        Ok(both)
    }
}

/// Runs it, and runs it anew if it failed while this process, or the broker, came to nothing for a
/// good part of a lease: then no renewal could have come in time.
async fn unless_it_hung<Fut>(
    stage: &Stage,
    lease: Duration,
    way: Duration,
    run: impl Fn(Stage, Vec<Bus>) -> Fut,
) -> Checked
where
    Fut: Future<Output = Checked>,
{
    let mut last = Ok(());
    for time in 0..RUNS {
        let stage = stage.under(time);
        let both = Processes::new(&stage, way).await?;
        let mut running = Box::pin(run(stage, both.buses.clone()));
        let mut slowest = Duration::ZERO;
        last = loop {
            let begun = Instant::now();
            if let Ok(ended) = timeout(TICK, &mut running).await {
                break ended;
            }
            slowest = slowest.max(begun.elapsed());
        };
        let settlements = both.transports.iter().map(|one| one.slowest_settlement());
        let slowest = settlements.fold(slowest, Duration::max);
        if last.is_ok() || slowest < lease / 6 {
            return last;
        }
    }
    last
}

pub(super) async fn outlived(stage: Stage) -> Checked {
    unless_it_hung(&stage, LEASE, Duration::ZERO, |stage, buses| async move {
        let (log, ends) = (Log::default(), Log::default());
        // With no room for more, the one that is at it would not get it again, but the other would;
        // and nothing hides what comes again.
        let config = || {
            let config = stage.member("g").with_queue(1, Overflow::Block);
            config.with_lease(LEASE).with_deduplication(false)
        };
        let mut kept = Vec::new();
        for (who, bus) in buses.iter().enumerate() {
            let ends = ends.clone();
            let slow = log.doing(who, move |delivery| {
                let ends = ends.clone();
                async move {
                    sleep(LEASE * 5 / 2).await;
                    ends.note(who, &delivery);
                    Ok(())
                }
            });
            kept.push(open(bus, &stage.kind("found"), config(), slow).await?);
        }
        let bus = stage.bus().await?;
        publish(&bus, &stage.events("found", 1)).await?;
        ends.until("the handler comes to its end", |calls| {
            !calls.seen.is_empty()
        })
        .await?;
        let deliveries = log.look(|calls| calls.seen.len());
        same("deliveries while the handler lived", &deliveries, &1)?;
        log.stays("it is delivered again", |calls| calls.seen.len() > 1)
            .await
    })
    .await
}

/// How long the way of a settlement to the broker is, and how much sooner the next quick events
/// come: so there is always something to settle.
const WAY: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(40);

/// How many quick events come at once, and how many may be on their way.
const AT_ONCE: u64 = 10;
const UNDER_WAY: u64 = 200;

/// The number of the slow event.
const SLOW: u64 = u64::MAX - 1;

pub(super) async fn outlived_under_load(stage: Stage) -> Checked {
    unless_it_hung(&stage, LEASE, WAY, |stage, buses| async move {
        let publisher = stage.bus().await?;
        let (log, slow, ends) = (Log::default(), Log::default(), Log::default());
        let mut kept = Vec::new();
        for (who, bus) in buses.iter().enumerate() {
            let (slow, ends) = (slow.clone(), ends.clone());
            let handler = log.doing(who, move |delivery| {
                let (slow, ends) = (slow.clone(), ends.clone());
                async move {
                    if number(delivery.event()) == SLOW {
                        slow.note(who, &delivery);
                        sleep(LEASE * 2).await;
                        ends.note(who, &delivery);
                    }
                    Ok(())
                }
            });
            let config = stage.member("g").with_lease(LEASE).with_concurrency(4);
            let config = config.with_deduplication(false);
            kept.push(open(bus, &stage.kind("found"), config, handler).await?);
        }
        publish(&publisher, &[stage.event("found", SLOW)]).await?;
        let mut sent = 0;
        while ends.look(|calls| calls.seen.is_empty()) {
            let next = sent..sent + AT_ONCE;
            sent = next.end;
            let events: Vec<_> = next.map(|n| stage.event("found", n)).collect();
            publish(&publisher, &events).await?;
            sleep(PAUSE).await;
            log.until("the quick events are handled", |calls| {
                calls.seen.len() as u64 + UNDER_WAY > sent
            })
            .await?;
            let deliveries = slow.look(|calls| calls.seen.len());
            check(deliveries <= 1, || {
                "expected the slow event to stay where it is, saw it delivered again".to_owned()
            })?;
        }
        slow.stays("the slow event is delivered again", |calls| {
            calls.seen.len() > 1
        })
        .await?;
        drop(kept);
        Checked::Ok(())
    })
    .await
}
