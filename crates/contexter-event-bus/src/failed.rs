//! What becomes of an item whose attempt failed: another attempt, or a dead letter.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::attempts::MAX_WAIT;
use crate::claim::Claim;
use crate::handler::{FailureKind, HandlerError};
use crate::lanes::Failed;
use crate::observe::{Unhandled, UnhandledReason};
use crate::queue::{Queue, State};
use crate::receipt::Outcome;
use crate::remote::Leased;
use crate::sync::MutexGuard;
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
        state.stats.failed += 1;
        let Some(item) = state.item_mut(slot) else {
            // It has gone to somebody else.
            return After::Later {
                delay: Duration::ZERO,
            };
        };
        let attempt = item.attempt();
        if !error.kind().is_retryable() || !self.attempts.has_after(attempt) {
            return After::Dead;
        }
        let young = item.leased().is_none_or(Leased::is_young);
        let remote = item.leased().is_some();
        let backoff = self.attempts.backoff;
        let more = item.more();
        more.attempt += 1;
        let failed = more.failed.get_or_insert_with(|| Failed {
            delays: backoff.delays(),
            first: Timestamp::now(),
        });
        if error.retry_after().is_none() && young && self.attempts.is_at_once_after(attempt) {
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

    /// Puts the item of a worker off that has failed. It stays with the worker until the
    /// deduplication has let go of it, so that whoever is at it next can begin.
    pub(crate) async fn put_off(&self, slot: usize, delay: Duration, error: &HandlerError) {
        self.let_begin_again(slot).await;
        self.later(self.state.lock(), slot, delay, error.kind(), || {
            error.chain()
        });
    }

    /// Puts the item of a worker off, at the broker or here.
    ///
    /// What has a key stays here with its lease renewed, because what comes after it must wait for
    /// it; the rest goes back to the broker, so that any consumer can take it.
    fn later(
        &self,
        mut state: MutexGuard<'_, State>,
        slot: usize,
        delay: Duration,
        kind: FailureKind,
        error: impl FnOnce() -> String,
    ) {
        let Some((seq, item)) = state.vacate(slot) else {
            return;
        };
        if let (Some(remote), Some(leased)) = (&self.remote, item.leased())
            && item.event.partition_key().is_none()
        {
            remote.nack(&leased.id, delay, kind, error());
        } else {
            if let (Some(remote), Some(leased)) = (&self.remote, item.leased()) {
                remote.note_failure(&leased.id, kind, error());
            }
            state.lanes.put_back(seq, item, Instant::now() + delay);
        }
    }

    /// Makes the item of a worker a dead letter, unless it cannot be stored: then it stays.
    pub(crate) async fn bury(&self, slot: usize, kind: FailureKind, error: String) {
        if self.remote.is_none() {
            self.let_begin_again(slot).await;
        }
        let Some(letter) = self.letter(slot, kind, error) else {
            return;
        };
        tracing::warn!(
            event.id = letter.event().map(|event| event.id()),
            event.kind = letter.event().map(|event| event.event_type()),
            subscription = &*self.name,
            attempts = letter.attempts,
            failure = kind.as_str(),
            error = letter.error,
            "event became a dead letter"
        );
        let (attempts, error) = (letter.attempts, letter.error.clone());
        let stored = match &self.remote {
            None => Some(self.ledger.dead.add(letter, self.id)),
            Some(remote) => {
                let stored = remote.bury(&letter).await;
                // Not before: that a handler had begun with it is what makes it poison.
                self.let_begin_again(slot).await;
                stored
            }
        };
        let mut state = self.state.lock();
        let Some(id) = stored else {
            if let Some(item) = state.item_mut(slot) {
                item.more().attempt = self.attempts.max.saturating_add(1);
                let delay = self.attempts.delay_after(1);
                self.later(state, slot, delay, kind, || error);
            }
            return;
        };
        let Some((_, mut item)) = state.vacate(slot) else {
            return;
        };
        state.stats.dead_lettered += 1;
        self.tally.dead_lettered(kind);
        state.lanes.release(&item.event);
        drop(state);
        self.ack(&item);
        self.observe_with(|queue| Unhandled {
            subscription: Arc::clone(&queue.name),
            group: queue.group.clone(),
            message: DeadMessage::Event(Arc::clone(&item.event)),
            origin: item.leased().map(|leased| Arc::clone(&leased.id)),
            attempts,
            reason: UnhandledReason::DeadLettered {
                id,
                kind,
                error: error.clone(),
            },
        });
        item.tell(|| Outcome::DeadLettered { attempts, error });
    }

    fn letter(&self, slot: usize, kind: FailureKind, error: String) -> Option<DeadLetter> {
        let state = self.state.lock();
        let item = state.item(slot)?;
        let last_failed = Timestamp::now();
        let known = self.remote.as_ref().zip(item.leased());
        let before = known.and_then(|(remote, leased)| remote.failure(&leased.id));
        let before = before.map(|failure| failure.first);
        Some(DeadLetter {
            id: DeadLetterId::unassigned(),
            message: DeadMessage::Event(Arc::clone(&item.event)),
            subscription: Arc::clone(&self.name),
            group: Arc::clone(self.group_name()),
            pattern: self.redrive_pattern(),
            origin: item.leased().map(|leased| leased.id.to_string()),
            attempts: item.attempt().min(self.attempts.max),
            kind,
            error,
            first_failed: before.or(item.first_failed()).unwrap_or(last_failed),
            last_failed,
        })
    }
}
