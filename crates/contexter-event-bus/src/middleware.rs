//! What is done around a handler.

use std::future::Future;
use std::sync::Arc;

use contexter_protocol::EventPayload;

use crate::handler::{Delivery, Handler, HandlerError};

/// Does something around every attempt of a handler: logs it, checks a permission, changes its
/// error, or answers in its place.
///
/// Closures `Fn(Delivery, Next<_>) -> Future<Output = Result<(), HandlerError>>` are middleware.
/// It is put around a handler by [`Handler::wrap`].
///
/// # Order
///
/// What was wrapped last is outermost: with `handler.wrap(first).wrap(second)`, an attempt goes
/// through `second`, `first`, the handler, and its result back through `first` and `second`. Around
/// all of it are, from the inside out: the timeout and the isolation of panics (of the handler and
/// of every middleware), the span of the attempt, and what is decided before an attempt:
/// deduplication, expiry, the poison guard. So a middleware sees attempts only; of what ends without
/// one an [observer](crate::SubscriptionConfig::with_observer) is told.
///
/// # Examples
///
/// One that goes around any handler:
///
/// ```
/// use std::future::Future;
///
/// use contexter_event_bus::{
///     Bus, Delivery, Handler, HandlerError, Middleware, Next, SubscriptionConfig,
/// };
///
/// struct OnlyFrom(&'static str);
///
/// impl<H: Handler> Middleware<H> for OnlyFrom {
///     async fn handle(&self, delivery: Delivery, next: Next<H>) -> Result<(), HandlerError> {
///         if delivery.event().source() != self.0 {
///             return Err(HandlerError::permanent("not from there"));
///         }
///         next.handle(delivery).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handler = |delivery: Delivery| async move {
///     println!("{}", delivery.event().id());
///     Ok(())
/// };
/// let logged = |delivery: Delivery, next: Next<_>| async move {
///     let id = delivery.event().id().to_owned();
///     let result = next.handle(delivery).await;
///     println!("{id}: {result:?}");
///     result
/// };
/// let bus = Bus::default();
/// let _subscription = bus.subscribe(
///     "document.*",
///     SubscriptionConfig::default(),
///     handler.wrap(OnlyFrom("crawler")).wrap(logged),
/// )?;
/// # Ok(())
/// # }
/// ```
pub trait Middleware<H: Handler>: Send + Sync + 'static {
    /// Handles one event, usually by handing it on to `next`.
    ///
    /// # Errors
    ///
    /// As [`Handler::handle`].
    ///
    /// # Cancel safety
    ///
    /// As [`Handler::handle`]: the future may be dropped at any `.await`.
    fn handle(
        &self,
        delivery: Delivery,
        next: Next<H>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<H, F, Fut> Middleware<H> for F
where
    H: Handler,
    F: Fn(Delivery, Next<H>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(
        &self,
        delivery: Delivery,
        next: Next<H>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(delivery, next)
    }
}

/// What a [`Middleware`] goes around: the handler, or the next middleware on the way to it.
#[derive(Debug)]
pub struct Next<H>(Arc<H>);

impl<H: Handler> Next<H> {
    /// Hands an event on. It may be called again, which is another call of the handler within the
    /// same attempt.
    ///
    /// # Errors
    ///
    /// As [`Handler::handle`].
    pub async fn handle(&self, delivery: Delivery) -> Result<(), HandlerError> {
        self.0.handle(delivery).await
    }
}

/// A handler with something around it, made by [`Handler::wrap`].
#[derive(Debug)]
pub struct Wrapped<H, M> {
    handler: Arc<H>,
    middleware: M,
}

impl<H, M> Wrapped<H, M> {
    pub(crate) fn new(handler: H, middleware: M) -> Self {
        let handler = Arc::new(handler);
        Self {
            handler,
            middleware,
        }
    }
}

impl<H: Handler, M: Middleware<H>> Handler for Wrapped<H, M> {
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let next = Next(Arc::clone(&self.handler));
        self.middleware.handle(delivery, next)
    }
}

/// Makes a [`Handler`] of one that takes payloads, so that it can be [wrapped](Handler::wrap).
///
/// An event whose data is no `P` fails with
/// [`FailureKind::Undecodable`](crate::FailureKind::Undecodable), without reaching the handler; a
/// middleware sees that. [`Bus::subscribe_to`](crate::Bus::subscribe_to) is
/// [`Bus::subscribe`](crate::Bus::subscribe) to the type of `P` with this.
///
/// # Examples
///
/// ```
/// use contexter_event_bus::{Bus, Delivery, Handler, Next, SubscriptionConfig, decoded};
/// use contexter_protocol::EventPayload;
/// use contexter_protocol::rag::VectorIndexed;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handler = decoded(|indexed: VectorIndexed, _delivery: Delivery| async move {
///     println!("{}", indexed.path);
///     Ok(())
/// });
/// let counted = |delivery: Delivery, next: Next<_>| async move { next.handle(delivery).await };
/// let bus = Bus::default();
/// let config = SubscriptionConfig::default();
/// let _subscription = bus.subscribe(VectorIndexed::TYPE, config, handler.wrap(counted))?;
/// # Ok(())
/// # }
/// ```
pub fn decoded<P, F, Fut>(handler: F) -> impl Handler
where
    P: EventPayload,
    F: Fn(P, Delivery) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    move |delivery: Delivery| {
        let handling = delivery
            .event()
            .payload::<P>()
            .map(|payload| handler(payload, delivery));
        async move { handling?.await }
    }
}
