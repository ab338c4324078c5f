//! An outbox whose relay dies at each of its steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::TransportError;
use contexter_event_bus::outbox::{MemoryOutbox, OutboxEntry, OutboxId, OutboxStore, Relay};
use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt as _;

use crate::events::log::{Calls, Log, in_time};
use crate::events::stage::{Stage, broken, built, open};
use crate::verdict::{Checked, check};

/// A store whose caller dies at a step, before or after it is done.
#[derive(Debug)]
struct Deadly {
    inside: MemoryOutbox,
    /// How many steps are made before the last, which is made and not told of.
    steps: AtomicU64,
}

impl Deadly {
    /// Returns whether the caller lives on after this step.
    fn lives(&self) -> bool {
        let left = self.steps.load(Ordering::SeqCst);
        if left > 0 {
            self.steps.store(left - 1, Ordering::SeqCst);
        }
        left != 1
    }

    /// The caller of this step hears of it, or never does.
    async fn told<T>(&self, outcome: T) -> T {
        if !self.lives() {
            std::future::pending::<()>().await;
        }
        outcome
    }
}

#[async_trait]
impl OutboxStore for Deadly {
    async fn append(&self, event: Arc<IntegrationEvent>) -> Result<OutboxId, TransportError> {
        self.inside.append(event).await
    }

    async fn lock(&self, _owner: &str, _lease: Duration) -> Result<bool, TransportError> {
        // As if the lease of the dead had run out at once.
        self.told(Ok(true)).await
    }

    async fn oldest(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, TransportError> {
        let entries = self.inside.oldest(after, limit).await;
        self.told(entries).await
    }

    async fn refuse(&self, id: OutboxId, reason: &str) -> Result<(), TransportError> {
        let refused = self.inside.refuse(id, reason).await;
        self.told(refused).await
    }

    async fn remove(&self, ids: &[OutboxId]) -> Result<(), TransportError> {
        if !self.lives() {
            // It dies before it is done here, and after it is done everywhere else.
            std::future::pending::<()>().await;
        }
        self.inside.remove(ids).await
    }
}

const KEYS: u64 = 4;
const EACH_LIFE: u64 = 20;

pub(super) async fn every_step(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let log = Log::default();
    let config = stage.member("g").with_deduplication(true);
    let _kept = open(&bus, &stage.kind("keyed"), config, log.noting(0)).await?;
    let store = Arc::new(Deadly {
        inside: MemoryOutbox::new(10_000),
        steps: AtomicU64::new(0),
    });
    let mut sent = 0;
    for step in 1..=12 {
        for n in sent..sent + EACH_LIFE {
            let builder = stage
                .builder("keyed", n)
                .partition_key((n % KEYS).to_string());
            store.append(built(builder)).await.map_err(broken)?;
        }
        sent += EACH_LIFE;
        store.steps.store(step, Ordering::SeqCst);
        let shared = Arc::clone(&store);
        let relay = Relay::new(shared, bus.clone());
        // It hangs at its last step, or it is through before.
        let life = tokio::time::timeout(Duration::from_secs(20), async {
            let mut run = Box::pin(relay.run_once());
            loop {
                if let Some(report) = (&mut run).now_or_never() {
                    return report.map(drop);
                }
                if store.steps.load(Ordering::SeqCst) == 0 {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        life.await
            .map_err(|_late| crate::Verdict::Fail("a relay neither ended nor died".to_owned()))?
            .map_err(broken)?;
    }
    store.steps.store(0, Ordering::SeqCst);
    let shared = Arc::clone(&store);
    let last = Relay::new(shared, bus.clone());
    while !store.inside.is_empty() {
        in_time("the last relay", last.run_once())
            .await?
            .map_err(broken)?;
    }
    log.until_all(sent).await?;
    let mut last: HashMap<u64, u64> = HashMap::new();
    for number in log.look(Calls::first_deliveries) {
        if let Some(before) = last.insert(number % KEYS, number) {
            check(before < number, || {
                format!("expected the order of a key, saw {number} after {before}")
            })?;
        }
    }
    log.never("a duplicate has an effect", |calls| {
        calls.seen.len() as u64 > sent
    })
    .await
}
