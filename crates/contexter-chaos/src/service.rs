//! A service that meets faults.

use std::fmt;
use std::future::Future;

use contexter_service::{Cx, DefaultClock, Service, Start, Timer};

use crate::injected::Injected;
use crate::{Always, Chaos, Outcome, When};

/// A service with a [`Chaos`] in front of it, from [`Chaos::service`].
///
/// `W` says of a request whether its call may meet a fault. With feature `tower` it is also a
/// `tower_service::Service`, and `Chaos` a `tower_layer::Layer` that makes it.
#[derive(Clone)]
pub struct ChaosService<S, F, P = Always, T = DefaultClock, W = Always> {
    pub(crate) chaos: Chaos<F, P, T>,
    pub(crate) inner: S,
    pub(crate) when: W,
}

impl<S, F, P, T, W> ChaosService<S, F, P, T, W> {
    pub(crate) fn new(chaos: Chaos<F, P, T>, inner: S, when: W) -> Self {
        Self { chaos, inner, when }
    }

    /// Lets only those calls meet a fault of whose request `when` holds; the others draw none from
    /// the sequence.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use contexter_chaos::{Chaos, Config};
    /// use contexter_service::Service;
    ///
    /// struct Echo;
    ///
    /// impl Service<&'static str> for Echo {
    ///     type Response = &'static str;
    ///     type Error = &'static str;
    ///
    ///     async fn call(&self, text: &'static str) -> Result<&'static str, &'static str> {
    ///         Ok(text)
    ///     }
    /// }
    ///
    /// let service = Chaos::new(Config::new().error_rate(1.0), |_cx| "injected")?
    ///     .service(Echo)
    ///     .when(|text: &&str| *text != "health");
    /// assert_eq!(service.call("health").await, Ok("health"));
    /// assert_eq!(service.call("search").await, Err("injected"));
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn when<Req, W2>(self, when: W2) -> ChaosService<S, F, P, T, W2>
    where
        W2: Fn(&Req) -> bool + Send + Sync,
    {
        ChaosService::new(self.chaos, self.inner, when)
    }

    /// Returns the chaos.
    #[must_use]
    pub fn chaos(&self) -> &Chaos<F, P, T> {
        &self.chaos
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

impl<S: fmt::Debug, F, P, T: fmt::Debug, W> fmt::Debug for ChaosService<S, F, P, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosService")
            .field("chaos", &self.chaos)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<Req, S, F, P, T, W> Service<Req> for ChaosService<S, F, P, T, W>
where
    Req: Send,
    S: Service<Req>,
    F: Outcome<Result<S::Response, S::Error>>,
    P: When<Cx>,
    T: Timer,
    W: When<Req>,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service, unless the call meets a fault.
    ///
    /// # Errors
    ///
    /// The service's own error, or an injected one.
    ///
    /// # Panics
    ///
    /// Panics if a panic is injected.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the call, or the wait before it.
    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        let cx = Cx::new();
        let may = self.chaos.is_enabled() && self.when.may(&req);
        let fut = Start::new(cx, move |_cx| self.inner.call(req));
        Injected::new(&self.chaos, cx, may, fut)
    }
}
