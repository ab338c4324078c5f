//! One consumer of a transport, below the bus.

use std::ops::RangeInclusive;
use std::sync::Arc;

use contexter_event_bus::transport::{Disposition, Settled, SubscriptionSpec};
use contexter_protocol::IntegrationEvent;

use crate::events::log::{Calls, Log, WATCH, in_time};
use crate::events::stage::{LEASE, Stage, broken, built, open, publish, settle, take};
use crate::verdict::{Checked, check, same};

pub(super) async fn fencing(stage: Stage) -> Checked {
    let (one, two) = (stage.transport().await?, stage.transport().await?);
    let spec = stage.spec("found", "g")?;
    let late = in_time("subscribing", one.subscribe(&spec))
        .await?
        .map_err(broken)?;
    let bus = stage.bus().await?;
    publish(&bus, &stage.events("found", 1)).await?;
    let held = take(&*late, 1).await?;
    let other = in_time("subscribing", two.subscribe(&spec))
        .await?
        .map_err(broken)?;
    // The first says nothing; the message comes to whoever asks.
    let again = in_time("a second delivery", async {
        tokio::select! {
            some = other.receive(1) => (true, some),
            some = late.receive(1) => (false, some),
        }
    })
    .await?;
    let (elsewhere, again) = (again.0, again.1.map_err(broken)?);
    let counts: Vec<_> = again.iter().map(|one| one.delivery_count).collect();
    same("how often it was delivered", &counts, &vec![2])?;
    for one in &held {
        let answer = settle(&*late, one.token, Disposition::Ack).await?;
        same("a late acknowledgement", &answer, &Settled::Refused)?;
    }
    for one in &again {
        let holder = if elsewhere { &other } else { &late };
        let answer = settle(&**holder, one.token, Disposition::Ack).await?;
        same("the acknowledgement of the holder", &answer, &Settled::Done)?;
    }
    Ok(())
}

pub(super) async fn settled_once(stage: Stage) -> Checked {
    let transport = stage.transport().await?;
    let spec = stage.spec("found", "g")?;
    // What is held stays so, however long this takes.
    let spec = spec.with_lease(LEASE * 2);
    let source = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    let bus = stage.bus().await?;
    publish(&bus, &stage.events("found", 2)).await?;
    for (one, how) in take(&*source, 2).await?.into_iter().zip([
        Disposition::Nack {
            after: spec.lease * 100,
        },
        Disposition::Ack,
    ]) {
        let first = settle(&*source, one.token, how).await?;
        same("the first settlement", &first, &Settled::Done)?;
        for again in [
            Disposition::Ack,
            Disposition::InProgress,
            Disposition::Nack {
                after: std::time::Duration::ZERO,
            },
        ] {
            let answer = settle(&*source, one.token, again).await?;
            same("a settlement after it", &answer, &Settled::Refused)?;
        }
    }
    let quiet = tokio::time::timeout(spec.lease * 3 / 2, source.receive(1)).await;
    check(quiet.is_err(), || {
        format!("expected nothing more, saw {quiet:?}")
    })
}

pub(super) async fn claimed_once(stage: Stage) -> Checked {
    const MANY: usize = 50;
    let transport = stage.transport().await?;
    let spec = stage.spec("found", "g")?;
    let idle = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    let bus = stage.bus().await?;
    publish(&bus, &stage.events("found", MANY as u64)).await?;
    let held = take(&*idle, MANY).await?;
    // It dies without a word.
    drop((held, idle));
    let log = Log::default();
    let mut kept = Vec::new();
    for who in 0..20 {
        // Every second claim would be seen: nothing recognises duplicates here.
        let config = stage.member("g").with_deduplication(false);
        kept.push(open(&bus, &stage.kind("found"), config, log.noting(who)).await?);
    }
    log.until_all(MANY as u64).await?;
    tokio::time::sleep(spec.lease + spec.lease / 2).await;
    let twice = log.look(|calls: &Calls| {
        let numbers = 0..MANY as u64;
        numbers.filter(|n| calls.times(*n) != 1).collect::<Vec<_>>()
    });
    same(
        "events that were claimed more than once",
        &twice,
        &Vec::new(),
    )
}

pub(super) async fn prefetch(stage: Stage) -> Checked {
    const MOST: usize = 5;
    let events = stage.events("found", 50);
    bounded(
        &stage,
        &events,
        |spec| spec.with_prefetch(MOST),
        MOST..=MOST,
    )
    .await
}

pub(super) async fn prefetch_bytes(stage: Stage) -> Checked {
    const SIZE: usize = 16 * 1024;
    const MOST: usize = 5;
    let large = |number| {
        let bytes = vec![b'x'; SIZE];
        built(
            stage
                .builder("found", number)
                .data_bytes("text/plain", bytes),
        )
    };
    let events: Vec<_> = (0..50).map(large).collect();
    // While there are four a fifth may come, whatever else an event has than its data.
    let bytes = MOST * SIZE;
    bounded(
        &stage,
        &events,
        |spec| spec.with_prefetch_bytes(bytes),
        1..=MOST,
    )
    .await
}

/// Checks that a source holds so many of these events under this limit, and that the rest waits for
/// anybody.
async fn bounded(
    stage: &Stage,
    events: &[Arc<IntegrationEvent>],
    limit: impl FnOnce(SubscriptionSpec) -> SubscriptionSpec,
    many: RangeInclusive<usize>,
) -> Checked {
    let transport = stage.transport().await?;
    // What is held stays so, however long this takes.
    let spec = limit(stage.spec("found", "g")?.with_lease(LEASE * 20));
    let source = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    let bus = stage.bus().await?;
    publish(&bus, events).await?;
    let (least, most) = many.into_inner();
    let mut held = take(&*source, least).await?;
    while let Ok(more) = tokio::time::timeout(WATCH, source.receive(50)).await {
        held.extend(more.map_err(broken)?);
        check(held.len() <= most, || {
            format!("expected at most {most} unsettled, saw {}", held.len())
        })?;
    }
    // The rest waits at the broker for anybody.
    let other = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    take(&*other, least).await?;
    for one in held {
        let answer = settle(&*source, one.token, Disposition::Ack).await?;
        same("an acknowledgement", &answer, &Settled::Done)?;
    }
    take(&*source, 1).await.map(drop)
}
