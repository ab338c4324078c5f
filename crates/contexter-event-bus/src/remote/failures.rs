//! What went wrong with events that are at the broker again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::handler::FailureKind;

/// How many failed events are remembered, to date their dead letters and to say why they are
/// poison. What has not failed for longest is forgotten first: another consumer has it by then.
const REMEMBERED: usize = 10_000;

/// What went wrong with an event.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) first: Timestamp,
    pub(crate) kind: FailureKind,
    pub(crate) error: String,
}

/// The failures that this process has seen of events that are not settled, by their place.
#[derive(Debug, Default)]
pub(super) struct Failures {
    known: HashMap<Arc<str>, (u64, Failure)>,
    /// Longest ago first.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl Failures {
    /// Remembers a failure; the first one keeps its date.
    pub(super) fn note(&mut self, id: &Arc<str>, kind: FailureKind, error: String) {
        let number = self.next;
        self.next += 1;
        let before = self.remove(id);
        let first = before.map_or_else(Timestamp::now, |failure| failure.first);
        let failure = Failure { first, kind, error };
        self.known.insert(Arc::clone(id), (number, failure));
        self.order.insert(number, Arc::clone(id));
        if self.known.len() > REMEMBERED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Failure> {
        // Nearly always there are none, and then no name need be hashed.
        let (_, failure) = (!self.known.is_empty()).then(|| self.known.get(id))??;
        Some(failure)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Failure> {
        if self.known.is_empty() {
            return None;
        }
        let (number, failure) = self.known.remove(id)?;
        self.order.remove(&number);
        Some(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_longest_ago_makes_room_and_the_first_date_stays() {
        let mut failures = Failures::default();
        let id = |number: usize| Arc::from(format!("{number}"));
        let note = |failures: &mut Failures, number| {
            failures.note(
                &id(number),
                FailureKind::Retryable,
                format!("error {number}"),
            );
        };
        for number in 0..REMEMBERED {
            note(&mut failures, number);
        }
        let first = failures.get("0").unwrap().first;
        failures.note(&id(0), FailureKind::TimedOut, "again".to_owned());
        note(&mut failures, REMEMBERED);
        assert!(failures.get("1").is_none(), "it failed longest ago");
        let again = failures.get("0").unwrap();
        assert_eq!((again.first, &*again.error), (first, "again"));
        assert!(failures.remove("0").is_some() && failures.get("0").is_none());
        assert_eq!(failures.known.len(), REMEMBERED - 1);
        assert_eq!(failures.order.len(), REMEMBERED - 1);
    }
}
