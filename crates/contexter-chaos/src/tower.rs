//! Fault injection as a layer of `tower`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Cx, ReadyCall, Timer};
use pin_project_lite::pin_project;

use crate::injected::Injected;
use crate::{Chaos, ChaosService, Outcome, When};

/// All services of one layer, and of its clones, share the settings, the switch and the sequence.
impl<S, F: Clone, P: Clone, T: Clone> tower_layer::Layer<S> for Chaos<F, P, T> {
    type Service = ChaosService<S, F, P, T>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// Always ready: the wait for the inner service is part of the call. Each call takes a clone of the
/// inner service and of what the chaos is made of, waits until the service is ready, and calls that
/// clone; an error of `poll_ready` ends the call. A call that meets an error, a hang or a panic
/// neither polls nor calls the inner service.
impl<Req, S, F, P, T, W> tower_service::Service<Req> for ChaosService<S, F, P, T, W>
where
    S: tower_service::Service<Req> + Clone,
    F: Outcome<Result<S::Response, S::Error>> + Clone,
    P: When<Cx> + Clone,
    T: Timer + Clone,
    W: When<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ChaosFuture<S, Req, F, P, T>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let may = self.chaos.is_enabled() && self.when.may(&req);
        let fut = ReadyCall::new(self.inner.clone(), req);
        ChaosFuture {
            inner: Injected::new(self.chaos.clone(), Cx::new(), may, fut),
        }
    }
}

pin_project! {
    /// The future of a call through a [`ChaosService`] by `tower`. It owns what it needs and
    /// allocates nothing.
    #[must_use = "futures do nothing unless polled"]
    pub struct ChaosFuture<S: tower_service::Service<Req>, Req, F, P, T: Timer> {
        #[pin]
        inner: Injected<Chaos<F, P, T>, ReadyCall<S, Req>, F, P, T>,
    }
}

impl<S, Req, F, P, T> fmt::Debug for ChaosFuture<S, Req, F, P, T>
where
    S: tower_service::Service<Req>,
    T: Timer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosFuture").finish_non_exhaustive()
    }
}

impl<S, Req, F, P, T> Future for ChaosFuture<S, Req, F, P, T>
where
    S: tower_service::Service<Req>,
    F: Outcome<Result<S::Response, S::Error>>,
    P: When<Cx>,
    T: Timer,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
