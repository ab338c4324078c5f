//! How a request is sent more than once.

use contexter_service::Cx;

/// What a request says about its call, and how it is sent more than once.
///
/// The faces that take requests ([`RetryService`](crate::RetryService),
/// [`HedgeService`](crate::HedgeService)) are generic over one. [`ByClone`] is the default. A
/// closure `Fn(&Req) -> Cx` clones too, and says whether the call is idempotent and when it must
/// be over; a request that carries an idempotency key is one that is idempotent.
///
/// # Examples
///
/// ```
/// use contexter_retry::Repeat;
/// use contexter_service::Cx;
///
/// #[derive(Clone)]
/// struct Request {
///     method: &'static str,
///     key: Option<String>,
/// }
///
/// let by_method = |request: &Request| {
///     Cx::new().with_idempotent(request.method != "POST" || request.key.is_some())
/// };
/// let post = Request { method: "POST", key: None };
/// assert!(!by_method.cx(&post).is_idempotent());
/// ```
pub trait Repeat<Req>: Send + Sync {
    /// Returns the context of the call that `req` asks for.
    fn cx(&self, req: &Req) -> Cx;

    /// Copies `req`, or returns nothing if it can be sent only once, such as one whose body is a
    /// stream; there is then no further attempt. Not called for the last attempt.
    fn copy(&self, req: &Req) -> Option<Req>;

    /// Tells `req`, which is about to be sent, its attempt number and the deadline; does nothing by
    /// default.
    fn prepare(&self, req: &mut Req, cx: Cx) {
        let _ = (req, cx);
    }
}

/// Clones every request, and takes every call for idempotent, without a deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClone;

impl<Req: Clone> Repeat<Req> for ByClone {
    fn cx(&self, _req: &Req) -> Cx {
        Cx::new()
    }

    fn copy(&self, req: &Req) -> Option<Req> {
        Some(req.clone())
    }
}

impl<Req: Clone, F: Fn(&Req) -> Cx + Send + Sync> Repeat<Req> for F {
    fn cx(&self, req: &Req) -> Cx {
        self(req)
    }

    fn copy(&self, req: &Req) -> Option<Req> {
        Some(req.clone())
    }
}

/// The request of one call, kept for its next attempt while there may be one.
pub(crate) struct Kept<Req> {
    request: Option<Req>,
}

impl<Req> Kept<Req> {
    pub(crate) fn new(request: Req) -> Self {
        Self {
            request: Some(request),
        }
    }

    /// Returns the request of the next attempt, and whether there can be one more: the original is
    /// kept as long as it can be copied, and is itself sent last.
    pub(crate) fn next<R: Repeat<Req>>(&mut self, repeat: &R, cx: Cx, last: bool) -> (Req, bool) {
        let original = self
            .request
            .take()
            .expect("no attempt follows one that said to be the last that can be");
        let copy = if last { None } else { repeat.copy(&original) };
        let (mut request, kept) = match copy {
            Some(copy) => (copy, Some(original)),
            None => (original, None),
        };
        self.request = kept;
        repeat.prepare(&mut request, cx);
        (request, self.request.is_some())
    }
}
