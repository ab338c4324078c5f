//! A service with a stack around it.

use contexter_service::{ByVerdict, Classify, Cx, DefaultClock, Elapsed, Open, Service, Timer};

use crate::StandardStack;

/// A service with a [`StandardStack`] around it, from [`StandardStack::service`].
///
/// It is a service of the same requests, so it can be registered as a capability in place of the
/// bare one. Requests are cloned for each attempt.
#[derive(Clone, Debug)]
pub struct Guarded<S, T: Timer = DefaultClock, K = ByVerdict> {
    stack: StandardStack<T, K>,
    service: S,
}

impl<S, T: Timer, K> Guarded<S, T, K> {
    pub(crate) fn new(stack: StandardStack<T, K>, service: S) -> Self {
        Self { stack, service }
    }

    /// Returns the stack.
    #[must_use]
    pub fn stack(&self) -> &StandardStack<T, K> {
        &self.stack
    }

    /// Returns the bare service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.service
    }

    /// Gives the bare service back.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.service
    }
}

impl<Req, S, T, K> Service<Req> for Guarded<S, T, K>
where
    Req: Clone + Send + Sync,
    S: Service<Req>,
    S::Error: From<Open> + From<Elapsed>,
    T: Timer,
    K: Classify<Result<S::Response, S::Error>>,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service under the stack.
    ///
    /// # Errors
    ///
    /// The service's last error, unchanged; or [`Open`] or [`Elapsed`], turned into its type.
    ///
    /// # Cancel safety
    ///
    /// As [`StandardStack::run`].
    async fn call(&self, req: Req) -> Result<S::Response, S::Error> {
        let service = &self.service;
        self.stack
            .run(Cx::new(), move |_cx| service.call(req.clone()))
            .await
    }
}
