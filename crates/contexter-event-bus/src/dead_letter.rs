//! Events that a handler could not handle.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::handler::FailureKind;

/// Names a dead letter of one bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DeadLetterId(u64);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event that a handler could not handle, with what is known about it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The name of the dead letter.
    pub id: DeadLetterId,
    /// The event as it was published.
    pub event: Arc<IntegrationEvent>,
    /// The name of the subscription whose handler failed.
    pub subscription: Arc<str>,
    /// How often the handler was tried.
    pub attempts: u32,
    /// In what way the last attempt failed.
    pub kind: FailureKind,
    /// The last error with its causes, in one line.
    pub error: String,
    /// When the first attempt failed.
    pub first_failed: Timestamp,
    /// When the last attempt failed.
    pub last_failed: Timestamp,
    /// Which subscription it was, where several have one name.
    #[serde(skip)]
    pub(crate) queue: u64,
}

/// Why a dead letter could not be given to its handler again; it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedriveError {
    /// There is no dead letter of that id.
    #[error("no dead letter {id}")]
    NotFound {
        /// The id that was asked for.
        id: DeadLetterId,
    },
    /// The subscription has ended.
    #[error("no subscription {subscription:?}")]
    NoSubscription {
        /// The name of the subscription.
        subscription: Arc<str>,
    },
    /// The queue of the subscription has no room.
    #[error("queue of subscription {subscription:?} is full")]
    Full {
        /// The name of the subscription.
        subscription: Arc<str>,
    },
}

/// The dead letters of a bus, oldest first.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    capacity: usize,
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    next: u64,
    kept: VecDeque<DeadLetter>,
    evicted: u64,
}

impl Letters {
    fn trim(&mut self, capacity: usize) {
        while self.kept.len() > capacity {
            self.kept.pop_front();
            self.evicted += 1;
        }
    }
}

impl DeadLetters {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            letters: Mutex::default(),
        }
    }

    /// Keeps a letter under a new id; the oldest makes room.
    pub(crate) fn add(&self, mut letter: DeadLetter) {
        let mut letters = self.letters.lock();
        letter.id = DeadLetterId(letters.next);
        letters.next += 1;
        letters.kept.push_back(letter);
        letters.trim(self.capacity);
    }

    /// Puts a letter back where it was.
    pub(crate) fn put_back(&self, letter: DeadLetter) {
        let mut letters = self.letters.lock();
        let at = letters.kept.partition_point(|kept| kept.id < letter.id);
        letters.kept.insert(at, letter);
        letters.trim(self.capacity);
    }

    pub(crate) fn remove(&self, id: DeadLetterId) -> Option<DeadLetter> {
        let mut letters = self.letters.lock();
        let at = letters
            .kept
            .binary_search_by_key(&id, |kept| kept.id)
            .ok()?;
        letters.kept.remove(at)
    }

    pub(crate) fn all(&self) -> Vec<DeadLetter> {
        self.letters.lock().kept.iter().cloned().collect()
    }

    pub(crate) fn purge(&self) -> usize {
        std::mem::take(&mut self.letters.lock().kept).len()
    }

    /// Returns how many letters are kept and how many had to make room.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let letters = self.letters.lock();
        (letters.kept.len(), letters.evicted)
    }

    /// A placeholder until [`add`](Self::add) gives the letter its own id.
    pub(crate) const UNNAMED: DeadLetterId = DeadLetterId(u64::MAX);
}
