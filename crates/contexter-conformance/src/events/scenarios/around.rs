//! What is around a handler: middleware, and who is told of what no handler has handled.

use std::sync::Arc;

use contexter_event_bus::{
    Delivery, FailureKind, Handler, HandlerError, Middleware, Next, Unhandled, UnhandledReason,
};
use futures_util::future::ready;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::Verdict;
use crate::events::log::{Log, PATIENCE, in_time, number, until};
use crate::events::stage::{Stage, broken, built, open, publish};
use crate::verdict::{Checked, check, same};

/// Notes of what went by, in its order.
type Notes = Arc<Mutex<Vec<&'static str>>>;

/// Notes the way in and the way out.
fn noting<H: Handler>(
    notes: &Notes,
    way_in: &'static str,
    way_out: &'static str,
) -> impl Middleware<H> + use<H> {
    let notes = Arc::clone(notes);
    move |delivery: Delivery, next: Next<H>| {
        let notes = Arc::clone(&notes);
        async move {
            notes.lock().push(way_in);
            let result = next.handle(delivery).await;
            notes.lock().push(way_out);
            result
        }
    }
}

pub(super) async fn middleware(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let notes = Notes::default();
    let log = Log::default();
    let of_handler = Arc::clone(&notes);
    let handler = log.doing(0, move |_| {
        of_handler.lock().push("handler");
        ready(Ok(()))
    });
    let inner = handler.wrap(noting(&notes, "inner in", "inner out"));
    let outer = inner.wrap(noting(&notes, "outer in", "outer out"));
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), outer).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    until("it is handled", || ready(kept.stats().delivered == 1)).await?;
    let order = notes.lock().clone();
    let expected = ["outer in", "inner in", "handler", "inner out", "outer out"];
    same("who came when", &order, &expected.to_vec())
}

/// What a middleware may do instead of handing an event on.
pub(super) async fn instead(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let deciding = |delivery: Delivery, next: Next<_>| async move {
        match (number(delivery.event()), delivery.attempt()) {
            (0, _) => Err(HandlerError::permanent("not for this one")),
            (1, _) => Ok(()),
            (2, 1) => Err(HandlerError::retryable("not yet")),
            _ => next.handle(delivery).await,
        }
    };
    let handler = log.noting(0).wrap(deciding);
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), handler).await?;
    publish(&bus, &stage.events("found", 4)).await?;
    log.until("what is handed on is handled", |calls| {
        calls.numbers.contains(&2) && calls.numbers.contains(&3)
    })
    .await?;
    until("each is settled", || {
        let stats = kept.stats();
        ready(stats.delivered == 3 && stats.dead_lettered == 1)
    })
    .await?;
    same(
        "the attempts at one put off",
        &log.look(|c| c.attempts(2)),
        &vec![2],
    )?;
    let stray = log.look(|calls| calls.numbers.contains(&0) || calls.numbers.contains(&1));
    check(!stray, || {
        "expected what is not handed on to reach no handler, saw it".to_owned()
    })?;
    let letters = stage.letters(&bus, "g").await?;
    let kinds: Vec<_> = letters.iter().map(|letter| letter.kind).collect();
    same("the dead letters", &kinds, &vec![FailureKind::Permanent])
}

pub(super) async fn observer(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let told = Arc::<Mutex<Vec<Unhandled>>>::default();
    let notes = Arc::clone(&told);
    let config = stage
        .member("g")
        .with_deduplication(true)
        .with_observer(move |end| {
            notes.lock().push(end);
            ready(())
        });
    let log = Log::default();
    let failing = log.doing(0, |delivery| {
        ready(match number(delivery.event()) {
            0 => Err(HandlerError::retryable("never")),
            _ => Ok(()),
        })
    });
    let kept = open(&bus, &stage.kind("found"), config, failing).await?;
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    let again = stage.event("found", 2);
    let expired = built(stage.builder("found", 1).expiry_time(past));
    let events = [stage.event("found", 0), expired, Arc::clone(&again)];
    publish(&bus, &events).await?;
    until("what can be handled is", || {
        ready(kept.stats().delivered == 1)
    })
    .await?;
    // By another process, which the broker may not know to be the same.
    let other = stage.bus().await?;
    publish(&other, &[again]).await?;
    publish(&bus, &[stage.event("found", 3)]).await?;
    log.until("the next is handled", |calls| calls.numbers.contains(&3))
        .await?;
    until("the dead letter is told", || {
        let told = told.lock();
        let is_letter =
            |end: &Unhandled| matches!(end.reason, UnhandledReason::DeadLettered { .. });
        ready(told.iter().any(is_letter))
    })
    .await?;
    in_time("what is to be told", bus.drain(PATIENCE)).await?;
    let told = told.lock().clone();
    let mut ends = Vec::new();
    for end in &told {
        let event = end.event();
        let event =
            event.ok_or_else(|| Verdict::Fail(format!("expected an event, saw {end:?}")))?;
        ends.push((number(event), word(&end.reason), end.attempts));
        let group = stage.group("g");
        same("the group", &end.group.as_deref(), &Some(&*group))?;
    }
    ends.sort_unstable();
    // A broker may have recognised the duplicate before it came here.
    let mut expected = vec![(0, "dead letter", 3), (1, "expired", 0)];
    if ends.iter().any(|(n, ..)| *n == 2) {
        expected.push((2, "duplicate", 0));
    } else {
        let known = bus.capabilities();
        let known = known.has(contexter_event_bus::Capability::PublishDedupe);
        same("whether the broker recognises duplicates", &known, &true)?;
    }
    same("what was told", &ends, &expected)?;
    for end in told {
        if let UnhandledReason::DeadLettered { id, kind, error } = end.reason {
            same("its kind", &kind, &FailureKind::Retryable)?;
            same("its error", &&*error, &"never")?;
            if !stage.is_in_process() {
                let gone = other.purge(&id).await.map_err(broken)?;
                same("whether the letter was there", &gone, &true)?;
            }
        }
    }
    Ok(())
}

fn word(reason: &UnhandledReason) -> &'static str {
    match reason {
        UnhandledReason::DeadLettered { .. } => "dead letter",
        UnhandledReason::Expired => "expired",
        UnhandledReason::Duplicate => "duplicate",
        UnhandledReason::Dropped => "dropped",
        _ => "another end",
    }
}

pub(super) async fn claims(_stage: Stage) -> Checked {
    let reason = "no hook before a claim: what must not be handled here is turned away by a \
                  middleware, with a delay or for good";
    Err(Verdict::NotApplicable(reason.to_owned()))
}
