//! How policies nest: nothing, perhaps, either, shared, and one inside the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::{Cx, Policy};

/// One of two, as a policy or as the future of one.
///
/// # Examples
///
/// ```
/// use contexter_service::Either;
///
/// fn policy(on: bool) -> Either<(), Option<()>> {
///     if on { Either::Left(()) } else { Either::Right(None) }
/// }
/// assert_eq!(policy(true), Either::Left(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

pin_project! {
    /// Calls an operation at the first poll, as an `async` block would, and then is its future.
    ///
    /// A future that can be named, of an operation that is begun only if it is polled: for
    /// mechanisms that may end a call without beginning it.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use contexter_service::{Cx, Start};
    ///
    /// let attempt = Start::new(Cx::new(), |cx| async move { cx.attempt() });
    /// assert_eq!(attempt.await, 1);
    /// # });
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Start<Op, Fut> {
        op: Option<Op>,
        cx: Cx,
        #[pin]
        fut: Option<Fut>,
    }
}

impl<Op, Fut> fmt::Debug for Start<Op, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("cx", &self.cx)
            .field("begun", &self.op.is_none())
            .finish_non_exhaustive()
    }
}

impl<Op: FnOnce(Cx) -> Fut, Fut> Start<Op, Fut> {
    /// Makes the future of `op`, which is not called yet.
    pub const fn new(cx: Cx, op: Op) -> Self {
        Self {
            op: Some(op),
            cx,
            fut: None,
        }
    }
}

impl<Op, Fut> Future for Start<Op, Fut>
where
    Op: FnOnce(Cx) -> Fut,
    Fut: Future,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(op) = this.op.take() {
            this.fut.set(Some(op(*this.cx)));
        }
        this.fut
            .as_pin_mut()
            .expect("the first poll sets the future and nothing unsets it")
            .poll(cx)
    }
}

pin_project! {
    #[project = OneOfProjection]
    pub(crate) enum OneOf<A, B> {
        Left { #[pin] fut: A },
        Right { #[pin] fut: B },
    }
}

impl<A: Future, B: Future<Output = A::Output>> Future for OneOf<A, B> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            OneOfProjection::Left { fut } => fut.poll(cx),
            OneOfProjection::Right { fut } => fut.poll(cx),
        }
    }
}

/// Runs the operation, and nothing else.
impl<Out> Policy<Out> for () {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        Start::new(cx, op)
    }
}

/// `None` is a disabled policy: the operation runs as if it were not there.
impl<Out, P: Policy<Out>> Policy<Out> for Option<P> {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        match self {
            Some(policy) => OneOf::Left {
                fut: policy.run(cx, op),
            },
            None => OneOf::Right {
                fut: Start::new(cx, op),
            },
        }
    }
}

impl<Out, A: Policy<Out>, B: Policy<Out>> Policy<Out> for Either<A, B> {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        match self {
            Self::Left(policy) => OneOf::Left {
                fut: policy.run(cx, op),
            },
            Self::Right(policy) => OneOf::Right {
                fut: policy.run(cx, op),
            },
        }
    }
}

impl<Out, P: Policy<Out> + ?Sized> Policy<Out> for &P {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        (**self).run(cx, op)
    }
}

impl<Out, P: Policy<Out> + ?Sized> Policy<Out> for Arc<P> {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        (**self).run(cx, op)
    }
}

macro_rules! nest {
    ($this:ident, $cx:expr, $op:expr; $last:tt) => {
        $this.$last.run($cx, $op)
    };
    ($this:ident, $cx:expr, $op:expr; $outer:tt $($inner:tt)+) => {{
        let op = $op;
        $this.$outer.run($cx, move |cx| nest!($this, cx, op.clone(); $($inner)+))
    }};
}

macro_rules! tuples {
    ($($($name:ident $index:tt),+;)+) => {$(
        impl<Out: Send, $($name: Policy<Out>),+> Policy<Out> for ($($name,)+) {
            fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
            where
                Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
                Fut: Future<Output = Out> + Send + 'a,
                Out: 'a,
            {
                nest!(self, cx, op; $($index)+)
            }
        }
    )+};
}

tuples! {
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}
