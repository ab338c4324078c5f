//! How workers take items out of a queue and say what became of them.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::attempts::MAX_WAIT;
use crate::handler::{FailureKind, HandlerError};
use crate::lanes::{Failed, Item};
use crate::observe::{Unhandled, UnhandledReason};
use crate::queue::{Phase, Queue, State, Stay};
use crate::receipt::Outcome;
use crate::remote::Leased;
use crate::transport::{DeadLetter, DeadLetterId, DeadMessage};

/// An event that a worker is to handle.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) attempt: u32,
    pub(crate) redriven: bool,
}

/// What a worker finds.
pub(crate) enum Next {
    Work(Claim),
    Nothing { until: Option<Instant> },
    End,
}

/// What follows a failed attempt.
pub(crate) enum After {
    /// Another attempt, now.
    Again(Claim),
    /// Another attempt, after a delay: see [`Queue::put_off`].
    Later { delay: Duration },
    /// None: the event becomes a dead letter.
    Dead,
}

/// Why an item leaves without having been handled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It was handled before.
    Duplicate,
    /// It belongs to another consumer by now.
    Lost,
}

impl Claim {
    #[inline]
    pub(crate) fn of(item: &Item) -> Self {
        Self {
            event: Arc::clone(&item.event),
            attempt: item.attempt(),
            redriven: item.is_redriven(),
        }
    }
}

impl State {
    /// Counts the item of a worker as handled; it is cleared away by whoever comes after it.
    #[inline]
    fn note_handled(&mut self, slot: usize) -> bool {
        let place = self.slots.get(slot);
        let Some(item) = place.and_then(|place| place.running.as_ref()) else {
            return false;
        };
        self.in_flight -= 1;
        self.stats.delivered += 1;
        self.lanes.release(&item.event);
        true
    }

    /// Returns whether a worker is to begin with nothing more.
    #[inline]
    fn stops(&self, slot: usize) -> bool {
        self.slots
            .get(slot)
            .is_none_or(|place| place.stay != Stay::Stays)
    }
}

impl Queue {
    /// Notes whether the worker has handled what it was at, and takes the next item for it.
    ///
    /// Both in one go, because that is what happens all the time.
    pub(crate) fn next(&self, slot: usize, handled: bool) -> Next {
        let mut state = self.state.lock();
        let handled = handled && state.note_handled(slot);
        let mut expired = Vec::new();
        if let Some((seq, item)) = self.take(&mut state, slot, &mut expired) {
            let claim = Claim::of(&item);
            // It takes the place of the one that is handled.
            let done = state.occupy(slot, seq, item);
            // This worker is busy now, so another one looks after what is left and what is due.
            self.wake_another(&mut state);
            drop(state);
            self.settle(done, expired);
            return Next::Work(claim);
        }
        let done = if handled { state.clear(slot) } else { None };
        let ends = match state.phase {
            Phase::Open => false,
            Phase::Finishing => state.is_idle(),
            Phase::Closed => true,
        };
        let stops = state.stops(slot);
        let idle = state.in_flight == 0 || ends || stops;
        let until = state.lanes.next_due();
        if stops {
            // It may have been woken for what another one has to do now.
            self.wake_another(&mut state);
        }
        drop(state);
        self.settle(done, expired);
        if idle {
            self.ledger.woke_idle();
        }
        if ends {
            self.work.wake_all();
        }
        if ends || stops {
            return Next::End;
        }
        Next::Nothing { until }
    }

    /// Takes the item that is next, unless its worker is to stop.
    #[inline]
    fn take(&self, state: &mut State, slot: usize, expired: &mut Vec<Item>) -> Option<(u64, Item)> {
        if state.stops(slot) || state.phase == Phase::Closed {
            return None;
        }
        loop {
            let (seq, item) = state.lanes.take(Instant::now)?;
            if state.blocked.wake() {
                self.room.wake_one();
            }
            if !item.is_expired() {
                return Some((seq, item));
            }
            state.lanes.release(&item.event);
            state.stats.expired += 1;
            expired.push(item);
        }
    }

    /// Has another worker look at what may run now and what is due next, if there is any. Whoever
    /// gives up looking after it calls this.
    #[inline]
    pub(crate) fn wake_another(&self, state: &mut State) {
        let more = state.lanes.is_ready() || state.lanes.next_due().is_some();
        if more && state.sleeping.wake() {
            self.work.wake_one();
        }
    }

    /// Tells whoever wants to know what has come to an end.
    #[inline]
    fn settle(&self, done: Option<Item>, expired: Vec<Item>) {
        if let Some(item) = done
            && !item.is_plain()
        {
            self.handled(item);
        }
        if !expired.is_empty() {
            self.expire(expired);
        }
    }

    fn handled(&self, mut item: Item) {
        let attempts = item.attempt();
        item.tell(|| Outcome::Handled { attempts });
        self.ack(&item);
    }

    #[cold]
    fn expire(&self, expired: Vec<Item>) {
        for mut item in expired {
            item.tell(|| Outcome::Expired);
            self.ack(&item);
            self.observe(&item, || UnhandledReason::Expired);
        }
    }

    /// Waits until there may be something to do.
    ///
    /// Cancel safe: whoever waits is counted for exactly as long as it does.
    pub(crate) async fn sleep(&self, until: Option<Instant>) {
        let mut sleeper = Sleeper {
            queue: self,
            counted: false,
        };
        let work = self.work.wait(|| sleeper.sleep(until));
        match until {
            None => work.await,
            Some(due) => tokio::select! {
                () = work => {}
                () = sleep_until(due) => {}
            },
        }
    }

    /// Waits as [`sleep`](Self::sleep) does, by blocking the thread: a model has no tasks.
    #[cfg(all(test, contexter_loom))]
    pub(crate) fn sleep_blocking(&self, until: Option<Instant>) {
        use futures_util::FutureExt as _;

        let mut sleeper = Sleeper {
            queue: self,
            counted: false,
        };
        let woken = self.work.wait(|| sleeper.sleep(until)).now_or_never();
        assert_eq!(woken, Some(()), "a model waits before it returns");
    }

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
        mut state: crate::sync::MutexGuard<'_, State>,
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

    /// Puts the item of a worker off without having tried it.
    pub(crate) fn defer(&self, slot: usize, delay: Duration) {
        let mut state = self.state.lock();
        if let Some((seq, item)) = state.vacate(slot) {
            state.lanes.put_back(seq, item, Instant::now() + delay);
        }
    }

    /// Lets the item of a worker go without having tried it.
    pub(crate) fn pass(&self, slot: usize, why: Pass) {
        let mut state = self.state.lock();
        let Some((_, mut item)) = state.vacate(slot) else {
            return;
        };
        match why {
            Pass::Duplicate => state.stats.duplicates += 1,
            Pass::Lost => state.stats.fenced += 1,
        }
        state.lanes.release(&item.event);
        drop(state);
        item.tell(|| Outcome::Duplicate);
        match why {
            Pass::Duplicate => {
                self.ack(&item);
                self.observe(&item, || UnhandledReason::Duplicate);
            }
            Pass::Lost => {
                if let (Some(remote), Some(leased)) = (&self.remote, item.leased()) {
                    remote.give_up(&leased.id);
                }
            }
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

/// A worker that waits, counted for as long as it does.
struct Sleeper<'a> {
    queue: &'a Queue,
    counted: bool,
}

impl Sleeper<'_> {
    /// Counts it, unless there is something to do by now.
    fn sleep(&mut self, until: Option<Instant>) -> bool {
        let mut state = self.queue.state.lock();
        let over = match state.phase {
            Phase::Open => false,
            Phase::Finishing => state.is_idle(),
            Phase::Closed => true,
        };
        let news = state.lanes.is_ready() || state.lanes.next_due() != until || over;
        self.counted = !news;
        if self.counted {
            state.sleeping.sleep();
        }
        self.counted
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.queue.state.lock().sleeping.rise();
        }
    }
}
