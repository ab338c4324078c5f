//! What the bus tells the metrics recorder of the process.
//!
//! | metric | type | labels | is |
//! |---|---|---|---|
//! | [`PUBLISHED`] | counter | | published events |
//! | [`PUBLISH_FAILURES`] | counter | `reason` | publications that failed |
//! | [`EVENTS`] | counter | `subscription`, `outcome` | events by what became of them |
//! | [`DEAD_LETTERED`] | counter | `subscription`, `reason` | events that became dead letters |
//! | [`DEAD_LETTERS`] | gauge | | dead letters that are kept in process |
//! | [`DEAD_LETTERS_EVICTED`] | counter | | dead letters in process that made room for newer ones |
//! | [`PENDING`] | gauge | `subscription` | events that wait or are being handled in this process |
//! | [`CONNECTED`] | gauge | `subscription` | 1 if the connections to the broker work, otherwise 0 |
//! | [`HANDLING`] | histogram | `subscription`, `outcome` | how long attempts take, in seconds |
//!
//! All but the last are told by [`Bus::record_metrics`], from counts that the bus keeps anyway.
//! Handling times are told as they come, to the recorder that is installed when the first event of
//! a name has been handled.
//!
//! The label `subscription` is the [name](crate::SubscriptionConfig::name). What several
//! subscriptions of one name do is summed, and so is what those did that have ended: counters never
//! go back. At most 1,000 names are told apart in the life of a bus, and the rest is `others`. The
//! other labels have fixed sets:
//!
//! - `outcome` of events: `delivered`, `failed` (an attempt, whether or not it is tried again),
//!   `dead_lettered`, `dropped`, `rejected`, `expired`, `duplicate`, `fenced`, `abandoned`,
//!   `trimmed` (the broker had removed it), `untold` (the observer is too slow).
//! - `outcome` of attempts: `handled` or `failed`.
//! - `reason` of dead letters: the names of [`FailureKind`](crate::FailureKind).
//! - `reason` of publications: `closed`, `invalid_type`, `invalid_event`, `unsupported`,
//!   `unavailable`, `unconfirmed`, `too_large`, `refused`, `full`, `protocol`, `transport_closed`.
//!
//! What waits at a broker, and the dead letters there, are the broker's own metrics. Several buses
//! of one process tell the same names; give their subscriptions different ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Histogram, SharedString, counter, gauge, histogram};
use tokio::time::Instant;

use crate::bus::Bus;
use crate::queue::Queue;
use crate::stats::SubscriptionStats;
use crate::tally::Tally;

/// Events by subscription and by what became of them (label `outcome`), a counter.
pub const EVENTS: &str = "contexter_event_bus_deliveries_total";
/// Published events, a counter.
pub const PUBLISHED: &str = "contexter_event_bus_published_total";
/// Publications that failed, by `reason`, a counter.
pub const PUBLISH_FAILURES: &str = "contexter_event_bus_publish_failures_total";
/// Events that became dead letters, by subscription and `reason`, a counter.
pub const DEAD_LETTERED: &str = "contexter_event_bus_dead_lettered_total";
/// Events that wait or are being handled, by subscription, a gauge.
pub const PENDING: &str = "contexter_event_bus_pending";
/// Dead letters that are kept in process, a gauge.
pub const DEAD_LETTERS: &str = "contexter_event_bus_dead_letters";
/// Dead letters in process that made room for newer ones, a counter.
pub const DEAD_LETTERS_EVICTED: &str = "contexter_event_bus_dead_letters_evicted_total";
/// Whether the connections of a subscription to its broker work (1) or not (0), a gauge.
pub const CONNECTED: &str = "contexter_event_bus_connected";
/// How long attempts take, in seconds, by subscription and `outcome`, a histogram.
pub const HANDLING: &str = "contexter_event_bus_handling_seconds";

impl Bus {
    /// Tells the metrics recorder how the bus stands: call it before metrics are read.
    ///
    /// The bus counts by itself all the time; this only passes the counts on, so that publishing and
    /// handling cost nothing more.
    pub fn record_metrics(&self) {
        let stats = self.stats();
        counter!(PUBLISHED).absolute(stats.published);
        gauge!(DEAD_LETTERS).set(count(stats.dead_letters));
        counter!(DEAD_LETTERS_EVICTED).absolute(stats.dead_letters_evicted);
        for (reason, failures) in self.inner.ledger.publish_failures.counts() {
            counter!(PUBLISH_FAILURES, "reason" => reason).absolute(failures);
        }
        let mut names: BTreeMap<Arc<str>, Name> = BTreeMap::new();
        {
            // Under the lock, so that no queue is counted twice, or not at all, while it ends.
            let routes = self.inner.routes.read();
            for tally in self.inner.ledger.tallies.all() {
                let stats = tally.past.lock().clone();
                let name = Name::new(stats, &tally);
                names.insert(Arc::clone(&tally.name), name);
            }
            for queue in routes.queues() {
                if let Some(name) = names.get_mut(&queue.tally.name) {
                    name.add(queue);
                }
            }
        }
        for (name, stands) in names {
            stands.record(&SharedString::from(name));
        }
    }
}

/// How all subscriptions of one name stand.
struct Name {
    stats: SubscriptionStats,
    connected: Option<bool>,
    tally: Arc<Tally>,
}

impl Name {
    fn new(mut stats: SubscriptionStats, tally: &Arc<Tally>) -> Self {
        // What ended subscriptions had left does not wait any more.
        (stats.waiting, stats.in_flight) = (0, 0);
        Self {
            stats,
            connected: None,
            tally: Arc::clone(tally),
        }
    }

    fn add(&mut self, queue: &Queue) {
        self.stats += &queue.stats();
        if let Some(remote) = &queue.remote {
            let up = remote.health().is_up();
            self.connected = Some(self.connected.unwrap_or(true) && up);
        }
    }

    fn record(&self, name: &SharedString) {
        let stats = &self.stats;
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
            ("trimmed", stats.trimmed),
            ("untold", stats.untold),
        ] {
            counter!(EVENTS, "subscription" => name.clone(), "outcome" => outcome).absolute(number);
        }
        for (kind, number) in self.tally.dead() {
            let reason = kind.as_str();
            counter!(DEAD_LETTERED, "subscription" => name.clone(), "reason" => reason)
                .absolute(number);
        }
        let pending = count(stats.waiting + stats.in_flight);
        gauge!(PENDING, "subscription" => name.clone()).set(pending);
        if let Some(connected) = self.connected {
            let connected = f64::from(u8::from(connected));
            gauge!(CONNECTED, "subscription" => name.clone()).set(connected);
        }
    }
}

/// Where the handling times of one name go.
#[derive(Default)]
pub(crate) struct HandlingTimes(OnceLock<[Histogram; 2]>);

impl fmt::Debug for HandlingTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlingTimes").finish_non_exhaustive()
    }
}

impl HandlingTimes {
    fn record(&self, name: &Arc<str>, took: Duration, handled: bool) {
        let [of_handled, of_failed] = self.0.get_or_init(|| {
            let name = SharedString::from(Arc::clone(name));
            ["handled", "failed"].map(|outcome| {
                histogram!(HANDLING, "subscription" => name.clone(), "outcome" => outcome)
            })
        });
        let histogram = if handled { of_handled } else { of_failed };
        histogram.record(took);
    }
}

/// The times of the attempts of one worker.
///
/// An attempt that follows another one at once begins when that has ended, so that the clock is read
/// once for each.
#[derive(Default)]
pub(crate) struct Watch(Option<Instant>);

impl Watch {
    #[inline]
    pub(crate) fn start(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    #[inline]
    pub(crate) fn stop(&mut self, tally: &Tally, handled: bool) {
        let now = Instant::now();
        if let Some(began) = self.0.replace(now) {
            let took = now.duration_since(began);
            tally.times.record(&tally.name, took, handled);
        }
    }

    /// What comes next does not follow at once.
    #[inline]
    pub(crate) fn pause(&mut self) {
        self.0 = None;
    }
}

#[expect(clippy::cast_precision_loss, reason = "no queue holds 2^52 events")]
fn count(number: usize) -> f64 {
    number as f64
}
