//! What is held of a broker, and what is to be sent to it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::failures::Failures;
use crate::dedupe::{DedupeKey, DeliveryId};
use crate::transport::{DeadLetterId, DeliveryToken, Disposition};

#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) items: HashMap<Arc<str>, Hold>,
    /// How many bytes these have together.
    pub(super) bytes: usize,
    /// What is here and not held any more, and until when it keeps its place.
    pub(super) lost: HashMap<Arc<str>, Instant>,
    /// The dead letters that are being handled again, and are not removed yet.
    pub(super) redriven: HashSet<DeadLetterId>,
    pub(super) waiting: Vec<Waiting>,
    /// How many settlements are on their way.
    pub(super) under_way: usize,
    /// Whether the pump has ended, so that nothing comes to what is held.
    pub(super) intake_is_over: bool,
    pub(super) failures: Failures,
}

impl Held {
    /// Holds a message, and returns whether it was held already.
    pub(super) fn insert(&mut self, id: Arc<str>, hold: Hold) -> bool {
        self.bytes += hold.size;
        let known = self.items.insert(id, hold);
        self.bytes -= known.map_or(0, |known| known.size);
        known.is_some()
    }

    /// Holds a message no longer.
    pub(super) fn remove(&mut self, id: &str) -> Option<Hold> {
        let hold = self.items.remove(id)?;
        self.bytes -= hold.size;
        Some(hold)
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) token: DeliveryToken,
    pub(super) renewed: Instant,
    pub(super) size: usize,
}

/// What the deduplication has as in progress and nobody works on any more.
pub(crate) type BrokenOff = (DedupeKey, DeliveryId);

/// A settlement that is to be sent.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// None if the message is not held any more.
    pub(super) settlement: Option<(DeliveryToken, Disposition)>,
    /// The event whose handling was broken off, and the delivery that had begun it.
    pub(super) broken_off: Option<BrokenOff>,
    /// A dead letter that is settled by now.
    pub(super) letter: Option<DeadLetterId>,
}
