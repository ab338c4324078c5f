//! Dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::DeadMessage;
use contexter_event_bus::{Bus, FailureKind, HandlerError, Subscription};
use futures_util::future::ready;

use crate::Verdict;
use crate::events::log::{Log, in_time, until};
use crate::events::meddling::Meddling;
use crate::events::stage::{Stage, broken, built, open, publish, take};
use crate::verdict::{Checked, check, same};

/// Waits until a group has so many dead letters.
async fn buried(stage: &Stage, bus: &Bus, group: &str, many: usize) -> Checked {
    until("the dead letters are stored", || async {
        let letters = stage.letters(bus, group).await;
        letters.is_ok_and(|letters| letters.len() >= many)
    })
    .await
}

/// Subscribes with a handler that fails for good, unless it has been mended.
async fn failing(
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

pub(super) async fn redriven(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, other) = (Log::default(), Log::default());
    let mended = Arc::new(AtomicBool::new(false));
    let _kept = failing(&stage, &bus, &log, &mended).await?;
    let bystander = open(
        &bus,
        &stage.kind("found"),
        stage.member("h"),
        other.noting(9),
    )
    .await?;
    publish(&bus, &stage.events("found", 1)).await?;
    buried(&stage, &bus, "g", 1).await?;
    mended.store(true, Ordering::SeqCst);
    let letters = stage.letters(&bus, "g").await?;
    for letter in &letters {
        in_time("redriving", bus.redrive(&letter.id))
            .await?
            .map_err(broken)?;
    }
    log.until("it is handled once more", |calls| {
        calls.attempts(0) == [1, 2, 3, 1]
    })
    .await?;
    let left = stage.letters(&bus, "g").await?.len();
    same("dead letters that are left", &left, &0)?;
    other
        .never("another group gets it again", |calls| calls.seen.len() > 1)
        .await?;
    drop(bystander);
    Ok(())
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

pub(super) async fn nothing_leaks(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let mended = Arc::new(AtomicBool::new(false));
    let _kept = failing(&stage, &bus, &log, &mended).await?;
    let event = built(stage.builder("found", 0).extension("customer", "acme"));
    publish(&bus, &[Arc::clone(&event)]).await?;
    buried(&stage, &bus, "g", 1).await?;
    mended.store(true, Ordering::SeqCst);
    for letter in stage.letters(&bus, "g").await? {
        in_time("redriving", bus.redrive(&letter.id))
            .await?
            .map_err(broken)?;
    }
    log.until("it comes once more", |calls| calls.seen.len() == 4)
        .await?;
    let all: BTreeMap<_, _> = event.extensions().clone();
    for seen in log.look(|calls| calls.seen.clone()) {
        same("its extensions", seen.event.extensions(), &all)?;
        same("the event", &seen.event, &event)?;
    }
    Ok(())
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
