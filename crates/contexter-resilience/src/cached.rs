//! A service with the stack around it, and a response cache around that.

use std::hash::Hash;
use std::sync::Arc;

use contexter_fallback::{AnyError, CacheService, Configured, ResponseCache};
use contexter_service::{Classify, FromRejection, InvalidConfig, Service, Timer};

use crate::{Guarded, StandardStack};

/// A guarded service behind a response cache, from [`StandardStack::cached_service`].
///
/// `N` is the function from a request to its key, `K` the key.
pub type Cached<Req, S, N, K, T, C> = CacheService<
    Arc<Guarded<S, T, C>>,
    N,
    K,
    <S as Service<Req>>::Response,
    <S as Service<Req>>::Error,
    Configured,
    T,
    AnyError,
>;

impl<T: Timer + Clone, C: Clone> StandardStack<T, C> {
    /// Puts the stack around a service, and a response cache with single-flight and
    /// stale-if-error around the stack: a hit costs the provider nothing, and what it stands in for
    /// is the error that was left after all attempts.
    ///
    /// The settings are those of `cache`, or its defaults. The cache belongs to the returned service
    /// and its clones. `key` must tell apart all requests that are answered differently.
    ///
    /// # Errors
    ///
    /// Returns every setting of the cache that is out of range.
    pub fn cached_service<Req, S, N, K>(
        &self,
        service: S,
        key: N,
    ) -> Result<Cached<Req, S, N, K, T, C>, InvalidConfig>
    where
        S: Service<Req, Response: Clone + Sync, Error: Clone + Sync + FromRejection>,
        N: Fn(&Req) -> K + Send + Sync,
        K: Hash + Eq + Clone + Send + Sync + 'static,
        C: Classify<Result<S::Response, S::Error>>,
    {
        let timer = self.timer().clone();
        let cache = ResponseCache::with_clock(self.config().cache.unwrap_or_default(), timer)?;
        Ok(cache.service(Arc::new(self.service(service)), key))
    }
}
