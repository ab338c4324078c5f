//! A resilience mechanism around any operation, and how mechanisms compose.

use std::future::Future;

use crate::Cx;

/// A resilience mechanism around any operation.
///
/// Policies nest by tuples, outermost first. An operation may run several times, and several runs
/// may overlap (hedging), which is why it is `Fn` and `Clone`; `Clone` is free for closures that
/// only borrow.
pub trait Policy<Out>: Send + Sync {
    /// Runs `op` under this policy.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running operation, returns every permit and changes nothing
    /// else, except what the policy documents for abandoned calls.
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a;
}
