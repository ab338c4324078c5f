//! The last published events, bounded by number and by size.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::time::Instant;

use crate::config::BusConfig;
use crate::history::{EventFilter, Gap, History};
use crate::transport::Start;

/// The last published events. Their places are the numbers of publishing, from 1.
#[derive(Debug)]
pub(crate) struct EventStore {
    max_events: usize,
    max_bytes: usize,
    max_age: Option<Duration>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// With the memory that each takes.
    events: VecDeque<(Arc<IntegrationEvent>, usize)>,
    /// When each of them was stored, if that matters.
    times: VecDeque<Instant>,
    bytes: usize,
    evicted: u64,
    published: u64,
    without_subscriber: u64,
    last: Option<Timestamp>,
}

/// What a store says about itself.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) stored: usize,
    pub(crate) published: u64,
    pub(crate) without_subscriber: u64,
    pub(crate) last: Option<Timestamp>,
}

impl EventStore {
    pub(crate) fn new(config: &BusConfig) -> Self {
        Self {
            max_events: config.stored_events,
            max_bytes: config.stored_bytes,
            max_age: config.stored_age,
            kept: Mutex::default(),
        }
    }

    /// Counts and keeps a published event.
    pub(crate) fn record(&self, event: &Arc<IntegrationEvent>, wanted: bool) {
        let keeps = self.max_events > 0 && self.max_bytes > 0;
        let bytes = if keeps { size(event) } else { 0 };
        // Dropped when the lock is free again.
        let mut old = None;
        let mut kept = self.kept.lock();
        kept.published += 1;
        kept.without_subscriber += u64::from(!wanted);
        kept.last = event.time().or(kept.last);
        if !keeps {
            kept.evicted += 1;
            return;
        }
        if let Some(age) = self.max_age {
            let now = Instant::now();
            kept.forget_older_than(age, now);
            kept.times.push_back(now);
        }
        while kept.events.len() >= self.max_events || kept.bytes + bytes > self.max_bytes {
            match kept.evict() {
                Some(event) => old = Some(event),
                None => break,
            }
        }
        kept.events.push_back((Arc::clone(event), bytes));
        kept.bytes += bytes;
        if kept.bytes > self.max_bytes {
            // It is too large for any room.
            kept.evict();
        }
        drop(kept);
        drop(old);
    }

    /// Counts an event that a broker keeps.
    pub(crate) fn count(&self, event: &IntegrationEvent) {
        let mut kept = self.kept.lock();
        kept.published += 1;
        kept.last = event.time().or(kept.last);
    }

    /// Returns the stored events from a start on; none if it is now.
    pub(crate) fn from(&self, start: Start) -> Option<Vec<Arc<IntegrationEvent>>> {
        let filter = match start {
            Start::New => return None,
            Start::Earliest => EventFilter::all(),
            Start::At(time) => EventFilter::all().since(time),
        };
        Some(self.history(&filter).events)
    }

    /// Returns what is kept and not too old.
    fn current(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock();
        if let Some(age) = self.max_age {
            kept.forget_older_than(age, Instant::now());
        }
        kept
    }

    pub(crate) fn history(&self, filter: &EventFilter) -> History {
        let kept = self.current();
        let first = kept.evicted + 1;
        let from = match filter.wanted_after().map(str::parse::<u64>) {
            Some(Ok(after)) => after.saturating_add(1),
            // A place of another store says nothing about this one.
            Some(Err(_)) => 1,
            None => first,
        };
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut events = Vec::new();
        let mut last = None;
        let stored = kept.events.iter().map(|(event, _)| event);
        for (event, place) in stored.zip(first..).skip(skip) {
            if events.len() >= filter.wanted_limit() {
                break;
            }
            last = Some(place.to_string());
            if filter.wants(event) {
                events.push(Arc::clone(event));
            }
        }
        let lost_before = |since: Timestamp| {
            let oldest = kept.events.front().and_then(|(event, _)| event.time());
            kept.evicted > 0 && oldest.is_none_or(|oldest| oldest > since)
        };
        let missing = first.saturating_sub(from);
        let gap = (missing > 0).then_some(Some(missing)).or_else(|| {
            // What is gone may have been before the time or after it.
            filter
                .wanted_since()
                .is_some_and(lost_before)
                .then_some(None)
        });
        let oldest = (!kept.events.is_empty()).then(|| first.to_string());
        History::new(events)
            .with_gap(gap.map(|missing| Gap::new(missing, oldest)))
            .with_last(last.or_else(|| filter.wanted_after().map(str::to_owned)))
            .with_counts(kept.evicted, 0)
    }

    pub(crate) fn summary(&self) -> Summary {
        let kept = self.current();
        Summary {
            stored: kept.events.len(),
            published: kept.published,
            without_subscriber: kept.without_subscriber,
            last: kept.last,
        }
    }
}

impl Kept {
    fn evict(&mut self) -> Option<Arc<IntegrationEvent>> {
        let (event, bytes) = self.events.pop_front()?;
        self.times.pop_front();
        self.bytes -= bytes;
        self.evicted += 1;
        Some(event)
    }

    #[cold]
    fn forget_older_than(&mut self, age: Duration, now: Instant) {
        let is_old = |at: &Instant| now.duration_since(*at) > age;
        while self.times.front().is_some_and(is_old) {
            self.evict();
        }
    }
}

/// Estimates the memory of an event: its texts, and a fixed cost for each value.
fn size(event: &IntegrationEvent) -> usize {
    let attributes = [
        event.subject(),
        event.correlation_id(),
        event.causation_id(),
        event.partition_key(),
        event.data_ref(),
        event.trace_state(),
    ];
    let texts: usize = attributes.into_iter().flatten().map(str::len).sum();
    let extensions: usize = event
        .extensions()
        .iter()
        .map(|(name, value)| match value {
            contexter_protocol::ExtensionValue::String(text) => name.len() + text.len() + NODE,
            _ => name.len() + NODE,
        })
        .sum();
    size_of::<IntegrationEvent>()
        + event.id().len()
        + event.source().len()
        + event.event_type().len()
        + texts
        + extensions
        + data_size(event.data())
        + event.data_bytes().map_or(0, |bytes| bytes.as_ref().len())
}

/// What a value of JSON costs besides its text: the enum and its share of the map or vector.
const NODE: usize = 48;

fn data_size(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(data_size).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() + data_size(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
