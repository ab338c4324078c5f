//! The timeout as a layer of `tower`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use contexter_service::{Cx, Elapsed, ReadyCall, Timer};
use pin_project_lite::pin_project;

use crate::shared::Shared;
use crate::timed::{Begin, Flat, Timed};
use crate::{Timeout, TimeoutService};

/// All services of one layer, and of its clones, share the timeout.
impl<S, T: Timer> tower_layer::Layer<S> for Timeout<T> {
    type Service = TimeoutService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// A service of `tower` and its request.
struct Sending<S, Req> {
    service: S,
    req: Req,
}

impl<S: tower_service::Service<Req>, Req> Begin<ReadyCall<S, Req>> for Sending<S, Req> {
    fn begin(self, _cx: Cx) -> ReadyCall<S, Req> {
        ReadyCall::new(self.service, self.req)
    }
}

/// Always ready: the wait for the inner service is part of the call and of its time. Each call takes
/// a clone of the inner service, waits until it is ready, and calls that clone; an error of
/// `poll_ready` ends the call. When no time is left, the inner service is neither polled nor called.
impl<Req, S, T> tower_service::Service<Req> for TimeoutService<S, T>
where
    S: tower_service::Service<Req, Error: From<Elapsed>> + Clone,
    T: Timer,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TimeoutFuture<S, Req, T>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let shared = Arc::clone(&self.timeout.shared);
        let limit = shared.limit();
        let service = self.inner.clone();
        TimeoutFuture {
            inner: Flat::new(Timed::new(
                shared,
                limit,
                Cx::new(),
                Sending { service, req },
            )),
        }
    }
}

pin_project! {
    /// The future of a call through a [`TimeoutService`] by `tower`. It owns what it needs and
    /// allocates nothing.
    #[must_use = "futures do nothing unless polled"]
    pub struct TimeoutFuture<S: tower_service::Service<Req>, Req, T: Timer> {
        #[pin]
        inner: Flat<Arc<Shared<T>>, Sending<S, Req>, ReadyCall<S, Req>, T>,
    }
}

impl<S: tower_service::Service<Req>, Req, T: Timer> fmt::Debug for TimeoutFuture<S, Req, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutFuture").finish_non_exhaustive()
    }
}

impl<S, Req, T> Future for TimeoutFuture<S, Req, T>
where
    S: tower_service::Service<Req, Error: From<Elapsed>>,
    T: Timer,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
