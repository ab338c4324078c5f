//! Attempts: their numbers, their delays, and their ends.

use std::time::Duration;

use contexter_event_bus::HandlerError;
use futures_util::future::{pending, ready};

use crate::events::log::{Log, number};
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
    let (one, two) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let config = || {
        stage
            .member("g")
            .with_handler_timeout(Duration::from_millis(300))
            .with_deduplication(false)
    };
    let kind = stage.kind("found");
    let mut kept = Vec::new();
    for (who, bus) in [&one, &two].into_iter().enumerate() {
        let hanging = log.doing(who, |delivery| async move {
            if delivery.attempt() == 1 {
                pending::<()>().await;
            }
            Ok(())
        });
        kept.push(open(bus, &kind, config(), hanging).await?);
    }
    publish(&one, &stage.events("found", 4)).await?;
    log.until("each comes once more after it hung", |calls| {
        (0..4).all(|n| calls.attempts(n).contains(&2))
    })
    .await?;
    log.stays("what was handled comes again", |calls| {
        (0..4).any(|n| calls.attempts(n).len() > 2)
    })
    .await
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
