//! A broker that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contexter_event_bus::PublishError;
use tokio::time::{Instant, sleep};

use crate::events::log::{Log, PATIENCE, in_time, until};
use crate::events::stage::{Stage, insist, open, publish};
use crate::verdict::{Checked, check};

const PUBLISHERS: u64 = 100;
const EACH: u64 = 100;

pub(super) async fn reconnect(stage: Stage) -> Checked {
    let (bus, reading) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let kept = open(
        &reading,
        &stage.kind("found"),
        stage.member("g"),
        log.noting(0),
    )
    .await?;
    let confirmed = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (stage, bus) = (stage.clone(), bus.clone());
            let confirmed = Arc::clone(&confirmed);
            tokio::spawn(async move {
                for n in publisher * EACH..(publisher + 1) * EACH {
                    insist(&bus, &stage.event("found", n)).await?;
                    confirmed.fetch_add(1, Ordering::SeqCst);
                }
                Checked::Ok(())
            })
        })
        .collect();
    let many = PUBLISHERS * EACH;
    for part in [many / 3, many / 2] {
        until("publishing goes on", || {
            std::future::ready(confirmed.load(Ordering::SeqCst) >= part)
        })
        .await?;
        stage.fixture.restart().await?;
    }
    for publisher in publishers {
        let ended = tokio::time::timeout(PATIENCE * 3, publisher).await;
        ended
            .map_err(|_late| crate::Verdict::Fail("a publisher did not end".to_owned()))?
            .map_err(|panic| crate::Verdict::Fail(format!("a publisher panicked: {panic}")))??;
    }
    log.until_all(many).await?;
    until("the bus is healthy again", || async {
        reading.health().await.is_healthy()
    })
    .await?;
    drop(kept);
    Ok(())
}

/// How long the broker hangs: longer than a lease, and than any time limit.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) async fn paused(stage: Stage) -> Checked {
    let (bus, reading) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let kept = open(
        &reading,
        &stage.kind("found"),
        stage.member("g"),
        log.noting(0),
    )
    .await?;
    publish(&bus, &stage.events("found", 10)).await?;
    log.until_all(10).await?;
    stage.fixture.pause().await?;
    let begun = Instant::now();
    // What reaches it before the signal does may still be confirmed.
    let mut answers = Vec::new();
    while begun.elapsed() < PAUSE {
        let publication = bus.publish(stage.event("found", 10));
        let answer = in_time("publishing to a broker that hangs", publication).await;
        let failed = !matches!(answer, Ok(Ok(_)));
        answers.push(answer);
        if failed {
            break;
        }
    }
    sleep(PAUSE.saturating_sub(begun.elapsed())).await;
    stage.fixture.resume().await?;
    let last = answers
        .pop()
        .unwrap_or_else(|| Ok(Err(PublishError::Closed)))?;
    check(
        matches!(&last, Err(PublishError::Transport(error)) if error.kind().is_transient()),
        || format!("expected a transient error, saw {last:?}"),
    )?;
    for n in 11..21 {
        insist(&bus, &stage.event("found", n)).await?;
    }
    log.until("consumers go on by themselves", |calls| {
        (11..21).all(|n| calls.numbers.contains(&n))
    })
    .await?;
    until("the bus is healthy again", || async {
        reading.health().await.is_healthy()
    })
    .await?;
    drop(kept);
    Ok(())
}
