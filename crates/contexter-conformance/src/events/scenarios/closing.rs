//! Subscribers and publishers that end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, HandlerError, Overflow, PublishError};
use futures_util::future::{pending, ready, try_join_all};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::events::log::{Log, PATIENCE, in_time};
use crate::events::meddling::Meddling;
use crate::events::stage::{Stage, broken, open, publish};
use crate::verdict::{Checked, check};

/// How many attempts are more than any scenario makes.
const MANY_ATTEMPTS: u32 = 10_000;

/// Attempts are no limit.
pub(super) fn patient(
    config: contexter_event_bus::SubscriptionConfig,
) -> contexter_event_bus::SubscriptionConfig {
    let (base, longest) = (Duration::from_millis(10), Duration::from_millis(40));
    config.with_attempts(MANY_ATTEMPTS, base, longest)
}

pub(super) async fn rounds(stage: Stage) -> Checked {
    const MANY: u64 = 5_000;
    const BATCH: usize = 700;
    // Of what is not settled, so few that each round has a batch of its own.
    const HELD: usize = 200;
    let publisher = stage.bus().await?;
    let kind = stage.kind("found");
    // The group is there before anything is published.
    let log = Log::default();
    let config = || patient(stage.member("g")).with_queue(HELD, Overflow::Block);
    drop(open(&publisher, &kind, config(), log.noting(0)).await?);
    for chunk in stage.events("found", MANY).chunks(1_000) {
        publish(&publisher, chunk).await?;
    }
    for round in 1..=5 {
        // Another process each time, which dies without a word: it gives nothing back.
        let transport = Arc::new(Meddling::new(stage.transport().await?));
        let shared = Arc::clone(&transport);
        let bus = Bus::over(shared, &stage.settings.bus);
        // It is at an event when it dies, which it has not handled.
        let (stuck, mut is_stuck) = mpsc::channel(1);
        let (calls, noted) = (AtomicUsize::new(0), log.clone());
        let handler = move |delivery: Delivery| {
            let fits = calls.fetch_add(1, Ordering::Relaxed) < BATCH;
            if fits {
                noted.note(round, &delivery);
            }
            let stuck = stuck.clone();
            async move {
                if fits {
                    return Ok(());
                }
                let _told_before = stuck.try_send(());
                pending().await
            }
        };
        let kept = open(&bus, &kind, config(), handler).await?;
        in_time("a batch and one more", is_stuck.recv()).await?;
        transport.die();
        drop((kept, bus));
    }
    let bus = stage.bus().await?;
    let _kept = open(&bus, &kind, config(), log.noting(6)).await?;
    log.until_all(MANY).await
}

pub(super) async fn concurrent_close(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let kind = stage.kind("found");
    let log = Log::default();
    let closing = (0..10).map(|who| {
        let (stage, bus, kind, log) = (&stage, &bus, kind.as_str(), &log);
        async move {
            let kept = open(bus, kind, patient(stage.member("g")), log.noting(who)).await?;
            drop(kept);
            Checked::Ok(())
        }
    });
    in_time("opening and closing", try_join_all(closing)).await??;
    let _later = open(&bus, &kind, patient(stage.member("g")), log.noting(10)).await?;
    publish(&bus, &stage.events("found", 50)).await?;
    log.until_all(50).await
}

pub(super) async fn after_errors(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let kind = stage.kind("found");
    let healthy = Log::default();
    let config = || patient(stage.member("g"));
    let mut first = true;
    for who in 0..3 {
        let log = Log::default();
        let refusing = log.doing(who, |_| ready(Err(HandlerError::retryable("no"))));
        let kept = open(&bus, &kind, config(), refusing).await?;
        if std::mem::take(&mut first) {
            publish(&bus, &stage.events("found", 50)).await?;
        }
        log.until("it fails 100 times", |calls| calls.seen.len() >= 100)
            .await?;
        drop(kept);
    }
    let _kept = open(&bus, &kind, config(), healthy.noting(9)).await?;
    healthy.until_all(50).await
}

pub(super) async fn publisher_close(stage: Stage) -> Checked {
    const EACH: u64 = 500;
    let (publishing, reading) = (stage.bus().await?, stage.bus().await?);
    let log = Log::default();
    let kept = open(
        &reading,
        &stage.kind("found"),
        stage.member("g"),
        log.noting(0),
    )
    .await?;
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    let publishers: Vec<_> = (0..20)
        .map(|publisher| {
            let (stage, bus) = (stage.clone(), publishing.clone());
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                for n in publisher * EACH..(publisher + 1) * EACH {
                    match bus.publish(stage.event("found", n)).await {
                        Ok(_) => drop(acknowledged.lock().insert(n)),
                        Err(PublishError::Closed) => return Ok(()),
                        Err(PublishError::Transport(error)) if !stage.is_in_process() => {
                            // It was closed while this was on its way.
                            let _not_acknowledged = error;
                            return Ok(());
                        }
                        Err(error) => return Err(broken(error)),
                    }
                }
                Ok(())
            })
        })
        .collect();
    log.until("some events come", |calls| calls.numbers.len() >= 1_000)
        .await?;
    let report = in_time("draining", publishing.drain(PATIENCE)).await?;
    for publisher in publishers {
        let ended = in_time("publishing", publisher).await?;
        ended.map_err(|panic| crate::Verdict::Fail(format!("a publisher panicked: {panic}")))??;
    }
    check(report.abandoned.is_empty(), || {
        format!(
            "expected nothing to be abandoned, saw {}",
            report.abandoned.len()
        )
    })?;
    let acknowledged = acknowledged.lock().clone();
    log.until("everything acknowledged is delivered", |calls| {
        acknowledged.iter().all(|n| calls.numbers.contains(n))
    })
    .await?;
    drop(kept);
    Ok(())
}

/// A handler that gives its attempts away, and then succeeds or hangs.
fn giving_away(
    to: mpsc::UnboundedSender<Delivery>,
    hangs: bool,
) -> impl Fn(Delivery) -> futures_util::future::BoxFuture<'static, Result<(), HandlerError>> + Send + Sync
{
    move |delivery| {
        let _nobody_looks = to.send(delivery);
        if hangs {
            return Box::pin(pending());
        }
        Box::pin(ready(Ok(())))
    }
}

pub(super) async fn end_of_attempt(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (to, mut attempts) = mpsc::unbounded_channel();
    let settled = open(
        &bus,
        &stage.kind("settled"),
        stage.member("settled"),
        giving_away(to.clone(), false),
    )
    .await?;
    let hung = open(
        &bus,
        &stage.kind("hung"),
        stage.member("hung"),
        giving_away(to, true),
    )
    .await?;
    let mut next = async |kind: &str| -> Checked<Delivery> {
        publish(&bus, &[stage.event(kind, 1)]).await?;
        let came = in_time("a delivery", attempts.recv()).await?;
        came.ok_or_else(|| crate::Verdict::Fail("expected a delivery, saw the end".to_owned()))
    };
    let done = next("settled").await?;
    in_time("an attempt that was settled", done.over()).await?;
    let running = next("hung").await?;
    check(!running.is_over(), || {
        "expected a running attempt to go on, saw its signal".to_owned()
    })?;
    drop(hung);
    in_time("the attempt of a closed subscriber", running.over()).await?;
    drop(settled);
    Ok(())
}
