//! The face for `tower`: a layer, and a service with a future that has a name and no box.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Clock, Open};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Begin, Flat};
use crate::{Breaker, BreakerService};

/// All services of one layer, and of its clones, are behind the same breaker.
impl<S, C: Clock, K: Clone> Layer<S> for Breaker<C, K> {
    type Service = BreakerService<S, C, K>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// Always ready: whether a call is admitted is asked when its future is first polled, and only then
/// is the inner service made ready and called. So a refused call does not touch the inner service,
/// and a service that is ready and then not called holds no probe's place.
impl<Req, S, C, K> Service<Req> for BreakerService<S, C, K>
where
    S: Service<Req> + Clone,
    S::Error: From<Open>,
    C: Clock,
    K: Classify<Result<S::Response, S::Error>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BreakerFuture<S, Req, C, K>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        // The clone stays for the next call, as everywhere in tower.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        BreakerFuture {
            inner: Flat::new(self.breaker.clone(), Prepared(Oneshot::new(inner, req))),
        }
    }
}

/// A call that has not touched its service yet.
struct Prepared<Fut>(Fut);

impl<Fut> Begin<Fut> for Prepared<Fut> {
    fn begin(self) -> Fut {
        self.0
    }
}

pin_project! {
    /// The future of a [`BreakerService`] as a `tower` service.
    ///
    /// # Cancel safety
    ///
    /// As [`Breaker::call`].
    #[must_use = "futures do nothing unless polled"]
    pub struct BreakerFuture<S: Service<Req>, Req, C: Clock, K> {
        #[pin]
        inner: Flat<Breaker<C, K>, Prepared<Oneshot<S, Req>>, Oneshot<S, Req>>,
    }
}

impl<S: Service<Req>, Req, C: Clock, K> fmt::Debug for BreakerFuture<S, Req, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerFuture").finish_non_exhaustive()
    }
}

impl<Req, S, C, K> Future for BreakerFuture<S, Req, C, K>
where
    S: Service<Req>,
    S::Error: From<Open>,
    C: Clock,
    K: Classify<Result<S::Response, S::Error>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
