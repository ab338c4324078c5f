//! Memory while a subscriber stands still, for each policy of a full queue.

use std::error::Error;
use std::future::pending;
use std::time::Duration;

use contexter_benches::{grouped, size, text};
use contexter_event_bus::{Bus, BusConfig, Delivery, Overflow, SubscriptionConfig};
use contexter_protocol::IntegrationEvent;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const EVENT_TYPE: &str = "document.ingested";
const CAPACITY: usize = 1_024;
/// The data of an event.
const BYTES: usize = 1_024;
/// How long a publisher who may have to wait is given.
const AT_MOST: Duration = Duration::from_secs(2);

/// Publishes to a handler that never ends, and prints by how much the process has grown.
pub(crate) fn print(runtime: &Runtime) -> Result<(), Box<dyn Error + Send + Sync>> {
    let count = size(100_000, 3_000);
    for overflow in [
        Overflow::Block,
        Overflow::Reject,
        Overflow::DropNewest,
        Overflow::DropOldest,
    ] {
        let before = resident();
        // Without the store, whose bound is its own.
        let bus = Bus::new(&BusConfig::default().with_store(0, 0));
        let published = runtime.block_on(async {
            let config = SubscriptionConfig::default().with_queue(CAPACITY, overflow);
            let stalled = |_: Delivery| pending();
            let subscription = bus.subscribe(EVENT_TYPE, config, stalled)?;
            let mut published = 0;
            let publishing = async {
                for number in 0..count {
                    let data = json!({ "number": number, "text": "x".repeat(BYTES) });
                    let event = IntegrationEvent::builder("bench", EVENT_TYPE).data(data);
                    bus.publish(event.build()?).await?;
                    published += 1;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            };
            if let Ok(ended) = timeout(AT_MOST, publishing).await {
                ended?;
            }
            let stats = subscription.stats();
            text::say(&format!(
                "stalled subscriber, {overflow:?}: {} of {} events of {BYTES} bytes published, {} \
                 wait, {} dropped, {} refused; resident memory grew by {} KiB",
                grouped(published),
                grouped(count),
                stats.waiting,
                stats.dropped,
                stats.rejected,
                resident().saturating_sub(before)
            ));
            Ok::<_, Box<dyn Error + Send + Sync>>(published)
        })?;
        assert!(published >= CAPACITY, "the queue is filled");
    }
    Ok(())
}

/// Returns the resident memory of this process in KiB; 0 where that is not known.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}
