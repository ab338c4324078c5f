//! Things that happen at the same time, and what a bus says about itself.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::TransportErrorKind;
use contexter_event_bus::{Capability, EventFilter, HandlerError, PublishError, RequestError};
use contexter_protocol::IntegrationEvent;
use futures_util::future::{pending, ready};

use crate::events::log::{Log, in_time, until};
use crate::events::stage::{Stage, broken, built, open, publish};
use crate::verdict::{Checked, check, same};

pub(super) async fn healthy(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let _kept = open(&bus, &stage.kind("found"), stage.alone(), log.noting(0)).await?;
    until("it is healthy", || async {
        bus.health().await.is_healthy()
    })
    .await
}

pub(super) async fn status_per_entry(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let bad = IntegrationEvent::builder("conformance", "no type").build();
    let bad = Arc::new(bad.map_err(broken)?);
    let events = vec![stage.event("found", 0), bad, stage.event("found", 2)];
    let answers = in_time("publishing", bus.publish_all(events.clone())).await?;
    same("answers", &answers.len(), &3)?;
    for (index, (answer, event)) in answers.iter().zip(&events).enumerate() {
        match answer {
            Ok(receipt) => {
                same("whether it may succeed", &(index != 1), &true)?;
                same("the event of the receipt", receipt.event(), event)?;
            }
            Err(PublishError::InvalidType { .. }) => same("which one is refused", &index, &1)?,
            Err(other) => return Err(broken(other)),
        }
    }
    Ok(())
}

pub(super) async fn blocked(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (stuck, free) = (Log::default(), Log::default());
    let kind = stage.kind("found");
    let hanging = stuck.doing(0, |_| pending());
    let _stuck = open(&bus, &kind, stage.member("stuck"), hanging).await?;
    let _free = open(&bus, &kind, stage.member("free"), free.noting(1)).await?;
    publish(&bus, &stage.events("found", 200)).await?;
    free.until_all(200).await?;
    // It may begin later than the other one ends.
    stuck
        .until("the blocked one is called", |calls| !calls.seen.is_empty())
        .await?;
    let calls = stuck.look(|calls| calls.seen.len());
    same("deliveries to the blocked one", &calls, &1)
}

pub(super) async fn at_the_same_time(stage: Stage) -> Checked {
    let (bus, lasting) = (stage.bus().await?, Log::default());
    let kind = stage.kind("found");
    let kept = open(&bus, &kind, stage.member("g"), lasting.noting(9)).await?;
    let publisher = {
        let (stage, bus) = (stage.clone(), bus.clone());
        tokio::spawn(async move {
            for n in 0..200 {
                publish(&bus, &[stage.event("found", n)]).await?;
            }
            Ok(())
        })
    };
    let come_and_go: Vec<_> = (0..4)
        .map(|who| {
            let (stage, bus, kind) = (stage.clone(), bus.clone(), kind.clone());
            tokio::spawn(async move {
                for round in 0..5_u64 {
                    let log = Log::default();
                    let config = stage.alone();
                    // Not waited for: it may be dropped while it is being made.
                    let one = bus
                        .subscribe(&kind, config, log.noting(who))
                        .map_err(broken)?;
                    if round.is_multiple_of(2) {
                        in_time("subscribing", one.ready()).await?.map_err(broken)?;
                    }
                    drop(one);
                }
                Ok(())
            })
        })
        .collect();
    for task in come_and_go.into_iter().chain([publisher]) {
        let ended: Result<Checked, _> = in_time("what happens at once", task).await?;
        ended.map_err(|panic| crate::Verdict::Fail(format!("it panicked: {panic}")))??;
    }
    lasting.until_all(200).await?;
    drop(kept);
    // Publishing and closing at once: each publication is answered.
    let publishing = (0..50).map(|n| {
        let (bus, event) = (bus.clone(), stage.event("found", 1_000 + n));
        tokio::spawn(async move { bus.publish(event).await.is_ok() })
    });
    let publishing: Vec<_> = publishing.collect();
    in_time("the drain", bus.drain(Duration::from_secs(5))).await?;
    for one in publishing {
        let ended = in_time("a publication", one).await?;
        ended.map_err(|panic| crate::Verdict::Fail(format!("it panicked: {panic}")))?;
    }
    Ok(())
}

pub(super) async fn output_first(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (inputs, outputs) = (Log::default(), Log::default());
    let _out = open(
        &bus,
        &stage.kind("output"),
        stage.member("out"),
        outputs.noting(1),
    )
    .await?;
    let handler = {
        let (stage, bus) = (stage.clone(), bus.clone());
        inputs.doing(0, move |delivery| {
            let (stage, bus) = (stage.clone(), bus.clone());
            async move {
                let n = crate::events::log::number(delivery.event());
                // The first try publishes what no bus takes, and so has failed.
                let tail = if delivery.attempt() == 1 {
                    "no type"
                } else {
                    "output"
                };
                let output = built(stage.builder(tail, n).caused_by(delivery.event()));
                bus.publish(output).await.map_err(HandlerError::retryable)?;
                Ok(())
            }
        })
    };
    // Nothing hides what is not acknowledged after all.
    let config = stage.member("in").with_deduplication(false);
    let _in = open(&bus, &stage.kind("input"), config, handler).await?;
    publish(&bus, &stage.events("input", 10)).await?;
    outputs.until_all(10).await?;
    inputs
        .until("each input was tried until its output was out", |calls| {
            (0..10).all(|n| calls.attempts(n) == [1, 2])
        })
        .await?;
    inputs
        .stays("an input comes again whose output is out", |calls| {
            calls.seen.len() > 20
        })
        .await
}

pub(super) async fn settlement(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let handler = log.doing(0, |delivery| {
        ready(match delivery.attempt() {
            1 => Err(HandlerError::retryable("again")),
            _ => Ok(()),
        })
    });
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), handler).await?;
    let within = Duration::from_secs(20);
    let settled = bus
        .publish_and_settle(stage.event("found", 1), within)
        .await
        .map_err(broken)?;
    same("whether it was handled", &settled.is_handled(), &true)?;
    same("attempts by then", &log.look(|calls| calls.seen.len()), &2)
}

pub(super) async fn unclaimed(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let can = bus.capabilities();
    if !can.has(Capability::Settlement) {
        let within = Duration::from_secs(1);
        let answer = bus
            .publish_and_settle(stage.event("found", 1), within)
            .await;
        check(
            matches!(answer, Err(PublishError::Unsupported { .. })),
            || format!("expected settling to be unsupported, saw {answer:?}"),
        )?;
    }
    let unsupported = |kind| kind == TransportErrorKind::Unsupported;
    if !can.has(Capability::Replay) {
        let answer = bus.history(&EventFilter::all()).await;
        check(
            answer
                .as_ref()
                .is_err_and(|error| unsupported(error.kind())),
            || format!("expected a replay to be unsupported, saw {answer:?}"),
        )?;
    }
    if !can.has(Capability::RequestReply) {
        let answer = bus
            .request(stage.event("ask", 1), Duration::from_secs(1))
            .await;
        let refused = matches!(&answer, Err(RequestError::Transport(e)) if unsupported(e.kind()));
        check(refused, || {
            format!("expected a request to be unsupported, saw {answer:?}")
        })?;
    }
    Ok(())
}
