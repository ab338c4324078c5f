//! The futures of a cached call: one looks, the other asks the far side for all who miss.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::Clock;
use pin_project_lite::pin_project;

use super::Outcome;
use crate::store::Ticket;
use crate::{Eligible, Freshness, JudgeFreshness, ResponseCache, Served};

pin_project! {
    /// The future of [`ResponseCache::run_keyed`].
    ///
    /// `Miss` is the future of the shared execution, which is polled only if nothing is fresh.
    #[must_use = "futures do nothing unless polled"]
    pub struct CachedCall<'a, K, V, E, F, C, P, Miss> {
        cache: &'a ResponseCache<K, V, E, F, C, P>,
        key: &'a K,
        missed: bool,
        #[pin]
        miss: Miss,
    }
}

impl<'a, K, V, E, F, C, P, Miss> CachedCall<'a, K, V, E, F, C, P, Miss> {
    pub(super) fn new(cache: &'a ResponseCache<K, V, E, F, C, P>, key: &'a K, miss: Miss) -> Self {
        Self {
            cache,
            key,
            missed: false,
            miss,
        }
    }
}

impl<K, V, E, F, C, P, Miss> fmt::Debug for CachedCall<'_, K, V, E, F, C, P, Miss> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCall")
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl<K, V, E, F, C, P, Miss> Future for CachedCall<'_, K, V, E, F, C, P, Miss>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    C: Clock,
    Miss: Future<Output = Outcome<V, E>>,
{
    type Output = Outcome<V, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !*this.missed {
            if let Some(out) = this.cache.get(this.key) {
                return Poll::Ready(out.map(Served::Fresh));
            }
            this.cache.missed();
            *this.missed = true;
        }
        this.miss.poll(cx)
    }
}

pin_project! {
    /// The execution of a miss, for all who share it. It owns what it needs, since any of them may
    /// be gone before it ends.
    pub(super) struct Fetch<K, V, E, F, C, P, Fut> {
        #[pin]
        stage: Stage<K, V, E, F, C, P, Fut>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<K, V, E, F, C, P, Fut> {
        Found { out: Option<Result<V, E>> },
        Calling {
            #[pin] fut: Fut,
            cache: ResponseCache<K, V, E, F, C, P>,
            key: K,
            tickets: Tickets,
        },
    }
}

impl<K, V, E, F, C, P, Fut> Fetch<K, V, E, F, C, P, Fut> {
    /// A value that another execution stored after this call had missed.
    pub(super) fn found(out: Result<V, E>) -> Self {
        Self {
            stage: Stage::Found { out: Some(out) },
        }
    }

    pub(super) fn call(
        cache: ResponseCache<K, V, E, F, C, P>,
        key: K,
        tickets: Tickets,
        fut: Fut,
    ) -> Self {
        Self {
            stage: Stage::Calling {
                fut,
                cache,
                key,
                tickets,
            },
        }
    }
}

impl<K, V, E, F, C, P, Fut> Future for Fetch<K, V, E, F, C, P, Fut>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    F: JudgeFreshness<V, E>,
    C: Clock,
    P: Eligible<E>,
    Fut: Future<Output = Result<V, E>>,
{
    type Output = Outcome<V, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Found { out } => {
                let out = out
                    .take()
                    .expect("a flight does not poll an execution that has ended");
                Poll::Ready(out.map(Served::Fresh))
            }
            StageProjection::Calling {
                fut,
                cache,
                key,
                tickets,
            } => fut.poll(cx).map(|out| cache.settle(key, *tickets, out)),
        }
    }
}

/// The right to store an outcome: a value or an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tickets {
    value: Ticket,
    error: Ticket,
}

impl<K, V, E, F, C, P> ResponseCache<K, V, E, F, C, P>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    C: Clock,
{
    pub(super) fn tickets(&self, key: &K) -> Tickets {
        Tickets {
            value: self.values.ticket(key),
            error: self.shared.errors.ticket(key),
        }
    }

    /// Stores an outcome, or finds a stale value for it.
    fn settle(&self, key: &K, tickets: Tickets, out: Result<V, E>) -> Outcome<V, E>
    where
        F: JudgeFreshness<V, E>,
        P: Eligible<E>,
    {
        let freshness = self.freshness.freshness(&out, self.config().freshness());
        let out = self.values.settle(key, tickets.value, freshness, out);
        // An error is remembered for as long as it is fresh; there is no error to stand in for one.
        if let Err(error) = &out
            && !freshness.fresh_for.is_zero()
        {
            let freshness = Freshness::fresh_for(freshness.fresh_for);
            let (key, error, now) = (key.clone(), error.clone(), self.values.now());
            self.shared
                .errors
                .keep(tickets.error, key, error, freshness, 1, now);
        }
        out
    }
}
