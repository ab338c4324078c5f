//! The future of a call that may meet a fault.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Cx, Start, Timer};
use pin_project_lite::pin_project;

use crate::dice::{Fault, Lot};
use crate::{Chaos, Outcome, When};

pin_project! {
    /// Injects what the dice say, or runs the operation: a future that is begun by its first poll.
    /// The handle `H` borrows or owns the chaos.
    pub(crate) struct Injected<H, Fut, F, P, T: Timer> {
        chaos: H,
        cx: Cx,
        may: bool,
        #[pin]
        fut: Option<Fut>,
        #[pin]
        stage: Stage<T::Sleep>,
        marker: PhantomData<fn() -> (F, P)>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Sleep> {
        Start,
        Late { #[pin] sleep: Sleep, fault: Option<Fault> },
        Running,
        Hanging,
    }
}

impl<H, Fut, F, P, T: Timer> Injected<H, Fut, F, P, T> {
    /// Makes the call of `fut`, which meets no fault unless it `may`.
    pub(crate) fn new(chaos: H, cx: Cx, may: bool, fut: Fut) -> Self {
        Self {
            chaos,
            cx,
            may,
            fut: Some(fut),
            stage: Stage::Start,
            marker: PhantomData,
        }
    }
}

impl<H, Fut, F, P, T> Future for Injected<H, Fut, F, P, T>
where
    H: Borrow<Chaos<F, P, T>>,
    Fut: Future,
    F: Outcome<Fut::Output>,
    P: When<Cx>,
    T: Timer,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let chaos: &Chaos<F, P, T> = (*this.chaos).borrow();
        loop {
            let fault = match this.stage.as_mut().project() {
                StageProjection::Start => {
                    let meets = *this.may && chaos.dice.is_enabled() && chaos.when.may(this.cx);
                    let Lot { latency, fault } = if meets {
                        chaos.dice.draw()
                    } else {
                        Lot::default()
                    };
                    if let Some(latency) = latency {
                        chaos.dice.tell(None, Some(latency));
                        let sleep = chaos.timer.sleep(latency);
                        this.stage.set(Stage::Late { sleep, fault });
                        continue;
                    }
                    fault
                }
                StageProjection::Late { sleep, fault } => {
                    if sleep.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    *fault
                }
                StageProjection::Running => {
                    let out = this
                        .fut
                        .as_mut()
                        .as_pin_mut()
                        .expect("a call is not polled after it has ended")
                        .poll(cx);
                    if out.is_ready() {
                        this.fut.set(None);
                    }
                    return out;
                }
                StageProjection::Hanging => return Poll::Pending,
            };
            let Some(fault) = fault else {
                this.stage.set(Stage::Running);
                continue;
            };
            // The operation will not be begun: what it holds is free from now on.
            this.fut.set(None);
            chaos.dice.tell(Some(fault), None);
            match fault {
                Fault::Hang => this.stage.set(Stage::Hanging),
                Fault::Error => {
                    this.stage.set(Stage::Running);
                    return Poll::Ready(chaos.outcome.outcome(*this.cx));
                }
                Fault::Panic => {
                    this.stage.set(Stage::Running);
                    injected_panic();
                }
            }
        }
    }
}

#[cold]
#[expect(clippy::panic, reason = "it is what was asked for")]
fn injected_panic() -> ! {
    panic!("a panic was injected by chaos")
}

pin_project! {
    /// The future of [`Chaos::call`], [`Chaos::call_with`] and [`Chaos::call_when`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, Op, Fut, F, P, T: Timer> {
        #[pin]
        inner: Injected<&'a Chaos<F, P, T>, Start<Op, Fut>, F, P, T>,
    }
}

impl<'a, Op, Fut, F, P, T: Timer> Call<'a, Op, Fut, F, P, T> {
    pub(crate) fn new(chaos: &'a Chaos<F, P, T>, cx: Cx, may: bool, op: Op) -> Self
    where
        Op: FnOnce(Cx) -> Fut,
    {
        Self {
            inner: Injected::new(chaos, cx, may, Start::new(cx, op)),
        }
    }
}

impl<Op, Fut, F, P, T: Timer> fmt::Debug for Call<'_, Op, Fut, F, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<Op, Fut, F, P, T> Future for Call<'_, Op, Fut, F, P, T>
where
    Op: FnOnce(Cx) -> Fut,
    Fut: Future,
    F: Outcome<Fut::Output>,
    P: When<Cx>,
    T: Timer,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
