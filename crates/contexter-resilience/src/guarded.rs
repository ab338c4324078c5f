//! A service with a stack around it.

use contexter_service::{
    ByVerdict, Classify, ContextOf, Cx, DefaultClock, DefaultContext, FromRejection, Service, Timer,
};

use crate::StandardStack;
use crate::sign::sign;

/// A service with a [`StandardStack`] around it, from [`StandardStack::service`].
///
/// It is a service of the same requests, so it can be registered as a capability in place of the
/// bare one. Requests are cloned for each attempt.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `T` | [`DefaultClock`] | where the time is read and waited for |
/// | `K` | [`ByVerdict`] | what an outcome teaches, and whether trying again can help |
/// | `X` | [`DefaultContext`] | what travels with a request |
///
/// Where the error is [`contexter_model::Error`], one that names no service is given the
/// [name of the stack](StandardStack::named), and one that names no operation that of
/// [`operation`](Self::operation): so an elapsed time or an open breaker says whose.
///
/// # Examples
///
/// ```
/// use contexter_resilience::StandardStack;
/// use contexter_service::Cx;
///
/// # struct Embedder;
/// struct Embed(Vec<String>);
///
/// let guarded = StandardStack::default()
///     .service(Embedder)
///     .context_by(|req: &Embed| Cx::new().with_weight(req.0.len() as u32));
/// ```
#[derive(Clone, Debug)]
pub struct Guarded<S, T: Timer = DefaultClock, K = ByVerdict, X = DefaultContext> {
    stack: StandardStack<T, K>,
    service: S,
    context: X,
    operation: Option<&'static str>,
}

impl<S, T: Timer, K> Guarded<S, T, K> {
    pub(crate) fn new(stack: StandardStack<T, K>, service: S) -> Self {
        Self {
            stack,
            service,
            context: DefaultContext,
            operation: None,
        }
    }
}

impl<S, T: Timer, K, X> Guarded<S, T, K, X> {
    /// Makes `context` say what travels with a request.
    #[must_use]
    pub fn context_by<Y>(self, context: Y) -> Guarded<S, T, K, Y> {
        Guarded {
            stack: self.stack,
            service: self.service,
            context,
            operation: self.operation,
        }
    }

    /// Names the operation, for the errors of the adapters that name none; none by default.
    #[must_use]
    pub fn operation(mut self, name: &'static str) -> Self {
        self.operation = Some(name);
        self
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

    /// Calls the service under the stack, with a context of the caller's: for a deadline that
    /// belongs to this one call.
    ///
    /// # Errors
    ///
    /// The service's last error, unchanged; or a rejection, turned into its type.
    ///
    /// # Cancel safety
    ///
    /// As [`StandardStack::run`].
    pub async fn call_with<Req>(&self, cx: Cx, req: Req) -> Result<S::Response, S::Error>
    where
        Req: Clone + Send + Sync,
        S: Service<Req>,
        S::Error: FromRejection,
        K: Classify<Result<S::Response, S::Error>>,
    {
        let service = &self.service;
        self.stack
            .run(cx, move |_cx| service.call(req.clone()))
            .await
            .map_err(|error| sign(error, self.stack.name(), self.operation))
    }
}

impl<Req, S, T, K, X> Service<Req> for Guarded<S, T, K, X>
where
    Req: Clone + Send + Sync,
    S: Service<Req>,
    S::Error: FromRejection,
    T: Timer,
    K: Classify<Result<S::Response, S::Error>>,
    X: ContextOf<Req>,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service under the stack.
    ///
    /// # Errors
    ///
    /// The service's last error, unchanged; or a rejection, turned into its type.
    ///
    /// # Cancel safety
    ///
    /// As [`StandardStack::run`].
    async fn call(&self, req: Req) -> Result<S::Response, S::Error> {
        let cx = self.context.context_of(&req);
        self.call_with(cx, req).await
    }
}
