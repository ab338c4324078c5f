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
use crate::queue::{Queue, State};
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
#[derive(Debug)]
pub(crate) struct Observing {
    ends: Ends,
    untold: Arc<Untold>,
}

/// What the observers of a queue are not told yet.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    count: AtomicUsize,
    none: Notify,
}

impl Untold {
    /// Waits until everything so far was told.
    pub(crate) async fn none(&self) {
        loop {
            let none = self.none.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

/// One end that is not told yet.
#[derive(Debug)]
struct Pending(Arc<Untold>);

impl Pending {
    fn new(untold: &Arc<Untold>) -> Self {
        untold.count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(untold))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

/// That an end is told to whoever observes now, also if nobody does any more when it is.
///
/// It is asked for under the lock under which an item is settled, because the last member of a group
/// may leave right after that.
#[must_use = "an end that is not told is lost"]
#[derive(Debug)]
pub(crate) struct Promise(Option<(Ends, Pending)>);

type Ends = mpsc::Sender<(Unhandled, Pending)>;

impl Observing {
    /// Returns the way to an observer, and the task that tells it: each for at most `limit`. What it
    /// is not told yet counts as `untold`.
    pub(crate) fn new(
        observer: Observer,
        limit: Duration,
        untold: &Arc<Untold>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (ends, waiting) = mpsc::channel(UNTOLD);
        let untold = Arc::clone(untold);
        (Self { ends, untold }, tell(observer, waiting, limit))
    }
}

impl State {
    /// Promises that an end is told, if anybody is there to be told.
    pub(crate) fn promise(&self) -> Promise {
        let observing = self.observing.as_ref();
        Promise(observing.map(|Observing { ends, untold }| (ends.clone(), Pending::new(untold))))
    }
}

async fn tell(
    Observer(observer): Observer,
    mut waiting: mpsc::Receiver<(Unhandled, Pending)>,
    limit: Duration,
) {
    while let Some((end, pending)) = waiting.recv().await {
        let subscription = Arc::clone(&end.subscription);
        let call = async { within(limit, observer(end)).await };
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(Some(())) => {}
            Ok(None) => {
                tracing::warn!(%subscription, ?limit, "observer took too long and was cancelled");
            }
            Err(_panic) => tracing::error!(%subscription, "observer panicked"),
        }
        drop(pending);
    }
}

impl Queue {
    /// Tells the observer, as promised, that an item is settled. No lock may be held.
    pub(crate) fn observe(
        &self,
        promise: Promise,
        item: &Item,
        reason: impl FnOnce() -> UnhandledReason,
    ) {
        self.observe_with(promise, |queue| Unhandled {
            subscription: Arc::clone(&queue.name),
            group: queue.group.clone(),
            message: DeadMessage::Event(Arc::clone(&item.event)),
            origin: item.leased().map(|leased| Arc::clone(&leased.id)),
            attempts: item.attempt().saturating_sub(1).min(queue.attempts.max),
            reason: reason(),
        });
    }

    /// Tells the observer, as promised, of what is settled. No lock may be held.
    pub(crate) fn observe_with(
        &self,
        Promise(promise): Promise,
        end: impl FnOnce(&Self) -> Unhandled,
    ) {
        let Some((ends, pending)) = promise else {
            return;
        };
        if ends.try_send((end(self), pending)).is_ok() {
            return;
        }
        let mut state = self.state.lock();
        state.count(&self.tally, |stats| stats.untold += 1);
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
