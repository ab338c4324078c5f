//! The one trait of a call.

use std::future::Future;
use std::sync::Arc;

/// One capability: the request type says which.
///
/// A type with two abilities implements `Service` twice, once for each request type. Clients take
/// `&self` and are cheap to share, so one value serves many concurrent calls.
///
/// # Examples
///
/// ```
/// use contexter_service::Service;
///
/// struct Length;
///
/// impl Service<String> for Length {
///     type Response = usize;
///     type Error = std::convert::Infallible;
///
///     async fn call(&self, text: String) -> Result<usize, Self::Error> {
///         Ok(text.len())
///     }
/// }
/// ```
pub trait Service<Req>: Send + Sync {
    /// What a successful call gives.
    type Response: Send + 'static;
    /// Why a call failed.
    type Error: Send + 'static;

    /// Performs one call.
    ///
    /// # Errors
    ///
    /// Whatever the implementation documents.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must leave no permit taken and no state half-written. Whether the far
    /// side has acted by then is for the implementation to say.
    fn call(&self, req: Req) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;
}

impl<Req: Send, S: Service<Req> + ?Sized> Service<Req> for &S {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, req: Req) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send {
        (**self).call(req)
    }
}

impl<Req: Send, S: Service<Req> + ?Sized> Service<Req> for Arc<S> {
    type Response = S::Response;
    type Error = S::Error;

    fn call(&self, req: Req) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send {
        (**self).call(req)
    }
}
