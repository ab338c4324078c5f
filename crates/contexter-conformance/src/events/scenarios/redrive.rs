//! Dead letters that are handled once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contexter_event_bus::Bus;

use super::letters::{buried, failing};
use crate::events::log::{Log, in_time};
use crate::events::stage::{Stage, broken, built, open, publish};
use crate::verdict::{Checked, same};

/// Redrives every dead letter of the group.
async fn redrive(stage: &Stage, bus: &Bus) -> Checked {
    for letter in stage.letters(bus, "g").await? {
        in_time("redriving", bus.redrive(&letter.id))
            .await?
            .map_err(broken)?;
    }
    Ok(())
}

pub(super) async fn redriven(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, other) = (Log::default(), Log::default());
    let mended = Arc::new(AtomicBool::new(false));
    let _kept = failing(&stage, &bus, &log, &mended).await?;
    // Nothing hides what comes to it again.
    let config = stage.member("h").with_deduplication(false);
    let bystander = open(&bus, &stage.kind("found"), config, other.noting(9)).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    buried(&stage, &bus, "g", 1).await?;
    mended.store(true, Ordering::SeqCst);
    redrive(&stage, &bus).await?;
    log.until("it is handled once more", |calls| {
        calls.attempts(0) == [1, 2, 3, 1]
    })
    .await?;
    let left = stage.letters(&bus, "g").await?.len();
    same("dead letters that are left", &left, &0)?;
    other
        .stays("another group gets it again", |calls| calls.seen.len() > 1)
        .await?;
    drop(bystander);
    Ok(())
}

pub(super) async fn redriven_to_a_pattern(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, other) = (Log::default(), Log::default());
    let mended = Arc::new(AtomicBool::new(false));
    let _kept = failing(&stage, &bus, &log, &mended).await?;
    // Of the same group, but another one by its pattern.
    let config = stage.member("g").with_deduplication(false);
    let bystander = open(&bus, &stage.kind("*"), config, other.noting(9)).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    other.until_all(1).await?;
    buried(&stage, &bus, "g", 1).await?;
    mended.store(true, Ordering::SeqCst);
    redrive(&stage, &bus).await?;
    log.until("it is handled once more", |calls| {
        calls.attempts(0) == [1, 2, 3, 1]
    })
    .await?;
    other
        .stays("who had handled it gets it again", |calls| {
            calls.seen.len() > 1
        })
        .await?;
    drop(bystander);
    Ok(())
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
    redrive(&stage, &bus).await?;
    log.until("it comes once more", |calls| calls.seen.len() == 4)
        .await?;
    let all: BTreeMap<_, _> = event.extensions().clone();
    for seen in log.look(|calls| calls.seen.clone()) {
        same("its extensions", seen.event.extensions(), &all)?;
        same("the event", &seen.event, &event)?;
    }
    Ok(())
}
