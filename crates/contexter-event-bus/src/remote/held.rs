//! What is held of a broker, and what is to be sent to it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::failures::Failures;
use super::settle::Errand;
use crate::dead_letter::Redriving;
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
    pub(super) redriven: HashMap<DeadLetterId, Redriving>,
    /// The dead letters of these that could not be removed yet.
    pub(super) to_remove: Vec<DeadLetterId>,
    /// The settlements that are to be sent.
    pub(super) waiting: Vec<(DeliveryToken, Disposition)>,
    /// How many settlements are on their way.
    pub(super) under_way: usize,
    pub(super) errands: VecDeque<Errand>,
    pub(super) errands_under_way: usize,
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
        let settled = self.waiting.is_empty() && self.under_way == 0;
        settled && self.errands.is_empty() && self.errands_under_way == 0
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
