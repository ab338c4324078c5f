//! The hedge as a `tower` layer and service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Cx, Timer};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

use super::race::Race;
use crate::operation::Operation;
use crate::repeat::{Kept, Repeat};
use crate::{Hedge, HedgeService};

/// All services of a layer share its settings and its budget.
impl<S, T: Timer + Clone, K: Clone> Layer<S> for Hedge<T, K> {
    type Service = HedgeService<S, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// The first attempt is made on the very instance that was polled ready, and every further one on
/// a clone of its own, after that has been polled ready. An error of getting ready is the outcome
/// of that attempt.
impl<Req, S, T, K, R> Service<Req> for HedgeService<S, T, K, R>
where
    S: Service<Req> + Clone,
    T: Timer + Clone,
    K: Classify<Result<S::Response, S::Error>> + Clone,
    R: Repeat<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, Req, T, K, R>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let next = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, next);
        let cx = self.repeat.cx(&req);
        let send = SendBeside {
            ready: Some(ready),
            template: self.inner.clone(),
            kept: Kept::new(req),
            repeat: self.repeat.clone(),
        };
        HedgeFuture {
            race: Race::new(self.hedge.clone(), cx, send),
        }
    }
}

/// Sends one request to several instances.
struct SendBeside<S, Req, R> {
    ready: Option<S>,
    /// Only cloned, never called: it has not been polled ready.
    template: S,
    kept: Kept<Req>,
    repeat: R,
}

impl<S, Req, R> Operation<Oneshot<S, Req>> for SendBeside<S, Req, R>
where
    S: Service<Req> + Clone,
    R: Repeat<Req>,
{
    #[inline]
    fn begin(&mut self, cx: Cx, last: bool) -> (Oneshot<S, Req>, bool) {
        let (req, repeatable) = self.kept.next(&self.repeat, cx, last);
        let instance = self.ready.take().unwrap_or_else(|| self.template.clone());
        (Oneshot::new(instance, req), repeatable)
    }
}

pin_project! {
    /// The future of a [`HedgeService`] as a `tower` service. It owns all it needs.
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgeFuture<S, Req, T, K, R>
    where
        S: Service<Req>,
        T: Timer,
    {
        #[pin]
        race: Race<Hedge<T, K>, SendBeside<S, Req, R>, Oneshot<S, Req>, T, K>,
    }
}

impl<S: Service<Req>, Req, T: Timer, K, R> fmt::Debug for HedgeFuture<S, Req, T, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeFuture")
            .field("cx", &self.race.cx())
            .finish_non_exhaustive()
    }
}

impl<S, Req, T, K, R> Future for HedgeFuture<S, Req, T, K, R>
where
    S: Service<Req> + Clone,
    T: Timer,
    K: Classify<Result<S::Response, S::Error>>,
    R: Repeat<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().race.poll(task)
    }
}
