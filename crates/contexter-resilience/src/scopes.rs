//! The two orders in which the mechanisms nest.

use std::future::Future;
use std::sync::Arc;

use contexter_service::{Classify, Cx, FromRejection, Policy, Timer};

use crate::parts::Parts;

/// The breaker around the retries: one logical call is one sample.
#[derive(Debug)]
pub(crate) struct CallScope<T: Timer, K>(pub(crate) Arc<Parts<T, K>>);

/// The breaker inside the retries: every attempt is a sample.
#[derive(Debug)]
pub(crate) struct AttemptScope<T: Timer, K>(pub(crate) Arc<Parts<T, K>>);

/// Nests mechanisms, the outermost first. As a tuple would, but they are borrowed where they are.
macro_rules! nest {
    ($parts:ident, $cx:expr, $op:expr; $last:ident) => {
        $parts.$last.run($cx, $op)
    };
    ($parts:ident, $cx:expr, $op:expr; $outer:ident $($inner:ident)+) => {{
        let op = $op;
        $parts.$outer.run($cx, move |cx| nest!($parts, cx, op.clone(); $($inner)+))
    }};
}

macro_rules! scope {
    ($scope:ident: $($part:ident)+) => {
        impl<V, E, T, K> Policy<Result<V, E>> for $scope<T, K>
        where
            V: Send,
            E: FromRejection + Send,
            T: Timer,
            K: Classify<Result<V, E>>,
        {
            fn run<'a, Op, Fut>(
                &'a self,
                cx: Cx,
                op: Op,
            ) -> impl Future<Output = Result<V, E>> + Send + 'a
            where
                Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
                Fut: Future<Output = Result<V, E>> + Send + 'a,
                Result<V, E>: 'a,
            {
                let parts = &*self.0;
                nest!(parts, cx, op; $($part)+)
            }
        }
    };
}

scope!(CallScope: breaker outer retry hedge rate_limit bulkhead adaptive attempt);
scope!(AttemptScope: outer retry hedge rate_limit bulkhead adaptive breaker attempt);
