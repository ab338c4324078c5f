//! What a call with an injected error ends with.

use contexter_service::Cx;

/// Makes the outcome of a call that an error is injected into.
///
/// Closures `Fn(Cx) -> Out` are outcomes too.
pub trait Outcome<Out>: Send + Sync {
    /// Makes the outcome; the operation is not begun.
    fn outcome(&self, cx: Cx) -> Out;
}

impl<Out, F: Fn(Cx) -> Out + Send + Sync> Outcome<Out> for F {
    fn outcome(&self, cx: Cx) -> Out {
        self(cx)
    }
}

/// Makes the outcome `Err` with the error of a closure, whatever the type of `Ok`.
#[derive(Clone, Copy, Debug)]
pub struct ErrWith<G>(pub G);

impl<V, E, G: Fn(Cx) -> E + Send + Sync> Outcome<Result<V, E>> for ErrWith<G> {
    fn outcome(&self, cx: Cx) -> Result<V, E> {
        Err((self.0)(cx))
    }
}
