//! Dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::{DeadMessage, TransportErrorKind};
use contexter_event_bus::{Bus, FailureKind, HandlerError, PublishError, Subscription};
use contexter_protocol::EventBuilder;
use futures_util::future::ready;

use crate::Verdict;
use crate::events::log::{Log, PATIENCE, in_time, until};
use crate::events::meddling::Meddling;
use crate::events::stage::{Stage, broken, built, open, publish, take};
use crate::verdict::{Checked, check, same};

/// Waits until a group has so many dead letters.
pub(super) async fn buried(stage: &Stage, bus: &Bus, group: &str, many: usize) -> Checked {
    until("the dead letters are stored", || async {
        let letters = stage.letters(bus, group).await;
        letters.is_ok_and(|letters| letters.len() >= many)
    })
    .await
}

/// Subscribes with a handler that fails for good, unless it has been mended.
pub(super) async fn failing(
    stage: &Stage,
    bus: &Bus,
    log: &Log,
    mended: &Arc<AtomicBool>,
) -> Checked<Subscription> {
    let mended = Arc::clone(mended);
    let handler = log.doing(0, move |_| {
        let ok = mended.load(Ordering::SeqCst);
        ready(if ok {
            Ok(())
        } else {
            Err(HandlerError::retryable("größe\tunknown"))
        })
    });
    open(bus, &stage.kind("found"), stage.member("g"), handler).await
}

pub(super) async fn complete(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let kept = failing(&stage, &bus, &log, &Arc::default()).await?;
    let event = built(
        stage
            .builder("found", 1)
            .subject("größe 50 %")
            .partition_key("ключ")
            .causation_id("earlier")
            .extension("customer", "ACME & söhne"),
    );
    publish(&bus, &[Arc::clone(&event)]).await?;
    buried(&stage, &bus, "g", 1).await?;
    let letters = stage.letters(&bus, "g").await?;
    let [letter] = letters.as_slice() else {
        return Err(Verdict::Fail(format!(
            "expected one dead letter, saw {}",
            letters.len()
        )));
    };
    same("its message", &letter.message, &DeadMessage::Event(event))?;
    same("its group", &&*letter.group, &&*stage.group("g"))?;
    same("its subscription", &&*letter.subscription, &kept.name())?;
    same("its attempts", &letter.attempts, &3)?;
    same("its kind", &letter.kind, &FailureKind::Retryable)?;
    check(letter.error.contains("größe"), || {
        format!("expected the error of the handler, saw {:?}", letter.error)
    })?;
    check(letter.first_failed < letter.last_failed, || {
        let (first, last) = (letter.first_failed, letter.last_failed);
        format!("expected the times of the first and the last failure, saw {first} and {last}")
    })?;
    log.never("it is tried again", |calls| calls.seen.len() > 3)
        .await?;
    // Settled: whoever comes next in the group does not get it.
    until("it is counted", || ready(kept.stats().dead_lettered == 1)).await?;
    if !stage.is_in_process() {
        // What is acknowledged may still be on its way.
        in_time("draining", bus.drain(PATIENCE)).await?;
    }
    drop(kept);
    let next = Log::default();
    let other = stage.bus().await?;
    let _next = open(
        &other,
        &stage.kind("found"),
        stage.member("g"),
        next.noting(1),
    )
    .await?;
    next.stays("the next member gets it", |calls| !calls.seen.is_empty())
        .await
}

pub(super) async fn stored_before_the_ack(stage: Stage) -> Checked {
    let transport = Arc::new(Meddling::new(stage.transport().await?));
    transport.refuse_letters(true);
    let shared = Arc::clone(&transport);
    let bus = Bus::over(shared, &stage.settings.bus);
    let log = Log::default();
    let handler = log.doing(0, |_| ready(Err(HandlerError::permanent("never"))));
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), handler).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    until("a dead letter is refused", || {
        ready(transport.refused_letters() > 0)
    })
    .await?;
    drop(kept);
    drop(bus);
    // It is still there for whoever comes next.
    let bus = stage.bus().await?;
    let none = stage.letters(&bus, "g").await?.len();
    same("dead letters that were stored", &none, &0)?;
    let handler = log.doing(1, |_| ready(Err(HandlerError::permanent("never"))));
    let _next = open(&bus, &stage.kind("found"), stage.member("g"), handler).await?;
    buried(&stage, &bus, "g", 1).await
}

/// How many attributes share the bytes of a large event: none is longer than what is read.
const ATTRIBUTES: usize = 10;

pub(super) async fn large_attributes(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let _kept = failing(&stage, &bus, &log, &Arc::default()).await?;
    // About the 64 KiB of headers that some brokers take, with what they add themselves.
    let events: Vec<_> = [60_000, 64_000, 65_000, 65_400, 66_000, 70_000]
        .into_iter()
        .zip(0..)
        .map(|(bytes, n)| {
            let part = "x".repeat(bytes / ATTRIBUTES);
            let with = |builder: EventBuilder, n| builder.extension(format!("part{n}"), &*part);
            built((0..ATTRIBUTES).fold(stage.builder("found", n), with))
        })
        .collect();
    let mut taken = Vec::new();
    for event in &events {
        match in_time("publishing", bus.publish(Arc::clone(event))).await? {
            Ok(_) => taken.push(Arc::clone(event)),
            Err(PublishError::Transport(error)) if error.kind() == TransportErrorKind::TooLarge => {
            }
            Err(error) => return Err(broken(error)),
        }
    }
    publish(&bus, &[stage.event("found", 100)]).await?;
    // What was taken can also be buried, and nothing is held up.
    buried(&stage, &bus, "g", taken.len() + 1).await?;
    let letters = stage.letters(&bus, "g").await?;
    same("dead letters", &letters.len(), &(taken.len() + 1))?;
    for event in taken {
        let is_there = letters.iter().any(|letter| {
            let message = DeadMessage::Event(Arc::clone(&event));
            letter.message == message
        });
        check(is_there, || {
            let n = crate::events::log::number(&event);
            format!("expected the whole event {n} in a dead letter, saw none")
        })?;
    }
    let health = bus.health().await.transport;
    same(
        "the connection",
        &(health.is_up(), health.reconnects),
        &(true, 0),
    )
}

pub(super) async fn poison(stage: Stage) -> Checked {
    let transport = stage.transport().await?;
    let spec = stage.spec("found", "g")?;
    let publisher = stage.bus().await?;
    let first = in_time("subscribing", transport.subscribe(&spec))
        .await?
        .map_err(broken)?;
    publish(&publisher, &[stage.event("found", 0)]).await?;
    // Three processes take it, and each dies without a word.
    let mut source = first;
    for life in 1..=3_u32 {
        let held = take(&*source, 1).await?;
        let count = held.first().map(|one| one.delivery_count);
        same("how often it was delivered", &count, &Some(life))?;
        drop(source);
        source = in_time("subscribing", transport.subscribe(&spec))
            .await?
            .map_err(broken)?;
    }
    source.close().await;
    drop(source);
    let log = Log::default();
    let bus = stage.bus().await?;
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    publish(&publisher, &[stage.event("found", 1)]).await?;
    log.until("the next is handled", |calls| calls.numbers.contains(&1))
        .await?;
    buried(&stage, &bus, "g", 1).await?;
    let kinds: Vec<_> = stage
        .letters(&bus, "g")
        .await?
        .iter()
        .map(|one| one.kind)
        .collect();
    same(
        "why it is a dead letter",
        &kinds,
        &vec![FailureKind::Poison],
    )?;
    check(!log.look(|calls| calls.numbers.contains(&0)), || {
        "expected the handler to be left alone, saw it called".to_owned()
    })
}

pub(super) async fn durable(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let kept = failing(&stage, &bus, &log, &Arc::default()).await?;
    publish(&bus, &stage.events("found", 3)).await?;
    buried(&stage, &bus, "g", 3).await?;
    drop(kept);
    in_time("draining", bus.drain(Duration::from_secs(1))).await?;
    let next = stage.bus().await?;
    let letters = stage.letters(&next, "g").await?;
    same("dead letters of another process", &letters.len(), &3)?;
    let Some(first) = letters.first() else {
        return Ok(());
    };
    let gone = next.purge(&first.id).await.map_err(broken)?;
    let again = next.purge(&first.id).await.map_err(broken)?;
    same(
        "whether it was there, and was again",
        &(gone, again),
        &(true, false),
    )?;
    let left = next.purge_all().await.map_err(broken)?;
    same("dead letters that were left", &left, &2)?;
    Ok(())
}
