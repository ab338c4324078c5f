//! Duplicates.

use std::sync::Arc;

use contexter_event_bus::HandlerError;
use futures_util::future::ready;

use crate::events::log::{Calls, Log, in_time, until};
use crate::events::stage::{Stage, broken, open, publish};
use crate::verdict::{Checked, check, same};

pub(super) async fn once(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let fail_once = log.doing(0, |delivery| {
        ready(match delivery.attempt() {
            1 => Err(HandlerError::retryable("again")),
            _ => Ok(()),
        })
    });
    let config = stage.member("g").with_deduplication(true);
    let kept = open(&bus, &stage.kind("found"), config, fail_once).await?;
    let same_one = stage.event("found", 0);
    publish(&bus, &[Arc::clone(&same_one)]).await?;
    log.until("a failed first try is tried again", |calls| {
        calls.attempts(0) == [1, 2]
    })
    .await?;
    until("it is handled", || ready(kept.stats().delivered == 1)).await?;
    // By another process, which the broker may not know to be the same.
    let other = stage.bus().await?;
    publish(&other, &[same_one]).await?;
    publish(&bus, &[stage.event("found", 1)]).await?;
    log.until("the next is handled", |calls| calls.attempts(1) == [1, 2])
        .await?;
    log.never("the duplicate reaches the handler", |calls| {
        calls.times(0) > 2
    })
    .await
}

pub(super) async fn patterns_of_a_group(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let config = || stage.member("g").with_deduplication(true);
    let (exact, wide) = (Log::default(), Log::default());
    let _exact = open(&bus, &stage.kind("order.placed"), config(), exact.noting(1)).await?;
    let _wide = open(&bus, &stage.kind("order.*"), config(), wide.noting(2)).await?;
    publish(&bus, &stage.events("order.placed", 20)).await?;
    // To be handled by the one makes it no duplicate for the other.
    exact.until_all(20).await?;
    wide.until_all(20).await?;
    let twice = |calls: &Calls| calls.seen.len() > 20;
    exact.never("an event comes twice", twice).await?;
    wide.never("an event comes twice", twice).await
}

pub(super) async fn at_the_broker(stage: Stage) -> Checked {
    let transport = stage.transport().await?;
    let event = stage.event("found", 0);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let some = in_time(
            "publishing",
            transport.publish(std::slice::from_ref(&event)),
        )
        .await?;
        for answer in some {
            answers.push(answer.map_err(broken)?);
        }
    }
    let [first, second] = answers.as_slice() else {
        return check(false, || {
            format!("expected two confirmations, saw {answers:?}")
        });
    };
    same(
        "whether they are duplicates",
        &(first.duplicate, second.duplicate),
        &(false, true),
    )?;
    same("where the second is stored", &second.id, &first.id)
}
