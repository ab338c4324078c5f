//! The limits as layers of `tower`.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{ContextOf, Cx, Timer};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Begin, Flat};
use crate::mechanism::{Gate, Pass};
use crate::{
    AdaptiveLimit, AdaptiveService, Bulkhead, BulkheadService, LimitService, RateLimitService,
    RateLimiter,
};

/// All services of one layer, and of its clones, share the limiter.
impl<S, T: Timer, K: Clone> Layer<S> for RateLimiter<T, K> {
    type Service = RateLimitService<S, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// All services of one layer, and of its clones, share the bulkhead.
impl<S, T: Timer> Layer<S> for Bulkhead<T> {
    type Service = BulkheadService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// All services of one layer, and of its clones, share the limit.
impl<S, T: Timer, K: Clone> Layer<S> for AdaptiveLimit<T, K> {
    type Service = AdaptiveService<S, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// A call that has not touched its service yet.
struct Prepared<Fut>(Fut);

impl<Fut> Begin<Fut> for Prepared<Fut> {
    fn begin(self, _cx: Cx) -> Fut {
        self.0
    }
}

/// Always ready: whether a call may pass is asked when its future is first polled, and only when it
/// may is the inner service made ready and called. So a call that is refused or waits does not touch
/// the inner service, and a service that is ready and then not called holds nothing. An error of the
/// inner `poll_ready` ends the call.
impl<Req, S, M, X> Service<Req> for LimitService<S, M, X>
where
    S: Service<Req> + Clone,
    M: Gate<Refusal: Into<S::Error>, Pass: Pass<Result<S::Response, S::Error>>> + Clone,
    X: ContextOf<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LimitFuture<S, Req, M>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let cx = self.context.context_of(&req);
        // The clone stays for the next call, as everywhere in tower.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        LimitFuture {
            inner: Flat::new(self.limit.clone(), cx, Prepared(Oneshot::new(inner, req))),
        }
    }
}

pin_project! {
    /// The future of a [`LimitService`] as a `tower` service. It owns what it needs and allocates
    /// nothing unless it waits.
    ///
    /// # Cancel safety
    ///
    /// As `call` of the limit.
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitFuture<S: Service<Req>, Req, M: Gate> {
        #[pin]
        inner: Flat<M, Prepared<Oneshot<S, Req>>, Oneshot<S, Req>>,
    }
}

impl<S: Service<Req>, Req, M: Gate> fmt::Debug for LimitFuture<S, Req, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitFuture").finish_non_exhaustive()
    }
}

impl<Req, S, M> Future for LimitFuture<S, Req, M>
where
    S: Service<Req>,
    M: Gate<Refusal: Into<S::Error>, Pass: Pass<Result<S::Response, S::Error>>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
