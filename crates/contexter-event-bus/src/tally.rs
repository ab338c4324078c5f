//! What is counted by the name of a subscription, for as long as the bus lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::PublishError;
use crate::handler::FailureKind;
use crate::queue::{Queue, State};
use crate::stats::SubscriptionStats;

/// How many names are told apart. A program has dozens; one that makes up names must not fill the
/// memory, nor whoever keeps the metrics.
const MOST_NAMES: usize = 1_000;
/// The name under which the rest is counted together.
const OTHERS: &str = "others";

/// All tallies of a bus.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    by_name: Mutex<BTreeMap<Arc<str>, Arc<Tally>>>,
}

/// What the subscriptions of one name have done, beside what each that still is counts by itself.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    #[cfg(any(test, feature = "metrics"))]
    pub(crate) name: Arc<str>,
    /// What those have done that are no more.
    pub(crate) past: Mutex<SubscriptionStats>,
    /// How many dead letters there were of each kind.
    dead: [AtomicU64; FailureKind::ALL.len()],
    #[cfg(feature = "metrics")]
    pub(crate) times: crate::metrics::HandlingTimes,
}

impl Tallies {
    /// Returns the tally of a name.
    pub(crate) fn of(&self, name: &Arc<str>) -> Arc<Tally> {
        let mut by_name = self.by_name.lock();
        let others: Arc<str> = OTHERS.into();
        let known = by_name.contains_key(name);
        let name = if known || by_name.len() < MOST_NAMES {
            name
        } else {
            &others
        };
        let new = || {
            Arc::new(Tally {
                #[cfg(any(test, feature = "metrics"))]
                name: Arc::clone(name),
                ..Tally::default()
            })
        };
        Arc::clone(by_name.entry(Arc::clone(name)).or_insert_with(new))
    }

    #[cfg(any(test, feature = "metrics"))]
    pub(crate) fn all(&self) -> Vec<Arc<Tally>> {
        self.by_name.lock().values().cloned().collect()
    }

    /// Returns what the subscriptions have done that are no more.
    pub(crate) fn past(&self) -> SubscriptionStats {
        let mut past = SubscriptionStats::default();
        for tally in self.by_name.lock().values() {
            past += &*tally.past.lock();
        }
        past
    }
}

impl Tally {
    pub(crate) fn dead_lettered(&self, kind: FailureKind) {
        if let Some(count) = self.dead.get(kind as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many dead letters of each kind there were.
    #[cfg(feature = "metrics")]
    pub(crate) fn dead(&self) -> impl Iterator<Item = (FailureKind, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FailureKind::ALL
            .into_iter()
            .zip(self.dead.iter().map(count))
    }
}

/// Why publications failed, as it is counted.
const REASONS: [&str; 11] = [
    "closed",
    "invalid_type",
    "invalid_event",
    "unsupported",
    "unavailable",
    "unconfirmed",
    "too_large",
    "refused",
    "full",
    "protocol",
    "transport_closed",
];

/// How many publications failed.
#[derive(Debug, Default)]
pub(crate) struct PublishFailures([AtomicU64; REASONS.len()]);

impl PublishFailures {
    pub(crate) fn note(&self, error: &PublishError) {
        let reason = error.reason();
        let counts = REASONS.iter().zip(&self.0);
        for (_, count) in counts.filter(|(known, _)| **known == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many there were for each reason.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        REASONS.into_iter().zip(self.0.iter().map(count))
    }
}

impl State {
    /// Counts something that may come after the end of the queue.
    pub(crate) fn count(&mut self, tally: &Tally, add: impl Fn(&mut SubscriptionStats)) {
        add(&mut self.stats);
        if self.is_past {
            add(&mut tally.past.lock());
        }
    }

    fn stats_with(&self, trimmed: u64) -> SubscriptionStats {
        SubscriptionStats {
            trimmed,
            waiting: self.lanes.len(),
            in_flight: self.in_flight,
            ..self.stats.clone()
        }
    }
}

impl Queue {
    pub(crate) fn stats(&self) -> SubscriptionStats {
        let trimmed = self.trimmed();
        self.state.lock().stats_with(trimmed)
    }

    /// Counts what it has done with what is past; what comes after that counts there as well.
    pub(crate) fn become_past(&self) {
        let trimmed = self.trimmed();
        let mut state = self.state.lock();
        state.is_past = true;
        *self.tally.past.lock() += &state.stats_with(trimmed);
    }

    /// What the broker's consumer counts; it has locks of its own.
    fn trimmed(&self) -> u64 {
        self.remote.as_ref().map_or(0, |one| one.health().trimmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let tallies = Tallies::default();
        for number in 0..MOST_NAMES + 5 {
            let name: Arc<str> = format!("n{number}").into();
            tallies.of(&name).past.lock().delivered += 1;
        }
        let known = tallies.of(&"n7".into());
        assert_eq!((&*known.name, known.past.lock().delivered), ("n7", 1));
        let rest = tallies.of(&"n1003".into());
        assert_eq!((&*rest.name, rest.past.lock().delivered), (OTHERS, 5));
        assert_eq!(tallies.all().len(), MOST_NAMES + 1);
        assert_eq!(tallies.past().delivered, 1_005);
    }

    #[test]
    fn each_kind_of_failure_has_a_place_of_its_own() {
        for (place, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?}");
            let name = serde_json::to_value(kind).unwrap();
            assert_eq!(name, kind.as_str());
        }
    }
}
