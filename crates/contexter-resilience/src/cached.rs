//! A service with the stack around it, and a response cache around that.

use std::hash::Hash;
use std::sync::Arc;

use contexter_fallback::{CacheService, Configured, ResponseCache};
use contexter_service::{
    ByVerdict, Classify, ContextOf, FromRejection, InvalidConfig, Service, Timer, Verdict,
};

use crate::Guarded;

/// A guarded service behind a response cache, from [`Guarded::cached_by`].
///
/// `N` is the function from a request to its key, `Key` the key.
pub type Cached<Req, S, T, K, X, N, Key> = CacheService<
    Arc<Guarded<S, T, K, X>>,
    N,
    Key,
    <S as Service<Req>>::Response,
    <S as Service<Req>>::Error,
    Configured,
    T,
    ByVerdict,
>;

impl<S, T: Timer + Clone, K: Clone, X> Guarded<S, T, K, X> {
    /// Puts a response cache with single-flight and stale-if-error around the stack: a hit costs
    /// the provider nothing, and what it stands in for is the error that was left after all
    /// attempts.
    ///
    /// The settings are those of `cache`, or its defaults, and the name is the stack's. A stale
    /// value stands in for errors that speak of trouble, not for those that answer the request, such
    /// as one that says there is no such thing. The cache belongs to the returned service and its
    /// clones. `key` must tell apart all requests that are answered differently.
    ///
    /// For a freshness that depends on the response, make a
    /// [`ResponseCache`] and give it the guarded service:
    /// [`ResponseCache::service`].
    ///
    /// # Errors
    ///
    /// Returns every setting of the cache that is out of range.
    #[expect(
        clippy::type_complexity,
        reason = "the name of the type is as short as its parameters allow"
    )]
    pub fn cached_by<Req, N, Key>(
        self,
        key: N,
    ) -> Result<Cached<Req, S, T, K, X, N, Key>, InvalidConfig>
    where
        S: Service<Req, Response: Clone + Sync, Error: Clone + Sync + FromRejection + Verdict>,
        N: Fn(&Req) -> Key + Send + Sync,
        Key: Hash + Eq + Clone + Send + Sync + 'static,
        K: Classify<Result<S::Response, S::Error>>,
        X: ContextOf<Req>,
    {
        let stack = self.stack();
        let settings = stack.config().cache.unwrap_or_default();
        let mut cache =
            ResponseCache::with_clock(settings, stack.timer().clone())?.stale_when(ByVerdict);
        if let Some(name) = stack.name() {
            cache = cache.named(Arc::clone(name));
        }
        Ok(cache.service(Arc::new(self), key))
    }
}
