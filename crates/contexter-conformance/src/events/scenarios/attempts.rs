//! Attempts: their numbers, their delays, and their ends.

use std::time::Duration;

use contexter_event_bus::HandlerError;
use futures_util::future::{pending, ready};

use crate::events::log::{Calls, Log, number};
use crate::events::stage::{Stage, open, publish};
use crate::verdict::{Checked, check, same};

pub(super) async fn numbers_rise(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let (base, longest) = (Duration::from_millis(10), Duration::from_millis(40));
    let five = stage.member("g").with_attempts(5, base, longest);
    let failing = log.doing(0, |delivery| {
        ready(if delivery.is_last_attempt() {
            Ok(())
        } else {
            Err(HandlerError::retryable("again"))
        })
    });
    let _kept = open(&bus, &stage.kind("found"), five, failing).await?;
    publish(&bus, &stage.events("found", 3)).await?;
    log.until("each is tried five times", |calls| {
        (0..3).all(|n| calls.attempts(n).len() >= 5)
    })
    .await?;
    for n in 0..3 {
        let attempts = log.look(|calls| calls.attempts(n));
        same("the attempt numbers", &attempts, &vec![1, 2, 3, 4, 5])?;
    }
    Ok(())
}

pub(super) async fn delayed(stage: Stage) -> Checked {
    const DELAY: Duration = Duration::from_millis(600);
    /// How much later it may come on a busy machine: much earlier than by the end of the lease.
    const LATE: Duration = Duration::from_secs(10);
    let bus = stage.bus().await?;
    let log = Log::default();
    let failing = log.doing(0, |delivery| {
        ready(match delivery.attempt() {
            1 => Err(HandlerError::retryable_after(DELAY, "later")),
            _ => Ok(()),
        })
    });
    // What was only forgotten comes back with the end of the lease.
    let config = stage.member("g").with_lease(LATE * 6);
    let _kept = open(&bus, &stage.kind("found"), config, failing).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    log.until("it comes again", |calls| calls.seen.len() >= 2)
        .await?;
    log.never("it comes once more", |calls| calls.seen.len() > 2)
        .await?;
    let between = log.look(|calls| {
        let mut times = calls.seen.iter().map(|seen| seen.at);
        times
            .next()
            .zip(times.next())
            .map(|(first, second)| second - first)
    });
    let between = between.unwrap_or_default();
    let latest = DELAY + LATE;
    check((DELAY..=latest).contains(&between), || {
        format!("expected the next attempt after {DELAY:?} to {latest:?}, saw it after {between:?}")
    })
}

pub(super) async fn hung(stage: Stage) -> Checked {
    const MANY: u64 = 4;
    let (one, two) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let later = Duration::from_millis(500);
    let config = || {
        stage
            .member("g")
            // None waits while others hang.
            .with_concurrency(4)
            .with_attempts(100, later, later)
            .with_handler_timeout(Duration::from_millis(300))
            .with_deduplication(false)
    };
    let kind = stage.kind("found");
    let hanging = log.doing(0, |_| pending());
    let hangs = open(&one, &kind, config(), hanging).await?;
    publish(&one, &stage.events("found", MANY)).await?;
    log.until("each comes once more after it hung", |calls| {
        (0..MANY).all(|n| calls.times(n) >= 2)
    })
    .await?;
    let _other = open(&two, &kind, config(), log.noting(1)).await?;
    drop(hangs);
    let elsewhere = |calls: &Calls, n| calls.by(1).filter(|one| one.number() == n).count();
    log.until("each is tried elsewhere", |calls| {
        (0..MANY).all(|n| elsewhere(calls, n) >= 1)
    })
    .await?;
    log.stays("what was handled comes again", |calls| {
        (0..MANY).any(|n| elsewhere(calls, n) > 1)
    })
    .await?;
    let first = log.look(|calls| calls.by(1).map(|one| one.attempt).min());
    check(first >= Some(2), || {
        format!("expected attempts that hung to count, saw the next as number {first:?}")
    })
}

pub(super) async fn panics(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, other) = (Log::default(), Log::default());
    let panicking = log.doing(0, |delivery| async move {
        let first = delivery.attempt() == 1;
        assert!(
            !(first && number(delivery.event()).is_multiple_of(2)),
            "as the scenario wants"
        );
        Ok(())
    });
    let kind = stage.kind("found");
    let kept = open(&bus, &kind, stage.member("g"), panicking).await?;
    let _other = open(&bus, &kind, stage.member("h"), other.noting(1)).await?;
    publish(&bus, &stage.events("found", 10)).await?;
    other.until_all(10).await?;
    log.until("what panicked is tried again", |calls| {
        (0..10).step_by(2).all(|n| calls.attempts(n) == [1, 2])
    })
    .await?;
    log.until_all(10).await?;
    same("failures that were counted", &kept.stats().failed, &5)
}
