//! The same with the brokers' plain clients, written as their documentation shows it.

mod nats;
mod redis;

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use parking_lot::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::broker::Kind;
use crate::numbered::share;
use crate::pace::{Pace, Side};
use crate::publisher::{BATCH, PAUSE, TASKS};

/// What the control has done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) unconfirmed: AtomicU64,
    pub(crate) arrived: AtomicU64,
    seen: Mutex<HashSet<u64>>,
}

impl Tally {
    pub(crate) fn handled(&self) -> u64 {
        self.seen.lock().len() as u64
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.seen.lock().contains(&number)
    }

    fn see(&self, number: u64) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().insert(number);
    }
}

/// The consumer of the control, which stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Consumer(JoinHandle<()>);

impl Drop for Consumer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes what the control needs at the broker, and begins to consume.
pub(crate) async fn consume(
    kind: Kind,
    server: SocketAddr,
    tally: &Arc<Tally>,
) -> Result<Consumer> {
    let url = kind.url(server);
    let tally = Arc::clone(tally);
    Ok(Consumer(match kind {
        Kind::Redis => tokio::spawn(async move { redis::consume(&url, &tally).await }),
        Kind::Nats => {
            nats::prepare(&url).await?;
            tokio::spawn(async move { nats::consume(&url, &tally).await })
        }
    }))
}

/// Publishes all numbers, each until it is confirmed.
pub(crate) async fn publish(
    kind: Kind,
    forwarder: SocketAddr,
    events: u64,
    pace: &Arc<Pace>,
    tally: &Arc<Tally>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (url, pace, tally) = (kind.url(forwarder), Arc::clone(pace), Arc::clone(tally));
        tasks.spawn(async move {
            match kind {
                Kind::Redis => {
                    publish_share(redis::Publisher::new(&url)?, events, task, &pace, &tally).await
                }
                Kind::Nats => {
                    let publisher = nats::Publisher::connect(&url).await;
                    publish_share(publisher, events, task, &pace, &tally).await
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Stores a batch at a broker.
trait Store: Send {
    /// Stores all of it, or fails without a word about which part was stored.
    fn store(&mut self, batch: &[u64]) -> impl Future<Output = Result<()>> + Send;
}

async fn publish_share(
    mut store: impl Store,
    events: u64,
    task: u64,
    pace: &Pace,
    tally: &Tally,
) -> Result<()> {
    let mut numbers: VecDeque<u64> = share(events, task, TASKS).collect();
    while !numbers.is_empty() {
        pace.wait(Side::Control).await;
        let batch: Vec<_> = numbers.iter().take(BATCH).copied().collect();
        match store.store(&batch).await {
            Ok(()) => {
                numbers.drain(..batch.len());
                pace.confirm(Side::Control, batch.len());
            }
            Err(_unconfirmed) => {
                let unconfirmed = u64::try_from(batch.len()).unwrap_or(u64::MAX);
                tally.unconfirmed.fetch_add(unconfirmed, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        }
    }
    Ok(())
}
