//! A service behind a limit.

use std::future::Future;

use contexter_service::{ContextOf, DefaultClock, DefaultContext, ErrIsFailure, Service};

use crate::call::Flat;
use crate::mechanism::{Gate, Pass};
use crate::{AdaptiveLimit, Bulkhead, RateLimiter};

/// A service behind a limit of this crate.
///
/// A refused call does not reach the inner service; the refusal becomes the service's own error by
/// `From`. With feature `tower` it is also a `tower_service::Service`, and each limit a
/// `tower_layer::Layer` that makes it. Clones share the limit.
///
/// | parameter | |
/// |---|---|
/// | `S` | the inner service |
/// | `M` | the limit |
/// | `X` | what a request says about its call: [`DefaultContext`], or what [`context_by`](Self::context_by) was given |
#[derive(Clone, Debug)]
pub struct LimitService<S, M, X = DefaultContext> {
    pub(crate) limit: M,
    pub(crate) inner: S,
    pub(crate) context: X,
}

/// A service behind a [`RateLimiter`], from [`RateLimiter::service`]. Each call has weight 1, unless
/// [`context_by`](LimitService::context_by) says otherwise: a quota of tokens needs that.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::time::Duration;
/// use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
/// use contexter_service::{Limited, Service};
///
/// struct Echo;
///
/// impl Service<u8> for Echo {
///     type Response = u8;
///     type Error = Limited;
///
///     async fn call(&self, req: u8) -> Result<u8, Limited> {
///         Ok(req)
///     }
/// }
///
/// let config = RateLimitConfig::new()
///     .requests(Quota::per_minute(2))
///     .max_wait(Duration::ZERO);
/// let service = RateLimiter::new(config)?.service(Echo);
/// assert_eq!(service.call(1).await, Ok(1));
/// assert!(service.call(2).await.is_err());
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type RateLimitService<S, C = DefaultClock, K = ErrIsFailure, X = DefaultContext> =
    LimitService<S, RateLimiter<C, K>, X>;

/// A service behind a [`Bulkhead`], from [`Bulkhead::service`].
///
/// A place is free again when the response is there. To keep it until a body has been read, use
/// [`Permit::hold`](crate::Permit::hold).
pub type BulkheadService<S, C = DefaultClock, X = DefaultContext> = LimitService<S, Bulkhead<C>, X>;

/// A service behind an [`AdaptiveLimit`], from [`AdaptiveLimit::service`].
pub type AdaptiveService<S, C = DefaultClock, K = ErrIsFailure, X = DefaultContext> =
    LimitService<S, AdaptiveLimit<C, K>, X>;

impl<S, M> LimitService<S, M> {
    pub(crate) fn new(limit: M, inner: S) -> Self {
        Self {
            limit,
            inner,
            context: DefaultContext,
        }
    }
}

impl<S, M, X> LimitService<S, M, X> {
    /// Makes `context` say what travels with a request: the weight by which quotas count it, and the
    /// deadline past which it does not wait.
    ///
    /// Where the limit is a layer, use this within `tower::ServiceBuilder::layer_fn`.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
    /// use contexter_service::Cx;
    ///
    /// # struct Embedder;
    /// struct Embed {
    ///     tokens: u32,
    /// }
    ///
    /// let config = RateLimitConfig::new().tokens(Quota::per_minute(1_000));
    /// # #[cfg(feature = "tokio")]
    /// let service = RateLimiter::new(config)?
    ///     .service(Embedder)
    ///     .context_by(|req: &Embed| Cx::new().with_weight(req.tokens));
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn context_by<Y>(self, context: Y) -> LimitService<S, M, Y> {
        LimitService {
            limit: self.limit,
            inner: self.inner,
            context,
        }
    }

    /// Returns the limit.
    #[must_use]
    pub fn limit(&self) -> &M {
        &self.limit
    }

    /// Returns the inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the inner service back.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<Req, S, M, X> Service<Req> for LimitService<S, M, X>
where
    Req: Send,
    S: Service<Req>,
    M: Send + Sync,
    X: ContextOf<Req>,
    for<'a> &'a M: Gate<Refusal: Into<S::Error>, Pass: Pass<Result<S::Response, S::Error>> + Send, Enter: Send>,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Calls the service when the limit lets it pass.
    ///
    /// # Errors
    ///
    /// The refusal, turned into the service's error; otherwise the service's own error.
    ///
    /// # Cancel safety
    ///
    /// As `call` of the limit.
    fn call(&self, req: Req) -> impl Future<Output = Result<S::Response, S::Error>> + Send {
        let cx = self.context.context_of(&req);
        Flat::new(&self.limit, cx, move |_cx| self.inner.call(req))
    }
}
