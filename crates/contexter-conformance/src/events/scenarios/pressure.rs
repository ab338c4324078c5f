//! What is held for a subscriber that makes no progress: counted, under each policy.

use contexter_event_bus::Overflow;
use contexter_protocol::IntegrationEvent;

use crate::events::stage::Stage;
use crate::events::stalled::{Held, Stalled};
use crate::verdict::{Checked, check, same};

const CAPACITY: usize = 8;
/// How many events are offered.
const MANY: usize = 300;

async fn stalled(stage: &Stage, overflow: Overflow) -> Checked<(Stalled, Held)> {
    let kind = stage.kind("found");
    let stalled = if stage.is_in_process() {
        Stalled::in_process(&kind, CAPACITY, overflow).await?
    } else {
        Stalled::over(stage.transport().await?, &kind, CAPACITY, overflow).await?
    };
    let stage = stage.clone();
    let events = (0..MANY as u64).map(move |n| IntegrationEvent::clone(&stage.event("found", n)));
    let held = stalled.offer(events).await?;
    same("handlers that hang", &held.in_flight, &1)?;
    check(held.waiting <= CAPACITY, || {
        format!("expected at most {CAPACITY} events in the queue, saw {held:?}")
    })?;
    Ok((stalled, held))
}

/// What may be alive: the queue, the handler, and one on its way in.
const MOST_ALIVE: usize = CAPACITY + 2;

fn bounded(held: &Held, most: usize) -> Checked {
    check(held.alive <= most, || {
        format!("expected at most {most} events in memory, saw {held:?}")
    })
}

pub(super) async fn block(stage: Stage) -> Checked {
    let (stalled, held) = stalled(&stage, Overflow::Block).await?;
    bounded(&held, MOST_ALIVE)?;
    if stage.is_in_process() {
        same("events that were offered", &held.offered, &(CAPACITY + 2))?;
    }
    let handled = stalled.let_go(MANY).await?;
    same("what was handled", &handled, &(0..MANY as u64).collect())?;
    same("what was dropped or refused", &refused(&stalled), &(0, 0))
}

pub(super) async fn reject(stage: Stage) -> Checked {
    let (stalled, held) = stalled(&stage, Overflow::Reject).await?;
    bounded(&held, MOST_ALIVE)?;
    if !stage.is_in_process() {
        // They wait at the broker.
        let handled = stalled.let_go(MANY).await?;
        return same("what was handled", &handled, &(0..MANY as u64).collect());
    }
    let kept = (CAPACITY + 1) as u64;
    same("what was refused", &held.rejected, &(MANY as u64 - kept))?;
    let handled = stalled.let_go(CAPACITY + 1).await?;
    same("what was handled", &handled, &(0..kept).collect())?;
    same(
        "what was dropped or refused",
        &refused(&stalled),
        &(0, MANY as u64 - kept),
    )
}

pub(super) async fn drop_newest(stage: Stage) -> Checked {
    let (stalled, held) = stalled(&stage, Overflow::DropNewest).await?;
    bounded(&held, MOST_ALIVE)?;
    let kept = (CAPACITY + 1) as u64;
    same("what was dropped", &held.dropped, &(MANY as u64 - kept))?;
    let handled = stalled.let_go(CAPACITY + 1).await?;
    same("what was handled", &handled, &(0..kept).collect())?;
    same(
        "what was dropped or refused",
        &refused(&stalled),
        &(MANY as u64 - kept, 0),
    )
}

pub(super) async fn drop_oldest(stage: Stage) -> Checked {
    let (stalled, held) = stalled(&stage, Overflow::DropOldest).await?;
    bounded(&held, MOST_ALIVE)?;
    let kept = (CAPACITY + 1) as u64;
    same("what was dropped", &held.dropped, &(MANY as u64 - kept))?;
    let handled = stalled.let_go(CAPACITY + 1).await?;
    let newest = (MANY - CAPACITY) as u64..MANY as u64;
    same(
        "what was handled",
        &handled,
        &std::iter::once(0).chain(newest).collect(),
    )?;
    same(
        "what was dropped or refused",
        &refused(&stalled),
        &(MANY as u64 - kept, 0),
    )
}

fn refused(stalled: &Stalled) -> (u64, u64) {
    let held = stalled.count();
    (held.dropped, held.rejected)
}
