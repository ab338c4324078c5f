//! A service whose calls are hedged.

use std::future::Future;

use contexter_service::{Classify, DefaultClock, ErrIsFailure, Service, Timer};

use super::race::Race;
use crate::Hedge;
use crate::operation::Sending;
use crate::repeat::{ByClone, Kept, Repeat};

/// A service whose calls are hedged, from [`Hedge::service`].
///
/// Responses and errors are the inner service's own. All services of one hedge share its settings
/// and its budget. With feature `tower` it is a `tower` service as well.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `R` | [`ByClone`] | what a request says about its call, and how it is sent again |
#[derive(Clone, Debug)]
pub struct HedgeService<S, T = DefaultClock, K = ErrIsFailure, R = ByClone> {
    pub(crate) inner: S,
    pub(crate) hedge: Hedge<T, K>,
    pub(crate) repeat: R,
}

impl<S, T, K> HedgeService<S, T, K> {
    pub(crate) fn new(hedge: Hedge<T, K>, inner: S) -> Self {
        Self {
            inner,
            hedge,
            repeat: ByClone,
        }
    }
}

impl<S, T, K, R> HedgeService<S, T, K, R> {
    /// Makes the service read and copy its requests by `repeat`.
    #[must_use]
    pub fn repeat_by<R2>(self, repeat: R2) -> HedgeService<S, T, K, R2> {
        HedgeService {
            inner: self.inner,
            hedge: self.hedge,
            repeat,
        }
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the hedge, which shares its state with that of this service.
    #[must_use]
    pub const fn hedge(&self) -> &Hedge<T, K> {
        &self.hedge
    }
}

/// The original request is kept while there may be another attempt, and is itself the last one's.
impl<Req, S, T, K, R> Service<Req> for HedgeService<S, T, K, R>
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
        Race::new(&self.hedge, cx, Sending(send))
    }
}
