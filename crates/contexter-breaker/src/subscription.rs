//! The transitions of a breaker as something to wait for.
//!
//! A list of wakers, one for each subscription, is all that this takes: no queue for each of them,
//! no runtime, and no dependency. The breaker posts and wakes; it never waits for a subscriber.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use contexter_service::BreakerState;

use crate::Transition;
use crate::announce::guarded;
use crate::sync::Mutex;

/// How many transitions are kept for a subscriber who is late. With breaks of a second it is ten
/// seconds or more; the latest state is not lost with them.
const KEPT: usize = 32;

/// What all subscribers of one breaker read.
pub(crate) struct Board {
    posts: Mutex<Posts>,
}

struct Posts {
    state: BreakerState,
    latest: u64,
    kept: VecDeque<Transition>,
    waiting: Vec<(u64, Waker)>,
    subscriptions: u64,
    /// No handle to the breaker is left.
    ended: bool,
}

impl Board {
    pub(crate) fn new(state: BreakerState, latest: u64) -> Self {
        Self {
            posts: Mutex::new(Posts {
                state,
                latest,
                kept: VecDeque::new(),
                waiting: Vec::new(),
                subscriptions: 0,
                ended: false,
            }),
        }
    }

    pub(crate) fn post(&self, transition: Transition) {
        self.posts.hold(|posts| {
            posts.state = transition.to;
            posts.latest = transition.number;
            if posts.kept.len() == KEPT {
                posts.kept.pop_front();
            }
            posts.kept.push_back(transition);
        });
    }

    /// Wakes who waits. A waker may do anything, so no lock is held.
    pub(crate) fn wake(&self) {
        let waiting = self.posts.hold(|posts| std::mem::take(&mut posts.waiting));
        for (_, waker) in waiting {
            guarded(|| waker.wake());
        }
    }

    pub(crate) fn end(&self) {
        self.posts.hold(|posts| posts.ended = true);
        self.wake();
    }

    pub(crate) fn subscribe(self: Arc<Self>) -> Subscription {
        let (id, seen) = self.posts.hold(|posts| {
            posts.subscriptions += 1;
            (posts.subscriptions, posts.latest)
        });
        Subscription {
            board: self,
            id,
            seen,
        }
    }
}

/// The state of a breaker, and its transitions from now on; from
/// [`Breaker::subscribe`](crate::Breaker::subscribe).
///
/// It needs no runtime, never slows the breaker down, and does not keep it alive.
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Breaker, Config};
/// use contexter_service::BreakerState;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let breaker = Breaker::new(Config::new())?;
/// let mut subscription = breaker.subscribe();
/// breaker.isolate();
/// let transition = subscription.changed().await.expect("the breaker is there");
/// assert_eq!(transition.to, BreakerState::Open);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Subscription {
    board: Arc<Board>,
    id: u64,
    seen: u64,
}

impl Subscription {
    /// Returns the latest state, also if transitions to it have not been asked for.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.board.posts.hold(|posts| posts.state)
    }

    /// Waits for the next transition that this subscription has not returned; `None` once no
    /// handle to the breaker is left.
    ///
    /// Transitions come in order, each once. Only the latest 32 are kept: a subscriber who is later
    /// than that misses older ones, and sees it by the gap in [`Transition::number`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no transition.
    pub fn changed(&mut self) -> Changed<'_> {
        Changed { subscription: self }
    }

    /// As [`changed`](Self::changed), for futures and streams written by hand.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        let (id, seen) = (self.id, self.seen);
        // Wakers are others' code: cloned before the lock, and a replaced one dropped after it.
        let waker = cx.waker().clone();
        let (next, _old) = self.board.posts.hold(|posts| {
            let unseen = |transition: &&Transition| transition.number > seen;
            if let Some(&transition) = posts.kept.iter().find(unseen) {
                return (Poll::Ready(Some(transition)), None);
            }
            if posts.ended {
                return (Poll::Ready(None), None);
            }
            let known = posts.waiting.iter_mut().find(|(waiting, _)| *waiting == id);
            let old = if let Some((_, known)) = known {
                Some(std::mem::replace(known, waker))
            } else {
                posts.waiting.push((id, waker));
                None
            };
            (Poll::Pending, old)
        });
        if let Poll::Ready(Some(transition)) = next {
            self.seen = transition.number;
        }
        next
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let id = self.id;
        let waker = self.board.posts.hold(|posts| {
            let at = posts.waiting.iter().position(|(waiting, _)| *waiting == id);
            at.map(|at| posts.waiting.swap_remove(at))
        });
        drop(waker);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("state", &self.state())
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// The future of [`Subscription::changed`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Changed<'a> {
    subscription: &'a mut Subscription,
}

impl Future for Changed<'_> {
    type Output = Option<Transition>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.subscription.poll_changed(cx)
    }
}
