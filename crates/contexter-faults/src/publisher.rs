//! The publisher on the bus: every event until it is confirmed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use contexter_event_bus::{Bus, PublishError};
use contexter_protocol::IntegrationEvent;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::numbered::{event, share};
use crate::pace::{Pace, Side};

/// How many publish at the same time.
pub(crate) const TASKS: u64 = 4;
/// How many events go together.
pub(crate) const BATCH: usize = 50;
/// The pause after a failure.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// What publishing came to.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Answers that were no confirmation; each of these was published again.
    pub(crate) unconfirmed: AtomicU64,
    /// Confirmations that say that the broker had the event already.
    pub(crate) recognised: AtomicU64,
}

/// Publishes all numbers, each until it is confirmed, those of one key in their order.
pub(crate) async fn publish(
    bus: &Bus,
    events: u64,
    pace: &Arc<Pace>,
    published: &Arc<Published>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (bus, pace, published) = (bus.clone(), Arc::clone(pace), Arc::clone(published));
        tasks.spawn(async move { publish_share(&bus, events, task, &pace, &published).await });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn publish_share(
    bus: &Bus,
    events: u64,
    task: u64,
    pace: &Pace,
    published: &Published,
) -> Result<()> {
    let mut numbers = share(events, task, TASKS);
    // What is still to be confirmed goes before what is new, so that each key keeps its order.
    let mut waiting: VecDeque<Arc<IntegrationEvent>> = VecDeque::new();
    loop {
        while waiting.len() < BATCH
            && let Some(number) = numbers.next()
        {
            waiting.push_back(event(number)?);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        pace.wait(Side::Bus).await;
        let batch: Vec<_> = waiting.drain(..).collect();
        let sent = batch.len();
        let answers = bus.publish_all(batch.clone()).await;
        for (event, answer) in batch.into_iter().zip(answers) {
            match answer {
                Ok(receipt) => {
                    let known = receipt.confirmation().is_some_and(|one| one.duplicate);
                    published
                        .recognised
                        .fetch_add(u64::from(known), Ordering::Relaxed);
                }
                Err(PublishError::Transport(error)) if error.kind().is_transient() => {
                    waiting.push_back(event);
                }
                Err(error) => bail!("event {} cannot be published: {error}", event.id()),
            }
        }
        pace.confirm(Side::Bus, sent - waiting.len());
        if !waiting.is_empty() {
            let unconfirmed = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            published
                .unconfirmed
                .fetch_add(unconfirmed, Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    }
}
