//! What stands in for a failed call: a value, or an operation that sees the error.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};

use contexter_service::Both;

/// What stands in for a call that failed.
///
/// [`Value`] and [`Operation`] are made by [`Fallback::value`](crate::Fallback::value) and
/// [`Fallback::with`](crate::Fallback::with).
pub trait Alternative<T, E> {
    /// Why the alternative itself can fail; [`Infallible`] if it cannot.
    type Error;
    /// The alternative under way.
    type Future: Future<Output = Result<T, Self::Error>>;

    /// Begins the alternative to a call that failed with `error`.
    fn begin(&self, error: &E) -> Self::Future;
}

/// An alternative whose failure fits into the operation's own error type.
///
/// It is what [`Policy`](contexter_service::Policy) and the services ask for, since their error
/// type stays `E`. A [`Value`] never fails, so it is one for every `E`; an [`Operation`] fails with
/// an `E` of its own, and `E: From<Both<E>>` takes up the two.
pub trait FlatAlternative<T, E>: Alternative<T, E> {
    /// Makes one error of the two.
    fn flatten(both: Both<E, Self::Error>) -> E;
}

/// A value that stands in; it is cloned for each call that needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<T>(pub(super) T);

impl<T: Clone, E> Alternative<T, E> for Value<T> {
    type Error = Infallible;
    type Future = Ready<Result<T, Infallible>>;

    fn begin(&self, _error: &E) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

impl<T: Clone, E> FlatAlternative<T, E> for Value<T> {
    fn flatten(both: Both<E, Infallible>) -> E {
        match both.fallback {}
    }
}

/// An operation that stands in: a function of the original error that gives a future.
#[derive(Clone, Copy)]
pub struct Operation<F>(pub(super) F);

impl<F> fmt::Debug for Operation<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

impl<T, E, F, Fut, Failed> Alternative<T, E> for Operation<F>
where
    F: Fn(&E) -> Fut,
    Fut: Future<Output = Result<T, Failed>>,
{
    type Error = Failed;
    type Future = Fut;

    fn begin(&self, error: &E) -> Fut {
        (self.0)(error)
    }
}

impl<T, E, F, Fut> FlatAlternative<T, E> for Operation<F>
where
    E: From<Both<E>>,
    F: Fn(&E) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    fn flatten(both: Both<E>) -> E {
        both.into()
    }
}
