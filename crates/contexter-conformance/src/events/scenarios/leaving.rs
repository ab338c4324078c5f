//! Members that leave: in good order, in the middle of something, or without a word.

use std::sync::Arc;

use contexter_event_bus::{Bus, HandlerError};
use futures_util::future::{pending, ready};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use super::closing::patient;
use crate::events::log::{Log, PATIENCE, Seen, in_time, number};
use crate::events::meddling::Meddling;
use crate::events::stage::{Stage, open, publish};
use crate::verdict::{Checked, check};

pub(super) async fn unsettled_goes_on(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let kind = stage.kind("found");
    let (first, second) = (Log::default(), Log::default());
    let config = || patient(stage.member("g"));
    let hanging = first.doing(0, |_| pending());
    let kept = open(&bus, &kind, config(), hanging).await?;
    publish(&bus, &stage.events("found", 20)).await?;
    first
        .until("it hangs in one", |calls| !calls.seen.is_empty())
        .await?;
    drop(kept);
    let calls = first.look(|calls| calls.seen.len());
    let next = open(&bus, &kind, config(), second.noting(1)).await?;
    second.until_all(20).await?;
    first
        .never("the closed one gets another", |now| now.seen.len() > calls)
        .await?;
    drop(next);
    Ok(())
}

pub(super) async fn unsettled_goes_on_once(stage: Stage) -> Checked {
    unsettled_goes_on(stage.clone()).await?;
    settled_by_now(&stage, 1).await
}

/// Watches that whoever comes next in the group gets no more than so many events again: of those
/// that a member was at when it closed, it may have handled one that it could not settle.
async fn settled_by_now(stage: &Stage, closed: usize) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let config = stage.member("g").with_deduplication(false);
    let _next = open(&bus, &stage.kind("found"), config, log.noting(99)).await?;
    log.stays("what was handled comes again", |calls| {
        calls.numbers.len() > closed
    })
    .await
}

pub(super) async fn death(stage: Stage) -> Checked {
    let transport = Arc::new(Meddling::new(stage.transport().await?));
    let shared = Arc::clone(&transport);
    let dying = Bus::over(shared, &stage.settings.bus);
    let kind = stage.kind("found");
    let (first, second) = (Log::default(), Log::default());
    let hanging = first.doing(0, |_| pending());
    let kept = open(&dying, &kind, patient(stage.member("g")), hanging).await?;
    let bus = stage.bus().await?;
    publish(&bus, &stage.events("found", 20)).await?;
    first
        .until("it hangs in one", |calls| !calls.seen.is_empty())
        .await?;
    // It gives nothing back: only the end of the lease does.
    transport.die();
    drop((kept, dying));
    let _next = open(&bus, &kind, patient(stage.member("g")), second.noting(1)).await?;
    second.until_all(20).await
}

/// A computation that holds its thread until it is let go, or for as long as the patience lasts.
#[derive(Debug, Default)]
struct Computation {
    over: Mutex<bool>,
    ended: Condvar,
}

impl Computation {
    /// Computes: its task can be stopped by nobody, but other tasks are not held up.
    fn run(&self) {
        tokio::task::block_in_place(|| {
            let mut over = self.over.lock();
            while !*over {
                if self.ended.wait_for(&mut over, PATIENCE).timed_out() {
                    return;
                }
            }
        });
    }

    fn end(&self) {
        *self.over.lock() = true;
        self.ended.notify_all();
    }
}

pub(super) async fn in_a_computation(stage: Stage) -> Checked {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        let reason = "needs a runtime with several threads";
        return Err(crate::Verdict::NotApplicable(reason.to_owned()));
    }
    let (one, two) = (stage.bus().await?, stage.bus().await?);
    let kind = stage.kind("found");
    let (first, second) = (Log::default(), Log::default());
    let computation = Arc::new(Computation::default());
    let of_first = Arc::clone(&computation);
    let computing = first.doing(0, move |_| {
        let computation = Arc::clone(&of_first);
        async move {
            computation.run();
            Ok(())
        }
    });
    let kept = open(&one, &kind, patient(stage.member("g")), computing).await?;
    publish(&two, &stage.events("found", 20)).await?;
    first
        .until("it computes", |calls| !calls.seen.is_empty())
        .await?;
    drop(kept);
    // The next one may get the place in the group that the first had, and leaves it much to take.
    let gate = Arc::new(Semaphore::new(0));
    let of_second = Arc::clone(&gate);
    let waiting = second.doing(1, move |_| {
        let gate = Arc::clone(&of_second);
        async move {
            let permit = gate.acquire().await.map_err(HandlerError::retryable)?;
            permit.forget();
            Ok(())
        }
    });
    let _next = open(&two, &kind, patient(stage.member("g")), waiting).await?;
    second
        .until("the next one is at it", |calls| !calls.seen.is_empty())
        .await?;
    computation.end();
    first
        .never("the closed one gets another", |calls| calls.seen.len() > 1)
        .await?;
    gate.add_permits(1_000);
    second.until_all(20).await?;
    let report = in_time("draining", two.drain(PATIENCE)).await?;
    check(report.abandoned.is_empty(), || {
        format!(
            "expected nothing to be abandoned, saw {}",
            report.abandoned.len()
        )
    })
}

pub(super) async fn one_after_another(stage: Stage) -> Checked {
    closing_each(stage, || {}).await
}

pub(super) async fn one_after_another_in_computations(stage: Stage) -> Checked {
    // Most of the time one is at it when it is closed.
    closing_each(stage, || {
        let sum = (0..100_000_u64).fold(0, |sum: u64, n| {
            sum.wrapping_mul(31) ^ std::hint::black_box(n)
        });
        std::hint::black_box(sum);
    })
    .await
}

async fn closing_each(stage: Stage, compute: fn()) -> Checked {
    const EACH: u64 = 100;
    const CLOSED: usize = 4;
    let bus = stage.bus().await?;
    let kind = stage.kind("found");
    let log = Log::default();
    let mut kept = Vec::new();
    for who in 0..=CLOSED {
        let handler = log.doing(who, move |_| {
            compute();
            ready(Ok(()))
        });
        kept.push(open(&bus, &kind, patient(stage.member("g")), handler).await?);
    }
    let mut sent = 0;
    for closed in 0..CLOSED {
        let events: Vec<_> = (sent..sent + EACH)
            .map(|n| stage.event("found", n))
            .collect();
        sent += EACH;
        let (early, late) = events.split_at(50);
        publish(&bus, early).await?;
        drop(kept.remove(0));
        publish(&bus, late).await?;
        log.until_all(sent).await?;
        // It may still be at one that it had before: none of those that came later.
        let first_late = late.first().map_or(sent, |event| number(event));
        let strayed = log.look(|now| {
            let mut late = now.seen.iter().filter(|seen| seen.number() >= first_late);
            late.find(|seen| seen.who <= closed).map(Seen::number)
        });
        check(strayed.is_none(), || {
            format!("expected member {closed} to stop, saw it get the later event {strayed:?}")
        })?;
    }
    if stage.is_in_process() {
        check(bus.idle(PATIENCE).await, || {
            "expected everything to be settled, saw some that was not".to_owned()
        })?;
    } else {
        in_time("draining", bus.drain(PATIENCE)).await?;
    }
    drop(kept);
    settled_by_now(&stage, CLOSED).await
}
