//! A service with a timeout around it.

use std::future::Future;

use contexter_service::{Cx, DefaultClock, Elapsed, Service, Timer};

use crate::Timeout;
use crate::timed::{Flat, Timed};

/// A service with a [`Timeout`] around every call, from [`Timeout::service`].
///
/// An elapsed time becomes the service's own error by `From<Elapsed>`. With feature `tower` it is
/// also a `tower_service::Service`, and `Timeout` a `tower_layer::Layer` that makes it.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::time::Duration;
/// use contexter_service::{Elapsed, Service};
/// use contexter_timeout::Timeout;
///
/// struct Silent;
///
/// impl Service<&'static str> for Silent {
///     type Response = String;
///     type Error = Elapsed;
///
///     async fn call(&self, _question: &'static str) -> Result<String, Elapsed> {
///         std::future::pending().await
///     }
/// }
///
/// let service = Timeout::new(Duration::from_secs(5))?.service(Silent);
/// assert_eq!(service.call("Anybody there?").await.unwrap_err().after.as_secs(), 5);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TimeoutService<S, T = DefaultClock> {
    pub(crate) timeout: Timeout<T>,
    pub(crate) inner: S,
}

impl<S: Clone, T> Clone for TimeoutService<S, T> {
    fn clone(&self) -> Self {
        Self::new(self.timeout.clone(), self.inner.clone())
    }
}

impl<S, T> TimeoutService<S, T> {
    pub(crate) fn new(timeout: Timeout<T>, inner: S) -> Self {
        Self { timeout, inner }
    }

    /// Returns the timeout.
    #[must_use]
    pub fn timeout(&self) -> &Timeout<T> {
        &self.timeout
    }

    /// Returns the bare service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the bare service back.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<Req, S, T> Service<Req> for TimeoutService<S, T>
where
    Req: Send,
    S: Service<Req>,
    S::Error: From<Elapsed>,
    T: Timer,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service until its time is over.
    ///
    /// # Errors
    ///
    /// [`Elapsed`], turned into the service's error; otherwise the service's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the call and the timer.
    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        let shared = &*self.timeout.shared;
        let begin = move |_cx| self.inner.call(req);
        Flat::new(Timed::new(shared, shared.limit(), Cx::new(), begin))
    }
}
