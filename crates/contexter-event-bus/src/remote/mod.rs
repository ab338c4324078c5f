//! A subscription on a broker: what this process holds of it.

mod failures;
mod held;
mod pump;
mod settle;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use failures::Failure;
pub(crate) use held::BrokenOff;
use held::{Held, Hold};
pub(crate) use pump::pump;
use settle::Errand;
pub(crate) use settle::settle;

use crate::dead_letter::Redriving;
use crate::dedupe::DedupeStore;
use crate::error::SubscribeError;
use crate::handler::FailureKind;
use crate::stats::Ledger;
use crate::tally::Tally;
use crate::transport::{
    Connection, DeadLetter, DeadLetterId, Disposition, Incoming, MessageTransport, Source,
    SubscriptionSpec, TransportHealth,
};

/// How many leases an event that was lost keeps its place among those of its key, counted from when
/// the broker can be reached: one until the broker notices, one for a transport that waits for that,
/// one more, and as many again for a broker that hangs without its connection breaking.
const KEEPS_ITS_PLACE: u32 = 6;

/// What an item from a broker carries with it.
#[derive(Debug)]
pub(crate) struct Leased {
    /// The place of the event at the broker.
    pub(crate) id: Arc<str>,
    pub(crate) delivery_count: u32,
    /// Whether it was a dead letter before.
    pub(crate) redriven: bool,
}

/// The connection of a queue to its broker. It knows no queue, and its lock is the innermost.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) transport: Arc<dyn MessageTransport>,
    pub(crate) spec: SubscriptionSpec,
    /// What tells it from others of its name, where it has no group.
    pub(crate) instance: Option<Arc<str>>,
    /// There as soon as the broker has been reached.
    source: OnceLock<Arc<dyn Source>>,
    state: watch::Sender<Ready>,
    pub(crate) dedupe: Arc<dyn DedupeStore>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) lease: Duration,
    pub(crate) prefetch: usize,
    pub(crate) max_clock_skew: Duration,
    held: Mutex<Held>,
    /// Wakes the task that settles.
    settling: Notify,
    /// Wakes whoever runs errands: there is another one.
    errands: Notify,
    /// Wakes the pump: there is room.
    room: Notify,
    /// Told when everything is settled.
    flushed: Notify,
    closing: watch::Sender<bool>,
}

impl Remote {
    pub(crate) fn new(
        transport: Arc<dyn MessageTransport>,
        spec: SubscriptionSpec,
        dedupe: Arc<dyn DedupeStore>,
        ledger: Arc<Ledger>,
        tally: Arc<Tally>,
        max_clock_skew: Duration,
    ) -> Self {
        let alone = spec.group.is_none();
        Self {
            transport,
            instance: alone.then(|| Uuid::now_v7().to_string().into()),
            lease: spec.lease,
            prefetch: spec.prefetch,
            spec,
            source: OnceLock::new(),
            state: watch::Sender::new(Ready::Connecting(None)),
            dedupe,
            ledger,
            tally,
            max_clock_skew,
            held: Mutex::default(),
            settling: Notify::new(),
            errands: Notify::new(),
            room: Notify::new(),
            flushed: Notify::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// How much room makes a round trip to the broker worth it.
    fn worth_it(&self) -> usize {
        self.prefetch.div_ceil(4)
    }

    /// Returns how many more messages may be held.
    fn free(&self, held: &Held) -> usize {
        if held.bytes >= self.spec.prefetch_bytes {
            return 0;
        }
        self.prefetch.saturating_sub(held.items.len())
    }

    /// Holds messages that came at a time, all at once, so that the lease of each is kept while those
    /// before it are taken in. Returns those that are not here already; of these, only the token is
    /// new.
    fn hold(&self, mut messages: Vec<Incoming>, renewed: Instant) -> Vec<Incoming> {
        let mut table = self.held.lock();
        messages.retain(|message| {
            let Incoming {
                id, token, size, ..
            } = message;
            // Nearly always there are none, and then no name need be hashed.
            let kept_its_place = !table.lost.is_empty() && table.lost.remove(id).is_some();
            let hold = Hold {
                token: *token,
                renewed,
                size: *size,
            };
            let known = table.insert(Arc::clone(id), hold);
            !known && !kept_its_place
        });
        messages
    }

    /// Nothing more is taken in.
    fn intake_is_over(&self) {
        self.held.lock().intake_is_over = true;
        self.state.send_if_modified(|state| {
            let never_reached = matches!(state, Ready::Connecting(_));
            if never_reached {
                *state = Ready::Closed;
            }
            never_reached
        });
        self.settling.notify_one();
        self.flushed.notify_waiters();
    }

    /// Returns whether a message that is not held any more may come again, so that those after it
    /// are to wait.
    ///
    /// It may never come, because another consumer of the group has it; so this ends.
    pub(crate) fn may_come_again(&self, id: &str) -> bool {
        let reachable = self.health().is_up();
        let mut held = self.held.lock();
        let Some(until) = held.lost.get_mut(id) else {
            return false;
        };
        if !reachable {
            *until = self.keeps_its_place_until();
        }
        *until > Instant::now() && !*self.closing.borrow()
    }

    fn keeps_its_place_until(&self) -> Instant {
        Instant::now() + self.lease * KEEPS_ITS_PLACE
    }

    /// A message that is not held any more has left its place.
    pub(crate) fn give_up(&self, id: &str) {
        self.held.lock().lost.remove(id);
        // It may have been the last that something could still come of.
        self.settling.notify_one();
        self.flushed.notify_waiters();
    }

    /// Returns how many messages are here that are not held any more.
    pub(crate) fn lost(&self) -> usize {
        self.held.lock().lost.len()
    }

    /// Returns whether the message still belongs to this consumer.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.held.lock().items.contains_key(id)
    }

    /// Returns whether the message belongs to this consumer, and its lease has not run out either
    /// while nobody could look after it, as where the process was stopped.
    pub(crate) fn has_lease(&self, id: &str) -> bool {
        let table = self.held.lock();
        let hold = table.items.get(id);
        hold.is_some_and(|hold| hold.renewed.elapsed() < self.lease)
    }

    /// The message is done, and what was begun on it broken off if no handler has handled it.
    pub(crate) fn ack(&self, id: &str, broken_off: Option<BrokenOff>) {
        let mut held = self.held.lock();
        held.failures.remove(id);
        self.let_go(held, id, Disposition::Ack, broken_off);
    }

    /// Remembers why a message failed that is to be tried again.
    pub(crate) fn note_failure(&self, id: &Arc<str>, kind: FailureKind, error: String) {
        self.held.lock().failures.note(id, kind, error);
    }

    /// Returns whether this process has seen a message fail.
    pub(crate) fn has_failed(&self, id: &str) -> bool {
        self.held.lock().failures.get(id).is_some()
    }

    /// The message goes back to the group, which gets it after some time, with what was begun on it
    /// broken off.
    pub(crate) fn release(&self, id: &str, after: Duration, broken_off: Option<BrokenOff>) {
        self.let_go(
            self.held.lock(),
            id,
            Disposition::Nack { after },
            broken_off,
        );
    }

    /// Lets the broker deliver a message again with which nobody has begun.
    pub(crate) fn return_untouched(&self, id: &str) {
        self.let_go(self.held.lock(), id, Disposition::Return, None);
    }

    fn let_go(
        &self,
        mut held: parking_lot::MutexGuard<'_, Held>,
        id: &str,
        disposition: Disposition,
        broken_off: Option<BrokenOff>,
    ) {
        if let Some(broken_off) = broken_off {
            // Held until that is done, with its lease renewed.
            let settles = Some((id.into(), disposition));
            self.add_errand(held, Errand::BreakOff(broken_off, settles));
            return;
        }
        let was_lost = !held.lost.is_empty() && held.lost.remove(id).is_some();
        let was_full = self.free(&held) == 0;
        let settlement = held
            .remove(id)
            .map(|Hold { token, .. }| (token, disposition));
        // What belongs to another consumer by now is not settled.
        let Some(settlement) = settlement else {
            drop(held);
            if was_lost {
                self.settling.notify_one();
                self.flushed.notify_waiters();
            }
            return;
        };
        held.waiting.push(settlement);
        let first = held.waiting.len() == 1;
        let free = self.free(&held);
        let room = (was_full && free > 0) || free == self.worth_it();
        drop(held);
        if first {
            self.settling.notify_one();
        }
        if room {
            self.room.notify_one();
        }
    }

    fn add_errand(&self, mut held: parking_lot::MutexGuard<'_, Held>, errand: Errand) {
        held.errands.push_back(errand);
        drop(held);
        self.errands.notify_one();
    }

    /// Notes that a dead letter is about to be handled again.
    ///
    /// Returns whether that may be: not when nothing is settled any more.
    pub(crate) fn redrive(&self, id: &DeadLetterId, redriving: Redriving) -> bool {
        let mut held = self.held.lock();
        if !held.intake_is_over {
            held.redriven.insert(id.clone(), redriving);
        }
        !held.intake_is_over
    }

    /// A dead letter was handled again, and is to be removed.
    pub(crate) fn forget(&self, letter: &DeadLetterId, broken_off: Option<BrokenOff>) {
        if let Some(broken_off) = broken_off {
            self.add_errand(self.held.lock(), Errand::BreakOff(broken_off, None));
        }
        self.add_errand(self.held.lock(), Errand::Remove(letter.clone()));
    }

    /// A dead letter was not handled again, and stays.
    pub(crate) fn keep(&self, letter: &DeadLetterId, broken_off: Option<BrokenOff>) {
        let mut held = self.held.lock();
        held.redriven.remove(letter);
        match broken_off {
            Some(broken_off) => self.add_errand(held, Errand::BreakOff(broken_off, None)),
            None => drop(held),
        }
        self.settling.notify_one();
        self.flushed.notify_waiters();
    }

    /// Stores a dead letter, and returns its name if the broker has confirmed it.
    pub(crate) async fn bury(&self, letter: &DeadLetter) -> Option<DeadLetterId> {
        match self.transport.dead_letter(letter).await {
            Ok(id) => Some(id),
            Err(error) => {
                tracing::warn!(
                    subscription = &*letter.subscription,
                    %error,
                    "dead letter could not be stored, its event stays where it is"
                );
                None
            }
        }
    }

    /// Returns what went wrong with an event before, as far as this process knows.
    pub(crate) fn failure(&self, id: &str) -> Option<Failure> {
        self.held.lock().failures.get(id).cloned()
    }

    /// Takes no more messages from the broker; what is held can still be settled.
    pub(crate) fn stop(&self) {
        self.closing.send_replace(true);
        self.settling.notify_one();
    }

    /// Returns whether every settlement has reached the broker.
    pub(crate) fn is_flushed(&self) -> bool {
        self.held.lock().is_flushed()
    }

    /// Returns whether nothing is here, nothing comes, and every settlement has reached the broker.
    ///
    /// What was lost counts, because it may still be handled, and broken off then. It leaves its
    /// place at the latest when its queue is closed, or when it comes again.
    fn is_through(&self) -> bool {
        let held = self.held.lock();
        let nothing = held.items.is_empty() && held.lost.is_empty() && held.redriven.is_empty();
        held.intake_is_over && nothing && held.is_flushed()
    }

    /// Waits until nothing is here, nothing comes, and every settlement has reached the broker. It
    /// must have been [stopped](Self::stop), and its queue closed.
    ///
    /// A worker that has handled something is not at it any more before it says so here; so what is
    /// on its way to the broker is not all that is waited for.
    pub(crate) async fn flush(&self) {
        loop {
            let flushed = self.flushed.notified();
            if self.is_through() {
                return;
            }
            flushed.await;
        }
    }

    /// Waits until the broker knows the subscription.
    pub(crate) async fn ready(&self) -> Result<(), SubscribeError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, Ready::Connecting(_)));
        match settled.await.as_deref() {
            Ok(Ready::Failed(message)) => Err(SubscribeError::Refused {
                message: message.clone(),
            }),
            Ok(Ready::Closed) | Err(_) => Err(SubscribeError::Closed),
            Ok(_) => Ok(()),
        }
    }

    pub(crate) fn health(&self) -> TransportHealth {
        if let Some(source) = self.source.get() {
            return source.health();
        }
        match &*self.state.borrow() {
            Ready::Connecting(error) => {
                TransportHealth::new(Connection::Reconnecting).with_last_error(error.clone())
            }
            Ready::Failed(error) => {
                TransportHealth::new(Connection::Closed).with_last_error(Some(error.clone()))
            }
            Ready::Closed => TransportHealth::new(Connection::Closed),
            Ready::Up => TransportHealth::new(Connection::Up),
        }
    }
}

/// How far a subscription has come.
#[derive(Debug)]
enum Ready {
    /// With the last failure, if it took more than one try.
    Connecting(Option<String>),
    Up,
    /// It ended before the broker could be reached.
    Closed,
    /// It was refused for good.
    Failed(String),
}
