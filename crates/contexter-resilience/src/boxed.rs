//! A policy whose future lives on the heap.

use std::future::Future;

use contexter_service::{Cx, Policy};

/// Runs a policy's future on the heap, so that it does not make the futures around it large.
///
/// A hedge holds room for several attempts; a stack that does not hedge must not carry it along.
/// Costs one allocation a call.
#[derive(Clone, Debug)]
pub(crate) struct Boxed<P>(pub(crate) P);

impl<Out, P: Policy<Out>> Policy<Out> for Boxed<P> {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        Box::pin(self.0.run(cx, op))
    }
}
