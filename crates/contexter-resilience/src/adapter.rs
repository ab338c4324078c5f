//! Adapters that run their operations under a stack.

use std::future::Future;

use contexter_adapter::ServiceAdapter;
use contexter_service::{Cx, FromRejection, Verdict};

use crate::StandardStack;
use crate::sign::sign;

/// An adapter with a [`StandardStack`] around its operations.
pub trait ResilientAdapter: ServiceAdapter {
    /// Returns the stack around the operations.
    fn stack(&self) -> &StandardStack;

    /// Runs `operation` under the stack, as an idempotent call without a deadline of its own.
    ///
    /// `operation` is called once for each attempt.
    ///
    /// # Errors
    ///
    /// The last error of `operation`, or a rejection, turned into its type. A
    /// [`contexter_model::Error`] that names no service is given the name of the stack.
    ///
    /// # Cancel safety
    ///
    /// As [`StandardStack::run`].
    fn execute_with_resilience<V, E, Op, Fut>(
        &self,
        operation: Op,
    ) -> impl Future<Output = Result<V, E>> + Send
    where
        Self: Sized,
        Op: Fn() -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<V, E>> + Send,
        V: Send,
        E: Verdict + FromRejection + Send + 'static,
    {
        self.execute_within(Cx::new(), move |_cx| operation())
    }

    /// As [`execute_with_resilience`](Self::execute_with_resilience), within the deadline of `cx`,
    /// with its weight, and repeated only as it allows; tells `operation` the attempt.
    ///
    /// # Errors
    ///
    /// As [`execute_with_resilience`](Self::execute_with_resilience).
    ///
    /// # Cancel safety
    ///
    /// As [`StandardStack::run`].
    fn execute_within<V, E, Op, Fut>(
        &self,
        cx: Cx,
        operation: Op,
    ) -> impl Future<Output = Result<V, E>> + Send
    where
        Self: Sized,
        Op: Fn(Cx) -> Fut + Clone + Send + Sync,
        Fut: Future<Output = Result<V, E>> + Send,
        V: Send,
        E: Verdict + FromRejection + Send + 'static,
    {
        async move {
            let stack = self.stack();
            let outcome = stack.run(cx, operation).await;
            outcome.map_err(|error| sign(error, stack.name(), None))
        }
    }
}
