//! The retry as a `tower` layer and service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Cx, Timer};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::operation::Operation;
use crate::repeat::{Kept, Repeat};
use crate::run::Run;
use crate::{Retry, RetryService};

/// All services of a layer share its settings and its budget.
///
/// Where requests are not simply cloned, use [`RetryService::repeat_by`] within
/// `tower::ServiceBuilder::layer_fn`.
impl<S, T: Timer + Clone, K: Clone> Layer<S> for Retry<T, K> {
    type Service = RetryService<S, T, K>;

    fn layer(&self, inner: S) -> Self::Service {
        self.service(inner)
    }
}

/// The first attempt is made on the very instance that was polled ready, and every further one on
/// the same instance after it has been polled ready again. An error of getting ready is final.
impl<Req, S, T, K, R> Service<Req> for RetryService<S, T, K, R>
where
    S: Service<Req> + Clone,
    T: Timer + Clone,
    K: Classify<Result<S::Response, S::Error>> + Clone,
    R: Repeat<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, Req, T, K, R>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let next = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, next);
        let cx = self.repeat.cx(&req);
        let resend = Resend {
            inner: ready,
            kept: Kept::new(req),
            repeat: self.repeat.clone(),
        };
        RetryFuture {
            run: Run::new(self.retry.clone(), cx, resend),
        }
    }
}

/// Sends one request again and again to one instance.
struct Resend<S, Req, R> {
    inner: S,
    kept: Kept<Req>,
    repeat: R,
}

impl<S, Req, R> Operation<S::Future> for Resend<S, Req, R>
where
    S: Service<Req>,
    R: Repeat<Req>,
{
    fn poll_ready(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Result<(), Result<S::Response, S::Error>>> {
        self.inner.poll_ready(task).map_err(Err)
    }

    #[inline]
    fn begin(&mut self, cx: Cx, last: bool) -> (S::Future, bool) {
        let (req, repeatable) = self.kept.next(&self.repeat, cx, last);
        (self.inner.call(req), repeatable)
    }
}

pin_project! {
    /// The future of a [`RetryService`] as a `tower` service. It owns all it needs.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, Req, T, K, R>
    where
        S: Service<Req>,
        T: Timer,
    {
        #[pin]
        run: Run<Retry<T, K>, Resend<S, Req, R>, S::Future, T, K>,
    }
}

impl<S: Service<Req>, Req, T: Timer, K, R> fmt::Debug for RetryFuture<S, Req, T, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture")
            .field("cx", &self.run.cx())
            .finish_non_exhaustive()
    }
}

impl<S, Req, T, K, R> Future for RetryFuture<S, Req, T, K, R>
where
    S: Service<Req>,
    T: Timer,
    K: Classify<Result<S::Response, S::Error>>,
    R: Repeat<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(task)
    }
}
