//! The two ways across to `tower`: its services as ours, and ours as its services.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::Service;

/// Makes a `tower_service::Service` that can be cloned our [`Service`], without a box.
///
/// Each call clones the wrapped service, waits until that clone is ready, and calls that very clone:
/// an instance that was never ready is never called. Waiting for readiness is part of the call, so
/// a deadline around the call covers it, and a permit that `poll_ready` reserves is held by the call
/// alone. An error of `poll_ready` ends the call; the service is then not called.
///
/// A service that cannot be cloned, such as tower's `RateLimit`, goes behind tower's `Buffer`
/// first; one that cannot be shared between threads (`!Sync`) as well.
///
/// # Cancel safety
///
/// Dropping the future of a call drops the clone with whatever readiness it had reserved.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use contexter_service::{FromTower, Service};
/// use tower::service_fn;
///
/// let length = FromTower::new(service_fn(|text: &'static str| async move {
///     Ok::<_, std::io::Error>(text.len())
/// }));
/// assert_eq!(length.call("four").await?, 4);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FromTower<S> {
    inner: S,
}

impl<S> FromTower<S> {
    /// Wraps a service of `tower`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    /// Returns the wrapped service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the wrapped service back.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Performs one call, as [`Service::call`] does, by a future that can be named.
    ///
    /// # Errors
    ///
    /// The error of the service's `poll_ready` or `call`.
    pub fn ready_call<Req>(&self, req: Req) -> ReadyCall<S, Req>
    where
        S: tower_service::Service<Req> + Clone,
    {
        ReadyCall::new(self.inner.clone(), req)
    }
}

impl<Req, S> Service<Req> for FromTower<S>
where
    Req: Send,
    S: tower_service::Service<Req, Response: Send + 'static, Error: Send + 'static, Future: Send>
        + Clone
        + Send
        + Sync,
{
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        self.ready_call(req)
    }
}

pin_project! {
    /// Waits until a `tower_service::Service` is ready, then calls that very instance.
    ///
    /// The first poll asks for readiness; an error of it ends the call. The instance is dropped as
    /// soon as it has been called.
    #[must_use = "futures do nothing unless polled"]
    #[project = ReadyCallProjection]
    pub struct ReadyCall<S: tower_service::Service<Req>, Req> {
        #[pin]
        stage: Stage<S, Req, S::Future>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, Req, Fut> {
        // The request is there until the service is called.
        Readying { service: S, req: Option<Req> },
        Called { #[pin] fut: Fut },
        Done,
    }
}

impl<S: tower_service::Service<Req>, Req> ReadyCall<S, Req> {
    /// Makes the call of `service`, which need not be ready.
    pub const fn new(service: S, req: Req) -> Self {
        Self {
            stage: Stage::Readying {
                service,
                req: Some(req),
            },
        }
    }
}

impl<S: tower_service::Service<Req>, Req> fmt::Debug for ReadyCall<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Readying { .. } => "readying",
            Stage::Called { .. } => "called",
            Stage::Done => "done",
        };
        f.debug_struct("ReadyCall").field("stage", &stage).finish()
    }
}

impl<S: tower_service::Service<Req>, Req> Future for ReadyCall<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        loop {
            match stage.as_mut().project() {
                StageProjection::Readying { service, req } => {
                    match service.poll_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => {
                            stage.set(Stage::Done);
                            return Poll::Ready(Err(error));
                        }
                    }
                    let req = req.take().expect("the stage changes when it is taken");
                    let fut = service.call(req);
                    stage.set(Stage::Called { fut });
                }
                StageProjection::Called { fut } => {
                    let Poll::Ready(out) = fut.poll(cx) else {
                        return Poll::Pending;
                    };
                    stage.set(Stage::Done);
                    return Poll::Ready(out);
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
fn panic_polled_again() -> ! {
    panic!("a call was polled after it had ended")
}

/// Makes our [`Service`] a `tower_service::Service`.
///
/// The future of each call is boxed, once: a method that returns `impl Future` has no future that
/// can be named on stable Rust. The mechanisms' own services (such as a breaker's) implement
/// `tower_service::Service` themselves and need no box.
///
/// It is always ready; whatever a call has to wait for, it waits for inside its future. So nothing
/// is reserved by `poll_ready`, and a clone may be called without it. Clones share the service.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use contexter_service::{IntoTower, Service};
/// use tower::ServiceExt;
///
/// struct Length;
///
/// impl Service<String> for Length {
///     type Response = usize;
///     type Error = std::io::Error;
///
///     async fn call(&self, text: String) -> Result<usize, Self::Error> {
///         Ok(text.len())
///     }
/// }
///
/// let double = IntoTower::new(Length).map_response(|length| length * 2);
/// assert_eq!(double.oneshot("four".to_owned()).await?, 8);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct IntoTower<S> {
    inner: Arc<S>,
}

impl<S> IntoTower<S> {
    /// Wraps one of our services.
    pub fn new(inner: S) -> Self {
        Self::shared(Arc::new(inner))
    }

    /// Wraps a service that others share.
    pub const fn shared(inner: Arc<S>) -> Self {
        Self { inner }
    }

    /// Returns the wrapped service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S> Clone for IntoTower<S> {
    fn clone(&self) -> Self {
        Self::shared(Arc::clone(&self.inner))
    }
}

impl<Req, S> tower_service::Service<Req> for IntoTower<S>
where
    Req: Send + 'static,
    S: Service<Req> + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxedCall<S::Response, S::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let service = Arc::clone(&self.inner);
        BoxedCall {
            fut: Box::pin(async move { service.call(req).await }),
        }
    }
}

/// The future of a call through [`IntoTower`].
#[must_use = "futures do nothing unless polled"]
pub struct BoxedCall<T, E> {
    fut: Pin<Box<dyn Future<Output = Result<T, E>> + Send>>,
}

impl<T, E> fmt::Debug for BoxedCall<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxedCall").finish_non_exhaustive()
    }
}

impl<T, E> Future for BoxedCall<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.fut.as_mut().poll(cx)
    }
}
