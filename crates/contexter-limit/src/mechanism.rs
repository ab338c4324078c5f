//! What the three limits have in common, so that a call, a service and a layer are written once.

use std::future::Future;

use contexter_service::Cx;

/// A handle to a limit, borrowed or owned: what a call has to pass.
///
/// This trait is implemented by the limits of this crate and cannot be named outside.
pub trait Gate: Sized {
    /// Why a call may not pass.
    type Refusal;
    /// What a call holds while it runs.
    type Pass;
    /// The wait for the pass.
    type Enter: Future<Output = Result<Self::Pass, Self::Refusal>>;

    /// Asks for the pass, when first polled.
    fn enter(self, cx: Cx) -> Self::Enter;
}

/// What a call holds while it runs. Dropped without an outcome, the call is abandoned.
pub trait Pass<Out> {
    /// Ends the call with its outcome.
    fn settle(self, out: &Out);
}
