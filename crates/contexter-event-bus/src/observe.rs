//! Telling somebody of the events that no handler brought to a good end.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};

use crate::handler::FailureKind;
use crate::lanes::Item;
use crate::queue::Queue;
use crate::transport::{DeadLetterId, DeadMessage};
use crate::worker::within;

/// How many ends may wait to be told. An observer that is slower than events fail or are dropped
/// must not fill the memory.
const UNTOLD: usize = 10_000;

/// An event that is settled although its handler has not handled it: what an
/// [observer](crate::SubscriptionConfig::with_observer) is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unhandled {
    /// The name of the subscription.
    pub subscription: Arc<str>,
    /// The group whose member it is, if it is in one.
    pub group: Option<Arc<str>>,
    /// The event, or the headers and the data of what could not be decoded.
    pub message: DeadMessage,
    /// The place of the event at the broker; none in process.
    pub origin: Option<Arc<str>>,
    /// How many attempts the handler has had, as far as this process knows; 0 if none.
    pub attempts: u32,
    /// Why it was settled.
    pub reason: UnhandledReason,
}

impl Unhandled {
    /// Returns the event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&Arc<IntegrationEvent>> {
        match &self.message {
            DeadMessage::Event(event) => Some(event),
            DeadMessage::Raw(_) => None,
        }
    }
}

/// Why an event was settled that its handler has not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledReason {
    /// It is a dead letter, which is stored by now.
    DeadLettered {
        /// Names the letter, for [`Bus::redrive`](crate::Bus::redrive).
        id: DeadLetterId,
        /// In what way the last attempt failed, or why there was none.
        kind: FailureKind,
        /// The last error with its causes, in one line.
        error: String,
    },
    /// It had expired.
    Expired,
    /// It was handled before.
    Duplicate,
    /// The queue was full, and its policy drops events.
    Dropped,
}

impl UnhandledReason {
    /// Returns its short name, as the metrics have it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::DeadLettered { .. } => "dead_lettered",
            Self::Expired => "expired",
            Self::Duplicate => "duplicate",
            Self::Dropped => "dropped",
        }
    }
}

/// Who is told, erased.
type Tell = dyn Fn(Unhandled) -> BoxFuture<'static, ()> + Send + Sync;

/// Who is told what became of the events of a subscription. Two are equal if they are the same.
#[derive(Clone)]
pub(crate) struct Observer(Arc<Tell>);

impl Observer {
    pub(crate) fn new<F, Fut>(tell: F) -> Self
    where
        F: Fn(Unhandled) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |end| Box::pin(tell(end))))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl PartialEq for Observer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The way of a queue to its observer. The task at the other end goes on until the last subscriber
/// has left and everything was told; so an observer may hold its own bus.
#[derive(Clone, Debug)]
pub(crate) struct Observing {
    /// None when nobody is told any more.
    ends: Option<mpsc::Sender<Unhandled>>,
    pending: Arc<Pending>,
}

/// What is not told yet.
#[derive(Debug, Default)]
struct Pending {
    count: AtomicUsize,
    none: Notify,
}

impl Pending {
    fn told(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none.notify_waiters();
        }
    }
}

impl Observing {
    /// Returns the way to an observer, and the task that tells it: each for at most `limit`.
    pub(crate) fn new(
        observer: Observer,
        limit: Duration,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (ends, waiting) = mpsc::channel(UNTOLD);
        let pending = Arc::new(Pending::default());
        let task = tell(observer, waiting, Arc::clone(&pending), limit);
        let ends = Some(ends);
        (Self { ends, pending }, task)
    }

    /// Tells nothing more but what is on its way.
    pub(crate) fn end(&mut self) {
        self.ends = None;
    }

    /// Has the observer told, soon; returns whether there was room for that.
    fn send(&self, end: impl FnOnce() -> Unhandled) -> bool {
        let Some(ends) = &self.ends else { return true };
        self.pending.count.fetch_add(1, Ordering::AcqRel);
        let sent = ends.try_send(end()).is_ok();
        if !sent {
            self.pending.told();
        }
        sent
    }

    /// Waits until the observer was told everything so far.
    pub(crate) async fn told(self) {
        loop {
            let none = self.pending.none.notified();
            if self.pending.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

async fn tell(
    Observer(observer): Observer,
    mut waiting: mpsc::Receiver<Unhandled>,
    pending: Arc<Pending>,
    limit: Duration,
) {
    while let Some(end) = waiting.recv().await {
        let subscription = Arc::clone(&end.subscription);
        let call = async { within(limit, observer(end)).await };
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(Some(())) => {}
            Ok(None) => {
                tracing::warn!(%subscription, ?limit, "observer took too long and was cancelled");
            }
            Err(_panic) => tracing::error!(%subscription, "observer panicked"),
        }
        pending.told();
    }
}

impl Queue {
    /// Tells the observer, if there is one, that an item is settled. No lock may be held.
    pub(crate) fn observe(&self, item: &Item, reason: impl FnOnce() -> UnhandledReason) {
        self.observe_with(|queue| Unhandled {
            subscription: Arc::clone(&queue.name),
            group: queue.group.clone(),
            message: DeadMessage::Event(Arc::clone(&item.event)),
            origin: item.leased().map(|leased| Arc::clone(&leased.id)),
            attempts: item.attempt().saturating_sub(1).min(queue.attempts.max),
            reason: reason(),
        });
    }

    /// Tells the observer, if there is one, of what is settled. No lock may be held.
    pub(crate) fn observe_with(&self, end: impl FnOnce(&Self) -> Unhandled) {
        let Some(observing) = self.observing() else {
            return;
        };
        if observing.send(|| end(self)) {
            return;
        }
        let mut state = self.state.lock();
        state.stats.untold += 1;
        let first = state.stats.untold == 1;
        drop(state);
        if first {
            tracing::warn!(
                subscription = &*self.name,
                "observer is too slow: it is not told of everything"
            );
        }
    }
}
