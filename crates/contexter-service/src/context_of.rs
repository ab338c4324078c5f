//! What a request says about its call.

use crate::Cx;

/// Says what travels with a request: its weight, whether it is idempotent, its deadline.
///
/// Closures `Fn(&Req) -> Cx` do.
///
/// # Examples
///
/// ```
/// use contexter_service::{ContextOf, Cx};
///
/// let by_length = |text: &String| Cx::new().with_weight(text.len() as u32);
/// assert_eq!(by_length.context_of(&"four".to_owned()).weight(), 4);
/// ```
pub trait ContextOf<Req>: Send + Sync {
    /// Returns the context of `req`.
    fn context_of(&self, req: &Req) -> Cx;
}

impl<Req, F: Fn(&Req) -> Cx + Send + Sync> ContextOf<Req> for F {
    fn context_of(&self, req: &Req) -> Cx {
        self(req)
    }
}

/// Every request is a first attempt with the defaults of [`Cx`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultContext;

impl<Req> ContextOf<Req> for DefaultContext {
    fn context_of(&self, _req: &Req) -> Cx {
        Cx::new()
    }
}
