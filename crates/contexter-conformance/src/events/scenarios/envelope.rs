//! What crosses the wire.

use std::sync::Arc;

use contexter_event_bus::PublishError;
use contexter_event_bus::transport::{RawMessage, TransportErrorKind};
use contexter_protocol::{IntegrationEvent, codec};
use jiff::{SignedDuration, Timestamp};

use crate::Verdict;
use crate::events::log::{Log, in_time, until};
use crate::events::stage::{Stage, built, open, publish};
use crate::verdict::{Checked, check, same};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) async fn context(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, steps) = (Log::default(), Log::default());
    let _last = open(
        &bus,
        &stage.kind("second"),
        stage.member("last"),
        steps.noting(1),
    )
    .await?;
    let next = {
        let (stage, bus) = (stage.clone(), bus.clone());
        log.doing(0, move |delivery| {
            let (stage, bus) = (stage.clone(), bus.clone());
            async move {
                let caused = stage.builder("second", 2).caused_by(delivery.event());
                bus.publish(built(caused)).await?;
                Ok(())
            }
        })
    };
    let _first = open(&bus, &stage.kind("first"), stage.member("first"), next).await?;
    let event = built(
        stage
            .builder("first", 1)
            .correlation_id("flow-1")
            .causation_id("request-1")
            .trace(PARENT, Some("vendor=size".to_owned())),
    );
    publish(&bus, &[Arc::clone(&event)]).await?;
    steps
        .until("the second step arrives", |calls| !calls.seen.is_empty())
        .await?;
    let (first, second) = (log.first()?, steps.first()?);
    same("the first step", &first, &event)?;
    same("its trace", &first.trace_parent(), &Some(PARENT))?;
    same(
        "the flow of the second",
        &second.correlation_id(),
        &Some("flow-1"),
    )?;
    same(
        "the cause of the second",
        &second.causation_id(),
        &Some(event.id()),
    )?;
    same(
        "the trace of the second",
        &second.trace_parent(),
        &Some(PARENT),
    )
}

fn rich(stage: &Stage) -> IntegrationEvent {
    let builder = stage
        .builder("found", 1)
        .subject("50 % \"größe\"\u{1F600} of it")
        .partition_key("ключ")
        .correlation_id("c 1")
        .causation_id("c%2")
        .trace(PARENT, Some("x=y".to_owned()))
        .expiry_time(Timestamp::now() + SignedDuration::from_hours(1))
        .data_schema("https://example.org/schema#a")
        .data_ref("blob/a%20b")
        .target_service("söhne & co")
        .extension("customer", "ACME & söhne")
        .extension("vip", "true");
    IntegrationEvent::clone(&built(builder))
}

async fn arrives(stage: &Stage, event: &IntegrationEvent) -> Checked {
    let log = Log::default();
    let bus = stage.bus().await?;
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    log.until("it arrives", |calls| !calls.seen.is_empty())
        .await?;
    let seen = log.first()?;
    same("what arrived", &*seen, event)
}

pub(super) async fn binary(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let event = rich(&stage);
    publish(&bus, &[Arc::new(event.clone())]).await?;
    arrives(&stage, &event).await?;
    // Data of another media type, and none at all.
    let bytes = stage.builder("bytes", 0).data(serde_json::Value::Null);
    let bytes = bytes.data_bytes("image/png", vec![0_u8, 255, 10, 13, 137]);
    let empty = stage.builder("bytes", 1).data(serde_json::Value::Null);
    let events = [built(bytes), built(empty)];
    let log = Log::default();
    let _kept = open(&bus, &stage.kind("bytes"), stage.member("h"), log.noting(0)).await?;
    publish(&bus, &events).await?;
    log.until("both arrive", |calls| calls.seen.len() >= 2)
        .await?;
    for (seen, sent) in log.look(|calls| calls.seen.clone()).iter().zip(&events) {
        same("what arrived", &seen.event, sent)?;
    }
    Ok(())
}

pub(super) async fn structured(stage: Stage) -> Checked {
    let event = rich(&stage);
    let encoded = codec::encode_structured(&event);
    let encoded = encoded.map_err(|error| Verdict::Fail(format!("cannot be encoded: {error}")))?;
    let headers = encoded
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let message = RawMessage::new(headers.collect(), encoded.body.to_vec());
    stage.fixture.store(&stage.kind("found"), &message).await?;
    arrives(&stage, &event).await
}

pub(super) async fn too_large(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let limit = bus.capabilities().max_payload().unwrap_or(usize::MAX);
    let large = built(stage.builder("found", 1).data("x".repeat(limit).into()));
    let events = vec![stage.event("found", 0), large, stage.event("found", 2)];
    let answers = in_time("publishing", bus.publish_all(events)).await?;
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(_) => None,
            Err(PublishError::Transport(error)) => Some(error.kind()),
            Err(_) => Some(TransportErrorKind::Protocol),
        })
        .collect();
    same(
        "what became of each",
        &kinds,
        &vec![None, Some(TransportErrorKind::TooLarge), None],
    )?;
    let health = bus.health().await.transport;
    same(
        "the connection",
        &(health.is_up(), health.reconnects),
        &(true, 0),
    )?;
    let log = Log::default();
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    log.until("the others arrive", |calls| calls.seen.len() >= 2)
        .await
}

pub(super) async fn expired(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), log.noting(0)).await?;
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    let future = Timestamp::now() + SignedDuration::from_hours(1);
    let events = [
        built(stage.builder("found", 0).expiry_time(past)),
        built(stage.builder("found", 1).expiry_time(future)),
    ];
    publish(&bus, &events).await?;
    log.until("what is of use is handled", |calls| {
        calls.numbers.contains(&1)
    })
    .await?;
    until("the other is counted", || {
        std::future::ready(kept.stats().expired == 1)
    })
    .await?;
    check(!log.look(|calls| calls.numbers.contains(&0)), || {
        "expected the expired event not to be handled, saw it".to_owned()
    })?;
    let letters = stage.letters(&bus, "g").await?.len();
    same("dead letters of it", &letters, &0)?;
    Ok(())
}
