//! Order within a key, and nothing between keys.

use std::collections::HashMap;
use std::sync::Arc;

use contexter_event_bus::{Delivery, HandlerError};
use contexter_protocol::IntegrationEvent;
use futures_util::future::ready;
use tokio::sync::Semaphore;

use crate::events::log::{Calls, Log};
use crate::events::stage::{Stage, built, open, publish};
use crate::verdict::{Checked, check, same};

fn keyed(stage: &Stage, key: &str, number: u64) -> Arc<IntegrationEvent> {
    built(stage.builder("keyed", number).partition_key(key))
}

/// Waits for a permit of the gate if `holds` says so.
fn gated(
    gate: &Arc<Semaphore>,
    holds: fn(u64) -> bool,
) -> impl Fn(Delivery) -> futures_util::future::BoxFuture<'static, Result<(), HandlerError>>
+ Send
+ Sync
+ 'static
+ use<> {
    let gate = Arc::clone(gate);
    move |delivery| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            if holds(crate::events::log::number(delivery.event())) {
                let permit = gate.acquire().await.map_err(HandlerError::retryable)?;
                permit.forget();
            }
            Ok(())
        })
    }
}

pub(super) async fn one_at_a_time(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, gate) = (Log::default(), Arc::new(Semaphore::new(0)));
    let config = stage.member("g").with_concurrency(4);
    let handler = log.doing(0, gated(&gate, |n| n == 1));
    let _kept = open(&bus, &stage.kind("keyed"), config, handler).await?;
    publish(&bus, &[keyed(&stage, "k", 1), keyed(&stage, "k", 2)]).await?;
    log.until("the first comes", |calls| calls.numbers.contains(&1))
        .await?;
    log.never("the second comes before the first is settled", |calls| {
        calls.numbers.contains(&2)
    })
    .await?;
    gate.add_permits(1);
    log.until("the second comes after it", |calls| {
        calls.numbers.contains(&2)
    })
    .await
}

pub(super) async fn slow_key(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let (log, gate) = (Log::default(), Arc::new(Semaphore::new(0)));
    let config = stage.member("g").with_concurrency(2);
    let handler = log.doing(0, gated(&gate, |n| n == 0));
    let _kept = open(&bus, &stage.kind("keyed"), config, handler).await?;
    let mut events = vec![keyed(&stage, "slow", 0), keyed(&stage, "slow", 1)];
    events.extend((2..52).map(|n| keyed(&stage, &format!("k{}", n % 5), n)));
    publish(&bus, &events).await?;
    log.until("all other keys are through while one hangs", |calls| {
        (2..52).all(|n| calls.numbers.contains(&n))
    })
    .await?;
    check(!log.look(|calls| calls.numbers.contains(&1)), || {
        "expected the slow key to hold its next event, saw it delivered".to_owned()
    })?;
    gate.add_permits(1);
    log.until_all(52).await
}

const KEYS: u64 = 16;
const MANY: u64 = 1_000;

async fn in_order(stage: &Stage, members: usize) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let mut kept = Vec::new();
    for who in 0..members {
        let config = stage.member("g").with_concurrency(4);
        // Some come to an end later than others, so that nothing is in order by chance.
        let handler = log.doing(who, |delivery| async move {
            if crate::events::log::number(delivery.event()).is_multiple_of(7) {
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        kept.push(open(&bus, &stage.kind("keyed"), config, handler).await?);
    }
    let events: Vec<_> = (0..MANY)
        .map(|n| keyed(stage, &(n % KEYS).to_string(), n))
        .collect();
    publish(&bus, &events).await?;
    log.until_all(MANY).await?;
    let mut last: HashMap<u64, u64> = HashMap::new();
    for number in log.look(Calls::first_deliveries) {
        if let Some(before) = last.insert(number % KEYS, number) {
            check(before < number, || {
                format!(
                    "expected the order of key {}, saw {number} after {before}",
                    number % KEYS
                )
            })?;
        }
    }
    Ok(())
}

pub(super) async fn per_key(stage: Stage) -> Checked {
    in_order(&stage, 1).await
}

pub(super) async fn across_members(stage: Stage) -> Checked {
    in_order(&stage, 10).await
}

pub(super) async fn first_deliveries(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let handler = log.doing(0, |delivery| {
        let fails = crate::events::log::number(delivery.event()).is_multiple_of(3);
        ready(if fails && delivery.attempt() < 3 {
            Err(HandlerError::retryable("some fail"))
        } else {
            Ok(())
        })
    });
    let _kept = open(&bus, &stage.kind("found"), stage.member("g"), handler).await?;
    publish(&bus, &stage.events("found", 120)).await?;
    log.until("those that fail come three times", |calls| {
        (0..120).step_by(3).all(|n| calls.attempts(n).contains(&3))
    })
    .await?;
    let order = log.look(Calls::first_deliveries);
    same("the order of first deliveries", &order, &(0..120).collect())
}
