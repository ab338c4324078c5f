//! Choosing between two policies while calls run.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::compose::OneOf;
use crate::{Cx, Policy};

/// Runs one policy while it is on, and another one, nothing by default, while it is off.
///
/// Clones share the switch. A call keeps the policy that it began under. What is off keeps its
/// state, so that switching it on again goes on where it was. Reading the switch costs one relaxed
/// load.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use contexter_service::{Cx, Policy, Switch};
///
/// let switch = Switch::new(true, (), ());
/// switch.set(false);
/// let out = switch.run(Cx::new(), |cx| async move { cx.attempt() }).await;
/// assert_eq!((out, switch.is_on()), (1, false));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Switch<A, B = ()> {
    on: Arc<AtomicBool>,
    first: A,
    second: B,
}

impl<A, B> Switch<A, B> {
    /// Creates a switch between `first`, which runs while it is on, and `second`.
    #[must_use]
    pub fn new(on: bool, first: A, second: B) -> Self {
        Self {
            on: Arc::new(AtomicBool::new(on)),
            first,
            second,
        }
    }

    /// Returns whether the first policy runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Switches on or off, for all clones; calls under way go on as they began.
    pub fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// Returns the first policy, whether it is on or off.
    #[must_use]
    pub fn first(&self) -> &A {
        &self.first
    }

    /// Returns the policy that runs while the switch is off.
    #[must_use]
    pub fn second(&self) -> &B {
        &self.second
    }
}

impl<A, B> Switch<A, B> {
    /// Runs `op` as if the switch were `on` or off: for a call that must see one state of it
    /// throughout, although it passes the switch more than once.
    ///
    /// # Cancel safety
    ///
    /// That of the policy that runs.
    pub fn run_as<'a, Out, Op, Fut>(
        &'a self,
        on: bool,
        cx: Cx,
        op: Op,
    ) -> impl Future<Output = Out> + Send + 'a
    where
        A: Policy<Out>,
        B: Policy<Out>,
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        if on {
            OneOf::Left {
                fut: self.first.run(cx, op),
            }
        } else {
            OneOf::Right {
                fut: self.second.run(cx, op),
            }
        }
    }
}

impl<Out, A: Policy<Out>, B: Policy<Out>> Policy<Out> for Switch<A, B> {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        self.run_as(self.is_on(), cx, op)
    }
}
