//! A service whose calls are retried.

use std::future::Future;

use contexter_service::{Classify, DefaultClock, ErrIsFailure, Service, Timer};

use crate::Retry;
use crate::operation::Sending;
use crate::repeat::{ByClone, Kept, Repeat};
use crate::run::Run;

/// A service whose calls are retried, from [`Retry::service`].
///
/// Responses and errors are the inner service's own. All services of one retry share its settings
/// and its budget. With feature `tower` it is a `tower` service as well.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `R` | [`ByClone`] | what a request says about its call, and how it is sent again |
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use contexter_retry::{Config, Retry};
/// use contexter_service::Service;
///
/// struct Flaky(AtomicU32);
///
/// impl Service<&'static str> for Flaky {
///     type Response = String;
///     type Error = &'static str;
///
///     async fn call(&self, name: &'static str) -> Result<String, &'static str> {
///         match self.0.fetch_add(1, Ordering::Relaxed) {
///             0 => Err("busy"),
///             _ => Ok(format!("hello {name}")),
///         }
///     }
/// }
///
/// let service = Retry::new(Config::new())?.service(Flaky(AtomicU32::new(0)));
/// assert_eq!(service.call("you").await, Ok("hello you".to_owned()));
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryService<S, T = DefaultClock, K = ErrIsFailure, R = ByClone> {
    pub(crate) inner: S,
    pub(crate) retry: Retry<T, K>,
    pub(crate) repeat: R,
}

impl<S, T, K> RetryService<S, T, K> {
    pub(crate) fn new(retry: Retry<T, K>, inner: S) -> Self {
        Self {
            inner,
            retry,
            repeat: ByClone,
        }
    }
}

impl<S, T, K, R> RetryService<S, T, K, R> {
    /// Makes the service read and copy its requests by `repeat`.
    #[must_use]
    pub fn repeat_by<R2>(self, repeat: R2) -> RetryService<S, T, K, R2> {
        RetryService {
            inner: self.inner,
            retry: self.retry,
            repeat,
        }
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the retry, which shares its state with that of this service.
    #[must_use]
    pub const fn retry(&self) -> &Retry<T, K> {
        &self.retry
    }
}

/// The original request is kept while there may be another attempt, and is itself the last one's.
impl<Req, S, T, K, R> Service<Req> for RetryService<S, T, K, R>
where
    Req: Send,
    S: Service<Req>,
    T: Timer,
    K: Classify<Result<S::Response, S::Error>>,
    R: Repeat<Req>,
{
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, req: Req) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send {
        let cx = self.repeat.cx(&req);
        let mut kept = Kept::new(req);
        let send = move |cx, last| {
            let (req, repeatable) = kept.next(&self.repeat, cx, last);
            (self.inner.call(req), repeatable)
        };
        Run::new(&self.retry, cx, Sending(send))
    }
}
