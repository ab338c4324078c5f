//! Who gets what.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::Start;
use contexter_event_bus::{HandlerError, Subscription};
use futures_util::future::{join_all, ready, try_join_all};

use crate::events::log::{Calls, Log, number};
use crate::events::stage::{Stage, built, open, publish};
use crate::verdict::{Checked, check, same};

pub(super) async fn publish_subscribe(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let events: Vec<_> = (0..100)
        .map(|n| {
            let builder = stage.builder("found", n).subject(format!("part {n}"));
            built(builder.extension("place", format!("nº {n}")))
        })
        .collect();
    let (early, late) = events.split_at(50);
    publish(&bus, early).await?;
    let log = Log::default();
    let config = stage.member("g");
    let subscription = open(&bus, &stage.kind("found"), config, log.noting(0)).await?;
    publish(&bus, late).await?;
    log.until_all(100).await?;
    let all_equal = |calls: &Calls| {
        let sent = |seen: &crate::events::log::Seen| {
            let index = usize::try_from(seen.number()).unwrap_or(usize::MAX);
            events
                .get(index)
                .is_some_and(|event| **event == *seen.event)
        };
        calls
            .seen
            .iter()
            .find(|seen| !sent(seen))
            .map(|seen| format!("{:?}", seen.event))
    };
    if let Some(other) = log.look(all_equal) {
        return check(false, || {
            format!("expected events as published, saw {other}")
        });
    }
    drop(subscription);
    publish(&bus, &[stage.event("found", 100)]).await?;
    log.never("an event comes after the end", |calls| {
        calls.numbers.contains(&100)
    })
    .await
}

pub(super) async fn concurrent_members(stage: Stage) -> Checked {
    const EACH: u64 = 100;
    let bus = stage.bus().await?;
    let log = Log::default();
    let kind = stage.kind("found");
    let members = (0..50).map(|who| open(&bus, &kind, stage.member("g"), log.noting(who)));
    let members: Vec<Subscription> = try_join_all(members).await?;
    let publishers = (0..50).map(|publisher| {
        let (stage, bus) = (stage.clone(), bus.clone());
        async move {
            for n in publisher * EACH..(publisher + 1) * EACH {
                publish(&bus, &[stage.event("found", n)]).await?;
            }
            Checked::Ok(())
        }
    });
    try_join_all(publishers).await?;
    log.until_all(50 * EACH).await?;
    drop(members);
    Ok(())
}

pub(super) async fn many_types(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let mut open_ones = Vec::new();
    for topic in 0..20 {
        let log = Log::default();
        let kind = stage.kind(&format!("topic.t{topic}"));
        open_ones.push((
            open(&bus, &kind, stage.alone(), log.noting(topic)).await?,
            log,
            kind,
        ));
    }
    let publishing = open_ones.iter().map(|(_, _, kind)| {
        // An id is unique within its source, so each type has a source of its own.
        let events: Vec<_> = (0..50)
            .map(|n| {
                let builder = contexter_protocol::IntegrationEvent::builder(kind.as_str(), kind);
                built(
                    builder
                        .id(n.to_string())
                        .data(serde_json::json!({ "n": n })),
                )
            })
            .collect();
        let bus = bus.clone();
        async move { publish(&bus, &events).await }
    });
    try_join_all(publishing).await?;
    for (_, log, kind) in &open_ones {
        log.until_all(50).await?;
        let foreign = |calls: &Calls| {
            calls
                .seen
                .iter()
                .any(|seen| seen.event.event_type() != kind)
        };
        check(!log.look(foreign), || {
            format!("expected only {kind}, saw another type")
        })?;
    }
    Ok(())
}

pub(super) async fn resend_on_error(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let fail_twice = log.doing(0, |delivery| {
        ready(match delivery.attempt() {
            1 | 2 => Err(HandlerError::retryable("not yet")),
            _ => Ok(()),
        })
    });
    let kept = open(&bus, &stage.kind("found"), stage.member("g"), fail_twice).await?;
    publish(&bus, &stage.events("found", 100)).await?;
    log.until("every event is delivered three times", |calls| {
        (0..100).all(|n| calls.attempts(n).contains(&3))
    })
    .await?;
    drop(kept);
    Ok(())
}

pub(super) async fn isolation(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (one, two) = (Log::default(), Log::default());
    let _one = open(&bus, &stage.kind("one"), stage.alone(), one.noting(1)).await?;
    let _two = open(&bus, &stage.kind("two"), stage.alone(), two.noting(2)).await?;
    publish(&bus, &[stage.event("one", 1), stage.event("two", 2)]).await?;
    one.until("the first arrives", |calls| calls.numbers.contains(&1))
        .await?;
    two.until("the second arrives", |calls| calls.numbers.contains(&2))
        .await?;
    let both = |calls: &Calls| calls.numbers.len() > 1;
    one.never("an event of the other type comes", both).await?;
    two.never("an event of the other type comes", both).await
}

pub(super) async fn many_handlers(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let mut kept = Vec::new();
    for who in 0..5 {
        let kind = stage.kind(&format!("kind.k{who}"));
        kept.push(open(&bus, &kind, stage.alone(), log.noting(who)).await?);
    }
    let events: Vec<_> = (0..50)
        .map(|n| stage.event(&format!("kind.k{}", n % 5), n))
        .collect();
    publish(&bus, &events).await?;
    log.until_all(50).await?;
    let strayed = log.look(|calls| {
        let stray = calls
            .seen
            .iter()
            .find(|seen| seen.number() % 5 != seen.who as u64);
        stray.map(|seen| (seen.number(), seen.who))
    });
    same("an event at another handler", &strayed, &None)
}

pub(super) async fn late_group(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (first, late) = (Log::default(), Log::default());
    let kind = stage.kind("found");
    let kept = open(&bus, &kind, stage.member("first"), first.noting(0)).await?;
    publish(&bus, &stage.events("found", 50)).await?;
    first.until_all(50).await?;
    let _late = open(&bus, &kind, stage.member("late"), late.noting(1)).await?;
    late.until_all(50).await?;
    let order = late.look(Calls::first_deliveries);
    drop(kept);
    same("the order of the past", &order, &(0..50).collect())
}

pub(super) async fn groups(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (shared, other) = (Log::default(), Log::default());
    let kind = stage.kind("found");
    // Nothing hides what is delivered twice, and nothing comes again because it took long.
    let member = |group: &str| {
        let config = stage.member(group).with_deduplication(false);
        config.with_lease(Duration::from_mins(1))
    };
    let mut kept = Vec::new();
    for who in 0..3 {
        kept.push(open(&bus, &kind, member("shared"), shared.noting(who)).await?);
    }
    kept.push(open(&bus, &kind, member("other"), other.noting(9)).await?);
    publish(&bus, &stage.events("found", 200)).await?;
    shared.until_all(200).await?;
    other.until_all(200).await?;
    let twice = |calls: &Calls| calls.seen.len() > 200;
    shared.never("an event goes to two members", twice).await?;
    other
        .never("an event comes twice to the other group", twice)
        .await
}

pub(super) async fn fan_out_of_the_past(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let kind = stage.kind("found");
    publish(&bus, &stage.events("found", 20)).await?;
    let logs: Vec<_> = (0..3).map(|_| Log::default()).collect();
    let mut kept = Vec::new();
    for (who, log) in logs.iter().enumerate() {
        let config = stage.alone().with_start(Start::Earliest);
        kept.push(open(&bus, &kind, config, log.noting(who)).await?);
    }
    let late: Vec<_> = (20..40).map(|n| stage.event("found", n)).collect();
    publish(&bus, &late).await?;
    for log in &logs {
        log.until_all(40).await?;
        let order = log.look(Calls::first_deliveries);
        same("what came, in its order", &order, &(0..40).collect())?;
    }
    drop(kept);
    Ok(())
}

pub(super) async fn fan_out(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    publish(&bus, &[stage.event("found", 99)]).await?;
    let logs: Vec<_> = (0..3).map(|_| Log::default()).collect();
    let kind = stage.kind("found");
    let subscribing = logs
        .iter()
        .enumerate()
        .map(|(who, log)| open(&bus, &kind, stage.alone(), log.noting(who)));
    let kept: Vec<_> = join_all(subscribing).await;
    let kept: Vec<Subscription> = kept.into_iter().collect::<Checked<_>>()?;
    let events = stage.events("found", 20);
    publish(&bus, &events).await?;
    for log in &logs {
        log.until_all(20).await?;
        let order = log.look(Calls::first_deliveries);
        let sent: Vec<_> = events.iter().map(|event| number(event)).collect();
        same("what came, in its order", &order, &sent)?;
    }
    drop((kept, Arc::clone(&stage.fixture)));
    Ok(())
}
