//! A broker that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::PublishError;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Verdict;
use crate::events::log::{Log, in_time, until, until_grown};
use crate::events::stage::{Stage, insist, open, publish};
use crate::verdict::{Checked, check};

const PUBLISHERS: u64 = 100;
const EACH: u64 = 100;
const MANY: usize = 10_000;

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
    let confirmed = Arc::new(AtomicUsize::new(0));
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (stage, bus) = (stage.clone(), bus.clone());
        let confirmed = Arc::clone(&confirmed);
        publishers.spawn(async move {
            for n in publisher * EACH..(publisher + 1) * EACH {
                let answer = insist(&bus, &stage.event("found", n)).await;
                // Whoever waits need not wait for one that has given up.
                let more = if answer.is_ok() { 1 } else { MANY };
                confirmed.fetch_add(more, Ordering::SeqCst);
                answer?;
            }
            Checked::Ok(())
        });
    }
    let so_far = || confirmed.load(Ordering::SeqCst);
    for part in [MANY / 3, MANY / 2] {
        until_grown("publishing goes on", part, so_far).await?;
        stage.fixture.restart().await?;
    }
    until_grown("everything is confirmed", MANY, so_far).await?;
    while let Some(ended) = in_time("a publisher", publishers.join_next()).await? {
        ended.map_err(|panic| Verdict::Fail(format!("a publisher panicked: {panic}")))??;
    }
    if let Err(Verdict::Fail(missing)) = log.until_all(PUBLISHERS * EACH).await {
        let health = reading.health().await;
        return Err(Verdict::Fail(format!("{missing}; the bus says {health:?}")));
    }
    until("the bus is healthy again", || async {
        reading.health().await.is_healthy()
    })
    .await?;
    drop(kept);
    Ok(())
}

/// How long the broker hangs at least: longer than a lease, and than any time limit.
const PAUSE: Duration = Duration::from_secs(10);

/// How much later than the transport promises a publication may fail on a busy machine.
const LATE: Duration = Duration::from_secs(8);

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
    let mut took = Duration::ZERO;
    while begun.elapsed() < PAUSE {
        let asked = Instant::now();
        let publication = bus.publish(stage.event("found", 10));
        let answer = in_time("publishing to a broker that hangs", publication).await;
        let failed = !matches!(answer, Ok(Ok(_)));
        took = asked.elapsed();
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
    let promised = stage.settings.publish_within;
    check(took <= promised + LATE, || {
        format!("expected the publication to fail within {promised:?}, saw it after {took:?}")
    })?;
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
