//! A service with a response cache around it.

use std::fmt;
use std::hash::Hash;

use contexter_service::{Clock, Cx, Service};

use crate::{Eligible, JudgeFreshness, ResponseCache, Served};

/// A service with a [`ResponseCache`] around it, from [`ResponseCache::service`].
///
/// It is a service of the same requests and responses, so it can be registered in place of the bare
/// one. A stale value is served as a response like any other; the events and the numbers of the
/// cache tell of it. Whoever must know in each case calls [`ResponseCache::run_keyed`].
///
/// `N` is the function from a request to its key. The service and the requests are cloned for each
/// execution, so give the service an `Arc`.
pub struct CacheService<S, N, K, V, E, F, C, P> {
    inner: S,
    key: N,
    cache: ResponseCache<K, V, E, F, C, P>,
}

impl<S, N, K, V, E, F, C, P> CacheService<S, N, K, V, E, F, C, P> {
    pub(super) fn new(inner: S, key: N, cache: ResponseCache<K, V, E, F, C, P>) -> Self {
        Self { inner, key, cache }
    }

    /// Returns the cache.
    #[must_use]
    pub const fn cache(&self) -> &ResponseCache<K, V, E, F, C, P> {
        &self.cache
    }

    /// Returns the bare service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Clone, N: Clone, K, V, E, F: Clone, C, P: Clone> Clone
    for CacheService<S, N, K, V, E, F, C, P>
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            key: self.key.clone(),
            cache: self.cache.clone(),
        }
    }
}

impl<S: fmt::Debug, N, K, V, E, F, C, P> fmt::Debug for CacheService<S, N, K, V, E, F, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("inner", &self.inner)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl<Req, S, N, K, F, C, P> Service<Req> for CacheService<S, N, K, S::Response, S::Error, F, C, P>
where
    Req: Clone + Send + Sync + 'static,
    S: Service<Req, Response: Clone + Sync, Error: Clone + Sync> + Clone + 'static,
    N: Fn(&Req) -> K + Send + Sync,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    F: JudgeFreshness<S::Response, S::Error> + Clone + 'static,
    C: Clock + 'static,
    P: Eligible<S::Error> + Clone + 'static,
{
    type Response = S::Response;
    type Error = S::Error;

    /// Gives what is fresh, or calls the service, or gives a stale value in place of its error.
    ///
    /// # Errors
    ///
    /// The service's own error, or a clone of one that is remembered.
    ///
    /// # Cancel safety
    ///
    /// As [`ResponseCache::run_keyed`].
    async fn call(&self, req: Req) -> Result<S::Response, S::Error> {
        let key = (self.key)(&req);
        self.cache
            .run_keyed(&key, Cx::new(), move |_cx| {
                let (inner, req) = (self.inner.clone(), req.clone());
                async move { inner.call(req).await }
            })
            .await
            .map(Served::into_value)
    }
}
