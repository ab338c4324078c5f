//! What becomes of an item whose attempt failed: another attempt, or a dead letter.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::attempts::MAX_WAIT;
use crate::claim::Claim;
use crate::handler::{FailureKind, HandlerError};
use crate::lanes::{Failed, Item, Left};
use crate::observe::{Promise, Unhandled, UnhandledReason};
use crate::queue::{Queue, State};
use crate::receipt::Outcome;
use crate::remote::{BrokenOff, Remote};
use crate::transport::{DeadLetter, DeadLetterId, DeadMessage};

/// What follows a failed attempt.
pub(crate) enum After {
    /// Another attempt, now.
    Again(Claim),
    /// Another attempt, after a delay: see [`Queue::put_off`].
    Later { delay: Duration },
    /// None: the event becomes a dead letter.
    Dead,
}

impl Queue {
    /// Notes that an attempt failed, and returns what follows.
    pub(crate) fn failed(&self, slot: usize, error: &HandlerError) -> After {
        let mut state = self.state.lock();
        state.count(&self.tally, |stats| stats.failed += 1);
        let Some(item) = state.item_mut(slot) else {
            // It has gone to somebody else.
            return After::Later {
                delay: Duration::ZERO,
            };
        };
        let attempt = item.attempt();
        let ours = self.is_ours(item);
        // Of what another consumer may have by now, that one says what becomes of it.
        let is_last = !error.kind().is_retryable() || !self.attempts.has_after(attempt);
        if is_last && ours {
            return After::Dead;
        }
        let remote = item.leased().is_some();
        let backoff = self.attempts.backoff;
        let more = item.more();
        more.attempt += 1;
        let failed = more.failed.get_or_insert_with(|| Failed {
            delays: backoff.delays(),
            first: Timestamp::now(),
        });
        if error.retry_after().is_none() && ours && self.attempts.is_at_once_after(attempt) {
            return After::Again(Claim::of(item));
        }
        let delay = if remote {
            self.attempts.delay_after(attempt)
        } else {
            failed.delays.next().unwrap_or(MAX_WAIT)
        };
        let delay = delay
            .max(error.retry_after().unwrap_or_default())
            .min(MAX_WAIT);
        tracing::debug!(
            event.id = item.event.id(),
            event.kind = item.event.event_type(),
            subscription = &*self.name,
            attempt,
            delay_ms = delay.as_millis(),
            %error,
            "handler failed, the event will be tried again"
        );
        After::Later { delay }
    }

    /// Returns whether no other consumer can have an item: not once its lease is no more.
    pub(crate) fn is_ours(&self, item: &Item) -> bool {
        match (&self.remote, item.leased()) {
            (Some(remote), Some(leased)) => remote.has_lease(&leased.id),
            _ => true,
        }
    }

    /// Puts the item of a worker off that has failed.
    pub(crate) async fn put_off(&self, slot: usize, delay: Duration, error: &HandlerError) {
        self.later(slot, delay, error.kind(), || error.chain())
            .await;
    }

    /// Puts the item of a worker off, at the broker or here.
    ///
    /// What has a key stays here with its lease renewed, because what comes after it must wait for
    /// it, and so does what has attempts of this delivery left, because the broker counts deliveries
    /// only; the rest goes back to the broker, so that any consumer can take it. What stays is with
    /// the worker until the deduplication has let go of it, so that whoever is at it next can begin;
    /// it is not due earlier if the worker is stopped meanwhile.
    async fn later(
        &self,
        slot: usize,
        delay: Duration,
        kind: FailureKind,
        error: impl FnOnce() -> String,
    ) {
        let due = Instant::now() + delay;
        {
            let mut state = self.state.lock();
            let Some(item) = state.item_mut(slot) else {
                return;
            };
            item.more().left = Left::Due(due);
            if let (Some(remote), Some(leased)) = (&self.remote, item.leased()) {
                remote.note_failure(&leased.id, kind, error());
                if item.event.partition_key().is_none()
                    && self.attempts.is_first(item.attempt())
                    && let Some((seq, item)) = state.vacate(slot)
                {
                    self.give_back(&item, self.begun(seq, &item));
                    return;
                }
            }
        }
        self.let_begin_again(slot).await;
        let mut state = self.state.lock();
        if let Some((seq, item)) = state.vacate(slot) {
            state.lanes.put_back(seq, item, due);
        }
    }

    /// Makes the item of a worker a dead letter, unless it cannot be stored: then it stays.
    pub(crate) async fn bury(&self, slot: usize, kind: FailureKind, error: String) {
        let letter = {
            let state = self.state.lock();
            state.item(slot).map(|item| self.letter(item, kind, error))
        };
        let Some(letter) = letter else { return };
        tracing::warn!(
            event.id = letter.event().map(|event| event.id()),
            event.kind = letter.event().map(|event| event.event_type()),
            subscription = &*self.name,
            attempts = letter.attempts,
            failure = kind.as_str(),
            error = letter.error,
            "event became a dead letter"
        );
        match &self.remote {
            None => self.bury_here(slot, letter).await,
            Some(remote) => self.bury_at(remote, slot, letter).await,
        }
    }

    /// Nothing that stops the worker makes it be handled again once the letter is there.
    async fn bury_here(&self, slot: usize, letter: DeadLetter) {
        let (buried, promise) = {
            let mut state = self.state.lock();
            let Some(item) = state.item_mut(slot) else {
                return;
            };
            item.more().left = Left::Settled;
            let mut buried = Buried::of(&letter, item);
            buried.id = self.ledger.dead.add(letter, self.id);
            item.tell(|| buried.outcome());
            let promise = self.count_buried(&mut state, &buried);
            (buried, promise)
        };
        self.observe_with(promise, |queue| buried.end(queue));
        self.let_begin_again(slot).await;
        self.state.lock().vacate(slot);
    }

    async fn bury_at(&self, remote: &Remote, slot: usize, letter: DeadLetter) {
        let Some(id) = remote.bury(&letter).await else {
            if self.is_to_be_buried_later(slot) {
                let delay = self.attempts.delay_after(1);
                self.later(slot, delay, letter.kind, || letter.error).await;
            }
            return;
        };
        let mut state = self.state.lock();
        let Some((seq, mut item)) = state.vacate(slot) else {
            return;
        };
        let buried = Buried {
            id,
            ..Buried::of(&letter, &item)
        };
        let promise = self.count_buried(&mut state, &buried);
        drop(state);
        // Broken off only now: that a handler had begun with it is what makes it poison.
        self.ack_with(&item, self.begun(seq, &item));
        self.observe_with(promise, |queue| buried.end(queue));
        item.tell(|| buried.outcome());
    }

    /// Notes that no dead letter could be made of the item of a worker. One that was a letter needs
    /// no other: that is still stored, and may be redriven again.
    fn is_to_be_buried_later(&self, slot: usize) -> bool {
        let mut state = self.state.lock();
        let Some(item) = state.item_mut(slot) else {
            return false;
        };
        if item.letter().is_none() {
            item.more().attempt = self.attempts.max.saturating_add(1);
            return true;
        }
        if let Some((seq, item)) = state.vacate(slot) {
            state.lanes.release(&item.event);
            drop(state);
            self.give_back(&item, self.begun(seq, &item));
        }
        false
    }

    fn count_buried(&self, state: &mut State, buried: &Buried) -> Promise {
        state.stats.dead_lettered += 1;
        self.tally.dead_lettered(buried.kind);
        state.lanes.release(&buried.event);
        state.promise()
    }

    /// Names what the deduplication has as in progress on behalf of an item.
    fn begun(&self, seq: u64, item: &Item) -> Option<BrokenOff> {
        item.begun().then(|| self.broken_off(seq, item)).flatten()
    }

    fn letter(&self, item: &Item, kind: FailureKind, error: String) -> DeadLetter {
        let last_failed = Timestamp::now();
        let known = self.remote.as_ref().zip(item.leased());
        let before = known.and_then(|(remote, leased)| remote.failure(&leased.id));
        let before = before.map(|failure| failure.first);
        DeadLetter {
            id: DeadLetterId::unassigned(),
            message: DeadMessage::Event(Arc::clone(&item.event)),
            subscription: Arc::clone(&self.name),
            group: Arc::clone(self.group_name()),
            pattern: self.redrive_pattern(),
            instance: self.instance().cloned(),
            origin: item.leased().map(|leased| leased.id.to_string()),
            attempts: item.attempt().min(self.attempts.max),
            kind,
            error,
            first_failed: before.or(item.first_failed()).unwrap_or(last_failed),
            last_failed,
        }
    }
}

/// What there is to say of an item that is a dead letter by now.
struct Buried {
    id: DeadLetterId,
    event: Arc<IntegrationEvent>,
    origin: Option<Arc<str>>,
    attempts: u32,
    kind: FailureKind,
    error: String,
}

impl Buried {
    fn of(letter: &DeadLetter, item: &Item) -> Self {
        Self {
            id: letter.id.clone(),
            event: Arc::clone(&item.event),
            origin: item.leased().map(|leased| Arc::clone(&leased.id)),
            attempts: letter.attempts,
            kind: letter.kind,
            error: letter.error.clone(),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::DeadLettered {
            attempts: self.attempts,
            error: self.error.clone(),
        }
    }

    fn end(&self, queue: &Queue) -> Unhandled {
        Unhandled {
            subscription: Arc::clone(&queue.name),
            group: queue.group.clone(),
            message: DeadMessage::Event(Arc::clone(&self.event)),
            origin: self.origin.clone(),
            attempts: self.attempts,
            reason: UnhandledReason::DeadLettered {
                id: self.id.clone(),
                kind: self.kind,
                error: self.error.clone(),
            },
        }
    }
}
