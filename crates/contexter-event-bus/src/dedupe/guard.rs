//! What is checked before a handler is called, and noted afterwards.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;

use super::{Begin, DedupeKey, DeliveryId};
use crate::bus::MAX_WITHIN;
use crate::claim::{Claim, Pass};
use crate::handler::FailureKind;
use crate::lanes::Item;
use crate::queue::Queue;
use crate::remote::BrokenOff;

/// How long an event waits that somebody else is handling, or whose state is not known.
const DEFERRED: Duration = Duration::from_millis(200);
/// How often it is looked whether an event that was lost is here again.
const AWAITED: Duration = Duration::from_millis(50);
/// How much longer than all attempts of one go may take it counts as in progress.
const GRACE: Duration = Duration::from_secs(10);

/// How many more deliveries than it may have make an event poison, whatever else is known of it:
/// so many times as often.
const FAR_OVER: u32 = 4;

/// Under which name an event reaches the handler, where that is remembered.
#[derive(Debug)]
pub(crate) struct Admitted(Option<DedupeKey>);

/// What there is to know about the item of a worker.
#[expect(
    clippy::struct_excessive_bools,
    reason = "questions that have nothing to do with each other"
)]
struct Found {
    /// It belongs to another consumer by now.
    lost: bool,
    redriven: bool,
    begun: bool,
    by: Option<DeliveryId>,
    /// It was tried too often already.
    over: bool,
    /// It was, and this process has seen it fail.
    failed: bool,
    deliveries: u32,
}

impl Queue {
    /// Returns whether events have to pass a check before they reach the handler.
    pub(crate) fn is_guarded(&self) -> bool {
        self.dedupe.is_some() || self.remote.is_some()
    }

    /// Lets the item of a worker through to the handler, or has it leave.
    pub(crate) async fn admit(
        &self,
        slot: usize,
        claim: &mut Claim,
        limit: Duration,
    ) -> Option<Admitted> {
        let found = self.look(slot, claim.attempt)?;
        if found.lost {
            // What comes after it of its key must not overtake it, if it comes again.
            if claim.event.partition_key().is_some() && self.may_come_again(slot) {
                self.defer(slot, AWAITED);
            } else {
                self.pass(slot, Pass::Lost);
            }
            return None;
        }
        // Without a store that would know better, whoever held it may have died of it.
        let mut suspect = true;
        let dedupe = self.dedupe.as_ref();
        let admitted = Admitted(dedupe.map(|dedupe| dedupe.key(&claim.event)));
        if let (Some(dedupe), Some(key), Some(by)) = (dedupe, &admitted.0, &found.by)
            && !found.begun
        {
            // What fails for the first time stays in progress, if it is tried again at once.
            let attempts = self.attempts.left_in_this_go(claim.attempt);
            let lease = limit.saturating_mul(attempts).saturating_add(GRACE);
            let lease = lease.min(MAX_WITHIN);
            match dedupe.store.begin(key, by, lease).await {
                Ok(Begin::New) => {
                    suspect = !dedupe.store.outlives_processes();
                    self.set_begun(slot);
                }
                Ok(Begin::TakenOver) => self.set_begun(slot),
                Ok(Begin::Done) if found.redriven => {}
                Ok(Begin::Done) => {
                    self.pass(slot, Pass::Duplicate);
                    return None;
                }
                Ok(Begin::InProgress) => {
                    self.defer(slot, DEFERRED);
                    return None;
                }
                Err(error) => {
                    tracing::warn!(subscription = &*self.name, %error, "deduplication failed");
                    self.defer(slot, DEFERRED);
                    return None;
                }
            }
        }
        // What is done needs no guard, so this comes after the deduplication.
        if found.over
            && (suspect || found.failed || found.deliveries / FAR_OVER > self.attempts.deliveries())
        {
            if !self.has_lease(slot) {
                // Whoever has it by now makes it a dead letter. The next renewal tells.
                self.defer(slot, AWAITED);
                return None;
            }
            let (kind, error) = self.poison(slot);
            self.bury(slot, kind, error).await;
            return None;
        }
        if found.over {
            // It was only near what killed its process.
            self.has_last_attempt(slot);
            claim.attempt = self.attempts.max;
        }
        Some(admitted)
    }

    /// Notes that an event was handled.
    pub(crate) async fn remember(&self, event: &IntegrationEvent, Admitted(key): Admitted) {
        let Some((dedupe, key)) = self.dedupe.as_ref().zip(key) else {
            return;
        };
        if let Err(error) = dedupe.store.done(&key).await {
            tracing::warn!(
                event.id = event.id(),
                subscription = &*self.name,
                %error,
                "deduplication failed"
            );
        }
    }

    /// Lets go of the item of a worker where it counts as in progress. Until that is done, the
    /// worker has it.
    pub(crate) async fn let_begin_again(&self, slot: usize) {
        let Some(dedupe) = &self.dedupe else { return };
        let Some((key, by)) = self.unbegin(slot) else {
            return;
        };
        if let Err(error) = dedupe.store.release(&key, &by).await {
            tracing::warn!(subscription = &*self.name, %error, "deduplication failed");
        }
    }

    fn unbegin(&self, slot: usize) -> Option<BrokenOff> {
        let mut state = self.state.lock();
        let place = state.slots.get_mut(slot)?;
        let item = place.running.as_mut().filter(|item| item.begun())?;
        item.more().begun = false;
        self.broken_off(place.seq, item)
    }

    fn look(&self, slot: usize, attempt: u32) -> Option<Found> {
        let over = attempt > self.attempts.max;
        let state = self.state.lock();
        let place = state.slots.get(slot)?;
        let item = place.running.as_ref()?;
        let leased = self.remote.as_ref().zip(item.leased());
        Some(Found {
            lost: leased.is_some_and(|(remote, leased)| !remote.holds(&leased.id)),
            redriven: item.is_redriven(),
            begun: item.begun(),
            by: self
                .dedupe
                .as_ref()
                .map(|dedupe| dedupe.delivery(place.seq, item)),
            over,
            failed: over && leased.is_some_and(|(remote, leased)| remote.has_failed(&leased.id)),
            deliveries: leased.map_or(1, |(_, leased)| leased.delivery_count),
        })
    }

    fn has_lease(&self, slot: usize) -> bool {
        let state = self.state.lock();
        state.item(slot).is_some_and(|item| self.is_ours(item))
    }

    fn may_come_again(&self, slot: usize) -> bool {
        let id = {
            let state = self.state.lock();
            let item = state.item(slot);
            item.and_then(|item| Some(Arc::clone(&item.leased()?.id)))
        };
        let known = self.remote.as_ref().zip(id);
        known.is_some_and(|(remote, id)| remote.may_come_again(&id))
    }

    fn has_last_attempt(&self, slot: usize) {
        let mut state = self.state.lock();
        if let Some(item) = state.item_mut(slot) {
            item.more().attempt = self.attempts.max;
        }
    }

    fn set_begun(&self, slot: usize) {
        let mut state = self.state.lock();
        if let Some(item) = state.item_mut(slot) {
            item.more().begun = true;
        }
    }

    /// Says why an event that was delivered too often is not tried again: what failed last, if this
    /// process has seen it fail, and otherwise that nobody has.
    fn poison(&self, slot: usize) -> (FailureKind, String) {
        let state = self.state.lock();
        let leased = state.item(slot).and_then(Item::leased);
        let known = self.remote.as_ref().zip(leased);
        if let Some(last) = known.and_then(|(remote, leased)| remote.failure(&leased.id)) {
            return (last.kind, last.error);
        }
        let times = leased.map_or(0, |leased| leased.delivery_count);
        let error = format!("delivered {times} times, and no handler came to an end with it");
        (FailureKind::Poison, error)
    }
}
