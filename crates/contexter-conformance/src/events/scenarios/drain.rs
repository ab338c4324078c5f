//! Draining a bus.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{HandlerError, PublishError, SubscribeError};
use futures_util::future::pending;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::events::log::{Log, PATIENCE, in_time, number, until};
use crate::events::stage::{Stage, open, publish};
use crate::verdict::{Checked, check, same};

/// How long after the call a drain has stopped the intake.
const STOPPED: Duration = Duration::from_millis(100);

pub(super) async fn report(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let publisher = stage.bus().await?;
    let (log, gate) = (Log::default(), Arc::new(Semaphore::new(0)));
    let slow = {
        let gate = Arc::clone(&gate);
        log.doing(0, move |delivery| {
            let gate = Arc::clone(&gate);
            async move {
                if number(delivery.event()) == 0 {
                    gate.acquire()
                        .await
                        .map_err(HandlerError::retryable)?
                        .forget();
                    return Ok(());
                }
                pending().await
            }
        })
    };
    let config = stage.member("g").with_concurrency(2);
    let _kept = open(&bus, &stage.kind("found"), config, slow).await?;
    publish(&publisher, &stage.events("found", 2)).await?;
    log.until_all(2).await?;
    let within = Duration::from_secs(2);
    let draining = tokio::spawn({
        let bus = bus.clone();
        async move { bus.drain(within).await }
    });
    sleep(STOPPED).await;
    let refused = bus.subscribe("x", stage.member("late"), Log::default().noting(9));
    check(matches!(refused, Err(SubscribeError::Closed)), || {
        format!("expected no more subscriptions while draining, saw {refused:?}")
    })?;
    let late = publisher.publish(stage.event("found", 2)).await;
    if stage.is_in_process() {
        check(matches!(late, Err(PublishError::Closed)), || {
            format!("expected no more events while draining, saw {late:?}")
        })?;
    }
    // The one ends by itself, the other never does.
    gate.add_permits(1);
    let report = in_time("the drain", draining).await?;
    let report = report.map_err(|panic| crate::Verdict::Fail(format!("it panicked: {panic}")))?;
    same("deliveries that came to an end", &report.settled, &1)?;
    let left: Vec<_> = report
        .abandoned
        .iter()
        .map(|one| number(&one.event))
        .collect();
    same("deliveries that were abandoned", &left, &vec![1])?;
    check(!log.look(|calls| calls.numbers.contains(&2)), || {
        "expected no delivery after the drain began, saw one".to_owned()
    })?;
    let closed = bus.publish(stage.event("found", 3)).await;
    check(matches!(closed, Err(PublishError::Closed)), || {
        format!("expected the bus to be closed, saw {closed:?}")
    })
}

pub(super) async fn publisher_last(stage: Stage) -> Checked {
    let (bus, reading) = (stage.bus().await?, stage.bus().await?);
    let (log, outputs) = (Log::default(), Log::default());
    let gate = Arc::new(Semaphore::new(0));
    let _out = open(
        &reading,
        &stage.kind("output"),
        stage.member("out"),
        outputs.noting(1),
    )
    .await?;
    let handler = {
        let (gate, stage, bus) = (Arc::clone(&gate), stage.clone(), bus.clone());
        log.doing(0, move |_| {
            let (gate, stage, bus) = (Arc::clone(&gate), stage.clone(), bus.clone());
            async move {
                gate.acquire()
                    .await
                    .map_err(HandlerError::retryable)?
                    .forget();
                bus.publish(stage.event("output", 7)).await?;
                Ok(())
            }
        })
    };
    let _kept = open(&bus, &stage.kind("input"), stage.member("in"), handler).await?;
    publish(&bus, &[stage.event("input", 1)]).await?;
    log.until("the handler is at it", |calls| !calls.seen.is_empty())
        .await?;
    let draining = tokio::spawn({
        let bus = bus.clone();
        async move { bus.drain(PATIENCE).await }
    });
    until("the drain has begun", || async { !bus.health().await.open }).await?;
    gate.add_permits(1);
    let report = in_time("the drain", draining).await?;
    let report = report.map_err(|panic| crate::Verdict::Fail(format!("it panicked: {panic}")))?;
    same(
        "deliveries that were abandoned",
        &report.abandoned.len(),
        &0,
    )?;
    outputs
        .until("what the handler published arrives", |calls| {
            calls.numbers.contains(&7)
        })
        .await
}
