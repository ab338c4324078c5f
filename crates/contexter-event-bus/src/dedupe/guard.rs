//! What is checked before a handler is called, and noted afterwards.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;

use super::Begin;
use crate::bus::MAX_WITHIN;
use crate::claim::Pass;
use crate::handler::{Delivery, FailureKind};
use crate::queue::Queue;

/// How long an event waits that somebody else is handling, or whose state is not known.
const DEFERRED: Duration = Duration::from_millis(200);
/// How often it is looked whether an event that was lost is here again.
const AWAITED: Duration = Duration::from_millis(50);
/// How much longer than the handler may take it counts as in progress.
const GRACE: Duration = Duration::from_secs(10);

impl Queue {
    /// Returns whether events have to pass a check before they reach the handler.
    pub(crate) fn is_guarded(&self) -> bool {
        self.dedupe.is_some() || self.remote.is_some()
    }

    /// Returns whether the item of a worker is to reach the handler; if not, it has left.
    pub(crate) async fn admit(&self, slot: usize, delivery: &Delivery, limit: Duration) -> bool {
        let Some((lost, redriven, begun)) = self.look(slot) else {
            return false;
        };
        if lost {
            // What comes after it of its key must not overtake it, if it comes again.
            if delivery.event().partition_key().is_some() && self.may_come_again(slot) {
                self.defer(slot, AWAITED);
            } else {
                self.pass(slot, Pass::Lost);
            }
            return false;
        }
        if let Some(dedupe) = &self.dedupe
            && !begun
        {
            let key = dedupe.key(delivery.event());
            let lease = limit.saturating_add(GRACE).min(MAX_WITHIN);
            match dedupe.store.begin(&key, lease).await {
                Ok(Begin::New) => self.set_begun(slot),
                Ok(Begin::Done) if redriven => {}
                Ok(Begin::Done) => {
                    self.pass(slot, Pass::Duplicate);
                    return false;
                }
                Ok(Begin::InProgress) => {
                    self.defer(slot, DEFERRED);
                    return false;
                }
                Err(error) => {
                    tracing::warn!(subscription = &*self.name, %error, "deduplication failed");
                    self.defer(slot, DEFERRED);
                    return false;
                }
            }
        }
        // What is done needs no guard, so this comes after the deduplication.
        if delivery.attempt() > self.attempts.max {
            let (kind, error) = self.poison(slot);
            self.bury(slot, kind, error).await;
            self.conclude(delivery.event(), false).await;
            return false;
        }
        true
    }

    /// Notes that an event was handled, or that it was not.
    pub(crate) async fn conclude(&self, event: &IntegrationEvent, handled: bool) {
        let Some(dedupe) = &self.dedupe else { return };
        let key = dedupe.key(event);
        let noted = if handled {
            dedupe.store.done(&key).await
        } else {
            dedupe.store.release(&key).await
        };
        if let Err(error) = noted {
            tracing::warn!(
                event.id = event.id(),
                subscription = &*self.name,
                handled,
                %error,
                "deduplication failed"
            );
        }
    }

    fn look(&self, slot: usize) -> Option<(bool, bool, bool)> {
        let state = self.state.lock();
        let (_, item) = state.slots.get(slot)?.running.as_ref()?;
        let leased = self.remote.as_ref().zip(item.leased());
        let lost = leased.is_some_and(|(remote, leased)| !remote.holds(&leased.id));
        Some((lost, item.is_redriven(), item.begun()))
    }

    fn may_come_again(&self, slot: usize) -> bool {
        let id = {
            let state = self.state.lock();
            let item = state.slots.get(slot).and_then(|s| s.running.as_ref());
            item.and_then(|(_, item)| Some(Arc::clone(&item.leased()?.id)))
        };
        let known = self.remote.as_ref().zip(id);
        known.is_some_and(|(remote, id)| remote.may_come_again(&id))
    }

    fn set_begun(&self, slot: usize) {
        let mut state = self.state.lock();
        if let Some((_, item)) = state.slots.get_mut(slot).and_then(|s| s.running.as_mut()) {
            item.more().begun = true;
        }
    }

    /// Says why an event that was delivered too often is not tried again: what failed last, if this
    /// process has seen it fail, and otherwise that nobody has.
    fn poison(&self, slot: usize) -> (FailureKind, String) {
        let state = self.state.lock();
        let item = state.slots.get(slot).and_then(|s| s.running.as_ref());
        let leased = item.and_then(|(_, item)| item.leased());
        let known = self.remote.as_ref().zip(leased);
        if let Some(last) = known.and_then(|(remote, leased)| remote.failure(&leased.id)) {
            return (last.kind, last.error);
        }
        let times = leased.map_or(0, |leased| leased.delivery_count);
        let error = format!("delivered {times} times, and no handler came to an end with it");
        (FailureKind::Poison, error)
    }
}
