//! A service behind a breaker.

use std::fmt;
use std::future::Future;

use contexter_service::{Classify, Clock, DefaultClock, ErrIsFailure, Open, Service};

use crate::Breaker;
use crate::call::Flat;

/// A service behind a [`Breaker`]; from [`Breaker::service`].
///
/// A refused call does not reach the inner service; its error is made `From<Open>`. With feature
/// `tower` it is a `tower` service too, and the breaker a layer that makes it. Clones share the
/// breaker.
///
/// # Examples
///
/// ```
/// use contexter_breaker::{Breaker, Config, Error};
/// use contexter_service::Service;
///
/// struct Down;
///
/// impl Service<u8> for Down {
///     type Response = ();
///     type Error = Error<&'static str>;
///
///     async fn call(&self, _req: u8) -> Result<(), Self::Error> {
///         Err(Error::Inner("connection refused"))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let breaker = Breaker::new(Config::new().failure_threshold(1))?;
/// let service = breaker.service(Down);
/// assert!(!service.call(1).await.unwrap_err().is_open());
/// assert!(service.call(2).await.unwrap_err().is_open());
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BreakerService<S, C: Clock = DefaultClock, K = ErrIsFailure> {
    pub(crate) inner: S,
    pub(crate) breaker: Breaker<C, K>,
}

impl<S, C: Clock, K> BreakerService<S, C, K> {
    pub(crate) fn new(inner: S, breaker: Breaker<C, K>) -> Self {
        Self { inner, breaker }
    }

    /// Returns the breaker.
    pub fn breaker(&self) -> &Breaker<C, K> {
        &self.breaker
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Clone, C: Clock, K: Clone> Clone for BreakerService<S, C, K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            breaker: self.breaker.clone(),
        }
    }
}

impl<S: fmt::Debug, C: Clock, K> fmt::Debug for BreakerService<S, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerService")
            .field("inner", &self.inner)
            .field("breaker", &self.breaker)
            .finish()
    }
}

impl<Req, S, C, K> Service<Req> for BreakerService<S, C, K>
where
    Req: Send,
    S: Service<Req>,
    S::Error: From<Open>,
    C: Clock,
    K: Classify<Result<S::Response, S::Error>>,
{
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        Flat::new(&self.breaker, move || self.inner.call(req))
    }
}
