//! What a request says about its call.

use contexter_service::Cx;

/// Says what travels with a request: its weight, whether it is idempotent, its deadline.
///
/// Closures `Fn(&Req) -> Cx` do. A service without one uses the defaults of [`Cx`].
pub trait ContextOf<Req>: Send + Sync {
    /// Returns the context of `req`.
    fn context_of(&self, req: &Req) -> Cx;
}

impl<Req, F: Fn(&Req) -> Cx + Send + Sync> ContextOf<Req> for F {
    fn context_of(&self, req: &Req) -> Cx {
        self(req)
    }
}

/// Every request is a first attempt of weight 1 without a deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultContext;

impl<Req> ContextOf<Req> for DefaultContext {
    fn context_of(&self, _req: &Req) -> Cx {
        Cx::new()
    }
}
