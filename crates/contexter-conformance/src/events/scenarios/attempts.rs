//! Attempts: their numbers, their delays, and their ends.

use std::time::Duration;

use contexter_event_bus::{HandlerError, Overflow};
use futures_util::future::{pending, ready};
use tokio::time::sleep;

use crate::events::log::{Log, number};
use crate::events::stage::{LEASE, Stage, open, publish};
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
    let bus = stage.bus().await?;
    let log = Log::default();
    let failing = log.doing(0, |delivery| {
        ready(match delivery.attempt() {
            1 => Err(HandlerError::retryable_after(DELAY, "later")),
            _ => Ok(()),
        })
    });
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), failing).await?;
    publish(&bus, &stage.events("found", 1)).await?;
    log.until("it comes again", |calls| calls.seen.len() >= 2)
        .await?;
    let between = log.look(|calls| {
        let mut times = calls.seen.iter().map(|seen| seen.at);
        times
            .next()
            .zip(times.next())
            .map(|(first, second)| second - first)
    });
    let between = between.unwrap_or_default();
    check(between >= DELAY, || {
        format!("expected the next attempt after {DELAY:?}, saw it after {between:?}")
    })
}

pub(super) async fn longer_than_the_lease(stage: Stage) -> Checked {
    let (one, two) = (stage.bus().await?, stage.bus().await?);
    let (log, ends) = (Log::default(), Log::default());
    // With no room for more, the one that is at it would not get it again, but the other would.
    let config = || stage.member("g").with_queue(1, Overflow::Block);
    let mut kept = Vec::new();
    for (who, bus) in [&one, &two].into_iter().enumerate() {
        let ends = ends.clone();
        let slow = log.doing(who, move |delivery| {
            let ends = ends.clone();
            async move {
                sleep(LEASE * 5 / 2).await;
                ends.note(who, &delivery);
                Ok(())
            }
        });
        kept.push(open(bus, &stage.kind("found"), config(), slow).await?);
    }
    publish(&one, &stage.events("found", 1)).await?;
    ends.until("the handler comes to its end", |calls| {
        !calls.seen.is_empty()
    })
    .await?;
    let deliveries = log.look(|calls| calls.seen.len());
    same("deliveries while the handler lived", &deliveries, &1)?;
    log.never("it is delivered again", |calls| calls.seen.len() > 1)
        .await
}

pub(super) async fn hung(stage: Stage) -> Checked {
    let (one, two) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let config = || {
        stage
            .member("g")
            .with_handler_timeout(Duration::from_millis(300))
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
    log.never("what was handled comes again", |calls| {
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
