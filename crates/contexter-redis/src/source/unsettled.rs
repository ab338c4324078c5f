//! What a consumer without a group has seen and not settled.
//!
//! Its group has no other member, and the server may forget it: it is destroyed when the consumer was
//! not heard of for long enough, and lost with a server that lost its data. Then the server's list of
//! what is pending is gone, and this is all that is left of it.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use crate::entry::EntryId;

/// As many entries as are pending or delayed at the server, which are fewer than its stream has.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(HashMap<EntryId, Known>);

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) deliveries: u64,
    /// When it is due, if it was given back.
    pub(crate) due: Option<Instant>,
}

impl Unsettled {
    pub(crate) fn delivered(&mut self, id: EntryId, deliveries: u64) {
        let due = None;
        self.0.insert(id, Known { deliveries, due });
    }

    pub(crate) fn given_back(&mut self, id: EntryId, due: Instant) {
        if let Some(known) = self.0.get_mut(&id) {
            known.due = Some(due);
        }
    }

    /// It was acknowledged, or is no more.
    pub(crate) fn ended(&mut self, id: EntryId) {
        self.0.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets what was acknowledged without an answer: it is neither pending nor given back.
    pub(crate) fn keep_pending(&mut self, pending: &HashSet<EntryId>) {
        self.0
            .retain(|id, known| known.due.is_some() || pending.contains(id));
    }

    /// Returns what there is, oldest first.
    pub(crate) fn all(&self) -> Vec<(EntryId, Known)> {
        let mut all: Vec<_> = self.0.iter().map(|(id, known)| (*id, *known)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}
