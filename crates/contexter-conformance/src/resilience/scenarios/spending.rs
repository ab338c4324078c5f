//! What a call allocates when nobody listens.

use std::time::Duration;

use super::retry_attempts::optional;
use super::workbench::{Workbench, count_window, streak, time_window};
use crate::Unsupported;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::around::{FallbackSubject, Recovery, TimeoutSubject};
use crate::resilience::subjects::breaker::{BreakerSettings, BreakerSubject};
use crate::resilience::subjects::limit::{
    AdaptiveSettings, AdaptiveSubject, BulkheadSettings, BulkheadSubject, RateLimitSubject,
    RateSettings,
};
use crate::resilience::subjects::retry::{
    HedgeSettings, HedgeSubject, RetrySettings, RetrySubject,
};
use crate::resilience::suite::{Heap, Stand};
use crate::resilience::{Reply, Time};
use crate::verdict::{Checked, same};

const CALLS: u64 = 1_000;

/// The fewest allocations of several runs of many calls must be none. The fewest, because a
/// runtime or a harness may allocate now and then beside them.
fn allocates_nothing(
    what: &str,
    heap: Option<Heap>,
    mut call: impl FnMut() -> Result<Reply, Unsupported>,
) -> Checked {
    let heap = heap.ok_or_else(|| Unsupported::new("the suite was given no counters of memory"))?;
    drop(call()?);
    let mut fewest = u64::MAX;
    for _ in 0..5 {
        let before = (heap.allocations)();
        for _ in 0..CALLS {
            drop(call()?);
        }
        fewest = fewest.min((heap.allocations)() - before);
    }
    same(
        &format!("allocations of {CALLS} calls, {what}"),
        &fewest,
        &0,
    )
}

pub(super) fn breaker(stand: &Stand<BreakerSettings, dyn BreakerSubject>) -> Checked {
    let windows = [
        ("a streak", streak(5)),
        ("a window of calls", count_window(100, 10, 0.5)),
        (
            "a window of time",
            time_window(Duration::from_secs(10), 10, 0.5),
        ),
    ];
    for (what, settings) in windows {
        let Some(bench) = optional(Workbench::new(stand, &settings))? else {
            continue;
        };
        let op = Op::quiet(&bench.time);
        allocates_nothing(&format!("closed, {what}"), stand.heap, || {
            bench.breaker.at_once(&op)
        })?;
        for _ in 0..100 {
            bench.go(Step::fail())?;
        }
        allocates_nothing(&format!("open, {what}"), stand.heap, || {
            bench.breaker.at_once(&op)
        })?;
    }
    Ok(())
}

pub(super) fn retry(stand: &Stand<RetrySettings, dyn RetrySubject>) -> Checked {
    let (retry, time) = stand.make(&RetrySettings::default())?;
    let op = Op::quiet(&time);
    allocates_nothing("that succeed at once", stand.heap, || retry.at_once(&op))
}

pub(super) fn hedge(stand: &Stand<HedgeSettings, dyn HedgeSubject>) -> Checked {
    let (hedge, time) = stand.make(&HedgeSettings::default())?;
    let op = Op::quiet(&time);
    allocates_nothing("that succeed at once", stand.heap, || hedge.at_once(&op))
}

pub(super) fn bulkhead(stand: &Stand<BulkheadSettings, dyn BulkheadSubject>) -> Checked {
    let (bulkhead, time) = stand.make(&BulkheadSettings::default())?;
    let op = Op::quiet(&time);
    allocates_nothing("with a place free", stand.heap, || bulkhead.at_once(&op))
}

pub(super) fn rate_limit(stand: &Stand<RateSettings, dyn RateLimitSubject>) -> Checked {
    let (limit, time): (_, Time) = stand.make(&RateSettings {
        limit: 1_000,
        ..RateSettings::default()
    })?;
    let op = Op::quiet(&time);
    // The first are within the rate, the rest are refused.
    allocates_nothing("within the rate and beyond", stand.heap, || {
        limit.at_once(&op)
    })
}

pub(super) fn adaptive(stand: &Stand<AdaptiveSettings, dyn AdaptiveSubject>) -> Checked {
    let (limit, time) = stand.make(&AdaptiveSettings::default())?;
    let op = Op::quiet(&time);
    allocates_nothing("within the limit", stand.heap, || limit.at_once(&op))
}

pub(super) fn timeout(stand: &Stand<Duration, dyn TimeoutSubject>) -> Checked {
    let (timeout, time) = stand.make(&Duration::from_secs(5))?;
    let op = Op::quiet(&time);
    allocates_nothing("ready at once", stand.heap, || timeout.at_once(&op))
}

pub(super) fn fallback(stand: &Stand<Recovery, dyn FallbackSubject>) -> Checked {
    let time = Time::new();
    let recovery = Recovery::new(Op::new(&time, Step::ok()));
    let fallback = stand.build(&recovery, &time)?;
    let op = Op::quiet(&time);
    allocates_nothing("that succeed", stand.heap, || fallback.at_once(&op))
}
