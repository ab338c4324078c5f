//! A service with a fallback around it.

use std::future::Future;
use std::sync::Arc;

use contexter_service::{Cx, Service, Start};

use super::FlatAlternative;
use super::call::Flat;
use crate::{AnyError, Eligible, Fallback};

/// A service with a [`Fallback`] around it, from [`Fallback::service`].
///
/// With feature `tower`, a [`Fallback`] is also a `tower_layer::Layer` that makes it, and it is a
/// `tower_service::Service` if the inner one is. All services of one fallback share its numbers.
#[derive(Debug)]
pub struct FallbackService<S, H, P = AnyError> {
    inner: S,
    fallback: Arc<Fallback<H, P>>,
}

impl<S, H, P> FallbackService<S, H, P> {
    pub(super) fn new(inner: S, fallback: Fallback<H, P>) -> Self {
        Self {
            inner,
            fallback: Arc::new(fallback),
        }
    }

    /// Returns the fallback.
    #[must_use]
    pub fn fallback(&self) -> &Fallback<H, P> {
        &self.fallback
    }

    /// Returns the bare service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the bare service back.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, H, P> Clone for FallbackService<S, H, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            fallback: Arc::clone(&self.fallback),
        }
    }
}

impl<Req, S, H, P> Service<Req> for FallbackService<S, H, P>
where
    Req: Send,
    S: Service<Req>,
    H: FlatAlternative<S::Response, S::Error> + Send + Sync,
    H::Future: Send,
    P: Eligible<S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service, and after an eligible error what stands in for it.
    ///
    /// # Errors
    ///
    /// The service's own error if nothing may stand in for it; otherwise both errors, taken up by
    /// [`From<Both<E>>`](contexter_service::Both).
    ///
    /// # Cancel safety
    ///
    /// As [`Fallback::call`].
    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        Flat::new(
            &*self.fallback,
            Start::new(Cx::new(), move |_cx| self.inner.call(req)),
        )
    }
}

#[cfg(feature = "tower")]
pub use with_tower::TowerCall;

#[cfg(feature = "tower")]
mod with_tower {
    use std::fmt;
    use std::future::Future;
    use std::mem;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use contexter_service::ReadyCall;
    use pin_project_lite::pin_project;

    use super::super::call::Flat;
    use super::super::{Alternative, FlatAlternative};
    use crate::{Eligible, Fallback, FallbackService};

    impl<S, H, P: Clone> tower_layer::Layer<S> for Fallback<H, P> {
        type Service = FallbackService<S, H, P>;

        fn layer(&self, inner: S) -> Self::Service {
            self.service(inner)
        }
    }

    /// Readiness is asked for inside the call, so that an error of `poll_ready` has a fallback too.
    impl<Req, S, H, P> tower_service::Service<Req> for FallbackService<S, H, P>
    where
        S: tower_service::Service<Req> + Clone,
        H: FlatAlternative<S::Response, S::Error>,
        P: Eligible<S::Error>,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = TowerCall<S, Req, H, P>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, req: Req) -> Self::Future {
            // The instance that a caller may have readied is the one that is called.
            let spare = self.inner.clone();
            let inner = mem::replace(&mut self.inner, spare);
            TowerCall {
                inner: Flat::new(Arc::clone(&self.fallback), ReadyCall::new(inner, req)),
            }
        }
    }

    pin_project! {
        /// The future of a [`FallbackService`] as a service of `tower`.
        #[must_use = "futures do nothing unless polled"]
        pub struct TowerCall<S, Req, H, P>
        where
            S: tower_service::Service<Req>,
            H: Alternative<S::Response, S::Error>,
        {
            #[pin]
            inner: Flat<
                Arc<Fallback<H, P>>,
                ReadyCall<S, Req>,
                S::Error,
                <H as Alternative<S::Response, S::Error>>::Future,
            >,
        }
    }

    impl<S, Req, H, P> fmt::Debug for TowerCall<S, Req, H, P>
    where
        S: tower_service::Service<Req>,
        H: Alternative<S::Response, S::Error>,
    {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("TowerCall").finish_non_exhaustive()
        }
    }

    impl<S, Req, H, P> Future for TowerCall<S, Req, H, P>
    where
        S: tower_service::Service<Req>,
        H: FlatAlternative<S::Response, S::Error>,
        P: Eligible<S::Error>,
    {
        type Output = Result<S::Response, S::Error>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            self.project().inner.poll(cx)
        }
    }
}
