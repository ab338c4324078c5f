//! The dead letters of a bus in process, and why one could not be redriven.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::transport::{DeadLetter, DeadLetterId, DeadLetterQuery, TransportError};

/// Why a dead letter could not be given to its handler again; it is kept.
#[derive(Debug, thiserror::Error)]
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
    /// The subscription has ended, and several others of its name could take its place.
    #[error("subscription {subscription:?} has ended, and several others have its name")]
    SeveralSubscriptions {
        /// The name of the subscription.
        subscription: Arc<str>,
    },
    /// The queue of the subscription has no room.
    #[error("queue of subscription {subscription:?} is full")]
    Full {
        /// The name of the subscription.
        subscription: Arc<str>,
    },
    /// It is being handled again already.
    #[error("dead letter {id} is being handled again already")]
    UnderWay {
        /// The id that was asked for.
        id: DeadLetterId,
    },
    /// The transport failed. The letter may have been published again, and is still there.
    #[error("dead letter could not be published again")]
    Transport(#[from] TransportError),
}

/// The dead letters of a bus in process, oldest first.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    capacity: usize,
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    next: u64,
    kept: VecDeque<Kept>,
    evicted: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    number: u64,
    /// Which queue it was, where several have one name.
    pub(crate) queue: u64,
    pub(crate) letter: DeadLetter,
}

impl Letters {
    fn trim(&mut self, capacity: usize) {
        while self.kept.len() > capacity
            && let Some(oldest) = self.kept.pop_front()
        {
            self.evicted += 1;
            tracing::warn!(
                letter = %oldest.letter.id,
                event.id = oldest.letter.event().map(|event| event.id()),
                event.kind = oldest.letter.event().map(|event| event.event_type()),
                subscription = &*oldest.letter.subscription,
                capacity,
                "a dead letter made room for a newer one and is lost"
            );
        }
    }

    fn find(&self, id: &DeadLetterId) -> Option<usize> {
        let number: u64 = id.as_str().parse().ok()?;
        self.kept
            .binary_search_by_key(&number, |kept| kept.number)
            .ok()
    }
}

impl DeadLetters {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            // At least the newest, which is about to be told by its name.
            capacity: capacity.max(1),
            letters: Mutex::default(),
        }
    }

    /// Keeps a letter under a new id; the oldest makes room.
    pub(crate) fn add(&self, letter: DeadLetter, queue: u64) -> DeadLetterId {
        let mut letters = self.letters.lock();
        let number = letters.next;
        letters.next += 1;
        let id = DeadLetterId::new(number.to_string());
        letters.kept.push_back(Kept {
            number,
            queue,
            letter: letter.with_id(id.clone()),
        });
        letters.trim(self.capacity);
        id
    }

    /// Puts a letter back where it was.
    pub(crate) fn put_back(&self, kept: Kept) {
        let mut letters = self.letters.lock();
        let at = letters
            .kept
            .partition_point(|other| other.number < kept.number);
        letters.kept.insert(at, kept);
        letters.trim(self.capacity);
    }

    pub(crate) fn remove(&self, id: &DeadLetterId) -> Option<Kept> {
        let mut letters = self.letters.lock();
        let at = letters.find(id)?;
        letters.kept.remove(at)
    }

    pub(crate) fn list(&self, query: &DeadLetterQuery) -> Vec<DeadLetter> {
        let letters = self.letters.lock();
        let after: Option<u64> = query.after.as_ref().and_then(|id| id.as_str().parse().ok());
        letters
            .kept
            .iter()
            .filter(|kept| after.is_none_or(|after| kept.number > after))
            .map(|kept| &kept.letter)
            .filter(|letter| query.wants(letter))
            .take(query.limit)
            .cloned()
            .collect()
    }

    pub(crate) fn purge(&self) -> usize {
        std::mem::take(&mut self.letters.lock().kept).len()
    }

    /// Returns how many letters are kept and how many had to make room.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let letters = self.letters.lock();
        (letters.kept.len(), letters.evicted)
    }
}

/// The dead letters of a broker that this bus is giving to handlers again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redriven(Arc<Mutex<HashSet<DeadLetterId>>>);

/// That a dead letter is being redriven, until it is removed, or stays: nobody else redrives it
/// meanwhile.
#[derive(Debug)]
pub(crate) struct Redriving {
    all: Redriven,
    id: DeadLetterId,
}

impl Redriven {
    /// Begins with a dead letter, unless somebody has.
    pub(crate) fn begin(&self, id: &DeadLetterId) -> Result<Redriving, RedriveError> {
        let (all, id) = (self.clone(), id.clone());
        if all.0.lock().insert(id.clone()) {
            return Ok(Redriving { all, id });
        }
        Err(RedriveError::UnderWay { id })
    }
}

impl Drop for Redriving {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.id);
    }
}
