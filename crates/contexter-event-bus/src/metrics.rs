//! What the bus tells the metrics recorder of the process.

use std::sync::Arc;

use metrics::{SharedString, counter, gauge};

use crate::bus::Bus;
use crate::queue::Queue;

/// Events by subscription and by what became of them (label `outcome`), a counter.
pub const EVENTS: &str = "contexter_event_bus_deliveries_total";
/// Published events, a counter.
pub const PUBLISHED: &str = "contexter_event_bus_published_total";
/// Events that wait or are being handled, by subscription, a gauge.
pub const PENDING: &str = "contexter_event_bus_pending";
/// Dead letters that are kept in process, a gauge.
pub const DEAD_LETTERS: &str = "contexter_event_bus_dead_letters";
/// Whether the connection of a subscription to its broker works (1) or not (0), a gauge.
pub const CONNECTED: &str = "contexter_event_bus_connected";

impl Bus {
    /// Tells the metrics recorder how the bus stands: call it before metrics are read.
    ///
    /// The bus counts by itself all the time; this only passes the counts on, so that publishing and
    /// handling cost nothing more.
    pub fn record_metrics(&self) {
        let stats = self.stats();
        counter!(PUBLISHED).absolute(stats.published);
        gauge!(DEAD_LETTERS).set(count(stats.dead_letters));
        for queue in self.inner.routes.read().queues() {
            record(queue);
        }
    }
}

fn record(queue: &Queue) {
    let name = SharedString::from(Arc::clone(&queue.name));
    let stats = queue.stats();
    for (outcome, number) in [
        ("delivered", stats.delivered),
        ("failed", stats.failed),
        ("dead_lettered", stats.dead_lettered),
        ("dropped", stats.dropped),
        ("rejected", stats.rejected),
        ("expired", stats.expired),
        ("duplicate", stats.duplicates),
        ("fenced", stats.fenced),
        ("abandoned", stats.abandoned),
    ] {
        counter!(EVENTS, "subscription" => name.clone(), "outcome" => outcome).absolute(number);
    }
    let pending = count(stats.waiting + stats.in_flight);
    gauge!(PENDING, "subscription" => name.clone()).set(pending);
    if let Some(remote) = &queue.remote {
        let connected = f64::from(u8::from(remote.health().is_up()));
        gauge!(CONNECTED, "subscription" => name).set(connected);
    }
}

#[expect(clippy::cast_precision_loss, reason = "no queue holds 2^52 events")]
fn count(number: usize) -> f64 {
    number as f64
}
