//! A value that keeps its permit.

use std::fmt;
use std::ops::{Deref, DerefMut};

use pin_project_lite::pin_project;

pin_project! {
    /// A value beside the permit that it was made under, such as the body of a response.
    ///
    /// The permit is given back when this is dropped. With feature `stream`, a stream that is held
    /// gives it back as soon as it has ended.
    pub struct WithPermit<V, P> {
        // Dropped first: what ran under the permit is over before somebody else runs.
        #[pin]
        value: V,
        permit: Option<P>,
    }
}

impl<V, P> WithPermit<V, P> {
    /// Keeps `permit` for as long as `value` lives.
    pub const fn new(value: V, permit: P) -> Self {
        Self {
            value,
            permit: Some(permit),
        }
    }

    /// Makes another value of the held one, under the same permit.
    pub fn map<V2>(self, map: impl FnOnce(V) -> V2) -> WithPermit<V2, P> {
        WithPermit {
            value: map(self.value),
            permit: self.permit,
        }
    }

    /// Returns whether the permit is still held.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.permit.is_some()
    }

    /// Takes value and permit apart; `None` if the permit has been given back.
    pub fn into_parts(self) -> (V, Option<P>) {
        (self.value, self.permit)
    }
}

impl<V, P> Deref for WithPermit<V, P> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V, P> DerefMut for WithPermit<V, P> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.value
    }
}

impl<V: fmt::Debug, P> fmt::Debug for WithPermit<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithPermit")
            .field("value", &self.value)
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "stream")]
impl<V: futures_core::Stream, P> futures_core::Stream for WithPermit<V, P> {
    type Item = V::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<V::Item>> {
        let this = self.project();
        let next = this.value.poll_next(cx);
        if matches!(next, std::task::Poll::Ready(None)) {
            *this.permit = None;
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.value.size_hint()
    }
}
