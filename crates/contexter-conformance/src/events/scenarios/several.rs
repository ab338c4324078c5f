//! One event, and several subscriptions that may fail it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contexter_event_bus::transport::DeadLetter;
use contexter_event_bus::{Bus, Handler, HandlerError};
use contexter_protocol::IntegrationEvent;
use futures_util::future::ready;

use crate::events::log::{Calls, Log, in_time, until};
use crate::events::stage::{Stage, broken, open, publish};
use crate::verdict::{Checked, same};

/// A handler that fails for good, unless it has been mended.
fn failing(log: &Log, who: usize, mended: &Arc<AtomicBool>) -> impl Handler + use<> {
    let mended = Arc::clone(mended);
    log.doing(who, move |_| {
        let ok = mended.load(Ordering::SeqCst);
        ready(if ok {
            Ok(())
        } else {
            Err(HandlerError::permanent("never"))
        })
    })
}

/// The dead letters of an event.
async fn letters_of(bus: &Bus, event: &IntegrationEvent) -> Checked<Vec<DeadLetter>> {
    let mut letters = bus.dead_letters().await.map_err(broken)?;
    letters.retain(|letter| letter.event().is_some_and(|one| **one == *event));
    Ok(letters)
}

/// Waits until an event has so many dead letters, and returns them.
async fn buried(bus: &Bus, event: &IntegrationEvent, many: usize) -> Checked<Vec<DeadLetter>> {
    until("the dead letters are stored", || async {
        let letters = letters_of(bus, event).await;
        letters.is_ok_and(|letters| letters.len() >= many)
    })
    .await?;
    letters_of(bus, event).await
}

pub(super) async fn each_has_a_letter(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, never) = (Log::default(), Arc::default());
    let (narrow, wide) = (stage.kind("found"), stage.kind("*"));
    let groups = [("g", &narrow), ("g", &wide), ("h", &narrow)];
    let mut kept = Vec::new();
    for (who, (group, pattern)) in groups.into_iter().enumerate() {
        let handler = failing(&log, who, &never);
        kept.push(open(&bus, pattern, stage.member(group), handler).await?);
    }
    for who in [3, 4] {
        let handler = failing(&log, who, &never);
        kept.push(open(&bus, &narrow, stage.alone(), handler).await?);
    }
    let event = stage.event("found", 0);
    publish(&bus, &[Arc::clone(&event)]).await?;
    log.until("each of five fails it", |calls| calls.seen.len() >= 5)
        .await?;
    let letters = buried(&bus, &event, 5).await?;
    let whose = |letter: &DeadLetter| {
        let pattern = letter.pattern.as_deref().map(ToOwned::to_owned);
        (letter.group.to_string(), pattern)
    };
    let mut found: Vec<_> = letters.iter().map(whose).collect();
    found.sort();
    let of_groups = groups.map(|(group, pattern)| (stage.group(group), Some(pattern.clone())));
    let alone = [(narrow.clone(), None), (narrow.clone(), None)];
    let mut expected: Vec<_> = of_groups.into_iter().chain(alone).collect();
    expected.sort();
    same("whose dead letters there are", &found, &expected)
}

pub(super) async fn redriven_to_the_one_that_failed(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let mended = Arc::new(AtomicBool::new(false));
    let kind = stage.kind("found");
    let mut kept = Vec::new();
    for who in 0..3 {
        // The one in the middle, so that it is neither the first nor the last of the name.
        let mended = match who {
            1 => Arc::clone(&mended),
            _ => Arc::new(AtomicBool::new(true)),
        };
        let handler = failing(&log, who, &mended);
        kept.push(open(&bus, &kind, stage.alone(), handler).await?);
    }
    let event = stage.event("found", 0);
    publish(&bus, &[Arc::clone(&event)]).await?;
    log.until("each of three gets it", |calls| calls.seen.len() >= 3)
        .await?;
    let letters = buried(&bus, &event, 1).await?;
    same("dead letters", &letters.len(), &1)?;
    mended.store(true, Ordering::SeqCst);
    for letter in letters {
        in_time("redriving", bus.redrive(&letter.id))
            .await?
            .map_err(broken)?;
    }
    log.until("it is handled once more", |calls| calls.seen.len() >= 4)
        .await?;
    log.stays("it is handled again after that", |calls| {
        calls.seen.len() > 4
    })
    .await?;
    let times = |calls: &Calls| [0, 1, 2].map(|who| calls.by(who).count());
    same("how often each got it", &log.look(times), &[1, 2, 1])?;
    until("its dead letter is gone", || async {
        letters_of(&bus, &event)
            .await
            .is_ok_and(|left| left.is_empty())
    })
    .await
}
