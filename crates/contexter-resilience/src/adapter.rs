//! Adapters that run their operations under a stack.

use std::future::Future;

use contexter_adapter::ServiceAdapter;
use contexter_service::{Cx, Elapsed, Open, Verdict};

use crate::StandardStack;

/// An adapter with a [`StandardStack`] around its operations.
pub trait ResilientAdapter: ServiceAdapter {
    /// Returns the stack around the operations.
    fn stack(&self) -> &StandardStack;

    /// Runs `operation` under the stack.
    ///
    /// `operation` is called once for each attempt.
    ///
    /// # Errors
    ///
    /// The last error of `operation`, unchanged; or [`Open`] or [`Elapsed`], turned into its type.
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
        E: Verdict + From<Open> + From<Elapsed> + Send,
    {
        async move { self.stack().run(Cx::new(), move |_cx| operation()).await }
    }
}
