//! The one race that all faces of a hedge share.

use std::borrow::Borrow;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Again, Classify, Cx, Sample, Timer, superseded};
use pin_project_lite::pin_project;

use super::shared::HedgeShared;
use crate::operation::Operation;
use crate::schedule::CustomDelays;
use crate::{Hedge, MAX_HEDGED_ATTEMPTS};

pin_project! {
    /// Runs attempts side by side until one gives an outcome that stands. `H` is the hedge,
    /// borrowed or owned.
    pub(crate) struct Race<H, Op, Fut: Future, T: Timer, K> {
        handle: H,
        op: Op,
        field: Field,
        #[pin]
        lanes: Lanes<Fut>,
        #[pin]
        sleep: Option<T::Sleep>,
        delays: Option<CustomDelays>,
        // Whether the schedule has ended: only a failure begins another attempt then.
        unscheduled: bool,
        // How the last attempt failed that was not refused, while others run: what became of the call
        // if all of those are refused.
        failed: Option<Fut::Output>,
        classify: PhantomData<fn() -> K>,
    }
}

pin_project! {
    /// One place for each attempt: the `n`th attempt runs in the `n`th.
    struct Lanes<Fut> {
        #[pin]
        first: Option<Fut>,
        #[pin]
        second: Option<Fut>,
        #[pin]
        third: Option<Fut>,
        #[pin]
        fourth: Option<Fut>,
    }
}

type Lane<'a, Fut> = Pin<&'a mut Option<Fut>>;

impl<Fut> Lanes<Fut> {
    #[inline]
    fn all(self: Pin<&mut Self>) -> [Lane<'_, Fut>; 4] {
        let this = self.project();
        [this.first, this.second, this.third, this.fourth]
    }
}

/// How many attempts there are, and how many there may be.
struct Field {
    cx: Cx,
    begun: u8,
    running: u8,
    /// Sinks to `begun` when no further attempt may be made.
    limit: u8,
    ended: bool,
}

impl Field {
    /// Begins the first attempt.
    fn open<Op, Fut>(&mut self, shared: &HedgeShared, op: &mut Op, lanes: &mut [Lane<'_, Fut>])
    where
        Op: Operation<Fut>,
        Fut: Future,
    {
        let opening = shared.opening();
        if opening.is_budgeted() {
            if self.cx.attempt() == 1 && !self.cx.is_budgeted() {
                shared.deposit();
            }
            self.cx = self.cx.with_budgeted(true);
        }
        self.limit = if self.cx.is_idempotent() {
            u8::try_from(opening.max_attempts()).map_or(MAX_HEDGED_ATTEMPTS, |attempts| {
                attempts.clamp(1, MAX_HEDGED_ATTEMPTS)
            })
        } else {
            1
        };
        self.begin(op, lanes);
    }

    fn begin<Op, Fut>(&mut self, op: &mut Op, lanes: &mut [Lane<'_, Fut>])
    where
        Op: Operation<Fut>,
        Fut: Future,
    {
        let attempt = self.cx.attempt().saturating_add(u32::from(self.begun));
        let last = self.begun + 1 >= self.limit;
        let (fut, repeatable) = op.begin(self.cx.with_attempt(attempt), last);
        if let Some(lane) = lanes.get_mut(usize::from(self.begun)) {
            lane.set(Some(fut));
        }
        self.begun += 1;
        self.running += 1;
        if !repeatable {
            self.limit = self.begun;
        }
    }

    /// Begins another attempt beside those that run, if there may be one.
    #[cold]
    fn join<Op, Fut, T, K>(
        &mut self,
        hedge: &Hedge<T, K>,
        op: &mut Op,
        lanes: &mut [Lane<'_, Fut>],
    ) -> bool
    where
        Op: Operation<Fut>,
        Fut: Future,
        T: Timer,
    {
        if self.begun >= self.limit {
            return false;
        }
        let attempt = u32::from(self.begun) + 1;
        let in_time = self
            .cx
            .deadline()
            .is_none_or(|deadline| hedge.timer.now() < deadline);
        let token = in_time
            .then(|| hedge.shared.withdraw(attempt))
            .and_then(Result::ok);
        let Some(token) = token else {
            self.limit = self.begun;
            return false;
        };
        self.begin(op, lanes);
        if let Some(token) = token {
            token.spend();
        }
        hedge.shared.tell_started(attempt);
        true
    }
}

impl<H, Op, Fut: Future, T: Timer, K> Race<H, Op, Fut, T, K> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx, op: Op) -> Self {
        Self {
            handle,
            op,
            field: Field {
                cx,
                begun: 0,
                running: 0,
                limit: 1,
                ended: false,
            },
            lanes: Lanes {
                first: None,
                second: None,
                third: None,
                fourth: None,
            },
            sleep: None,
            delays: None,
            unscheduled: false,
            failed: None,
            classify: PhantomData,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        self.field.cx
    }
}

impl<H, Op, Fut, T, K> Future for Race<H, Op, Fut, T, K>
where
    H: Borrow<Hedge<T, K>>,
    Op: Operation<Fut>,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = Fut::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let hedge: &Hedge<T, K> = (*this.handle).borrow();
        let (field, op) = (this.field, this.op);
        assert!(!field.ended, "a hedged call was polled after it had ended");
        let mut lanes = this.lanes.all();
        if field.begun == 0 {
            field.open(&hedge.shared, op, &mut lanes);
        }
        // Attempts that are begun below join behind those that are polled here.
        let mut polled = 0;
        loop {
            while polled < field.begun {
                let lane = lanes.get_mut(usize::from(polled));
                polled += 1;
                let Some(mut out) = lane.and_then(|lane| poll_lane(lane, task)) else {
                    continue;
                };
                field.running -= 1;
                let stands = if let Again::Yes { after } = hedge.classify.again(&out) {
                    if after.is_some_and(|after| !after.is_zero()) {
                        // It wants fewer calls, not more.
                        field.limit = field.begun;
                    }
                    if field.join(hedge, op, &mut lanes) {
                        this.sleep.set(None);
                    }
                    if field.running > 0 {
                        *this.failed = Some(out);
                        continue;
                    }
                    false
                } else if field.begun > 1 && is_refused(&hedge.classify, &out) {
                    // What refused it would refuse another one too.
                    field.limit = field.begun;
                    if field.running > 0 {
                        continue;
                    }
                    out = this.failed.take().unwrap_or(out);
                    false
                } else {
                    true
                };
                // The losers end before the caller hears of the winner, and say nothing about the far
                // side.
                if field.running > 0 {
                    superseded(|| {
                        for lane in &mut lanes {
                            lane.set(None);
                        }
                    });
                }
                this.sleep.set(None);
                *this.failed = None;
                field.ended = true;
                if stands && polled > 1 {
                    hedge.shared.tell_won(u32::from(polled));
                }
                return Poll::Ready(out);
            }
            if field.begun >= field.limit || *this.unscheduled {
                this.sleep.set(None);
                return Poll::Pending;
            }
            let Some(sleep) = this.sleep.as_mut().as_pin_mut() else {
                match hedge.shared.delay(this.delays) {
                    Some(delay) => this.sleep.set(Some(hedge.timer.sleep(delay))),
                    None => *this.unscheduled = true,
                }
                continue;
            };
            if sleep.poll(task).is_pending() {
                return Poll::Pending;
            }
            this.sleep.set(None);
            field.join(hedge, op, &mut lanes);
        }
    }
}

/// Whether a mechanism on this side refused the attempt: it has not been sent, and says nothing about
/// those that were.
#[cold]
fn is_refused<Out>(classify: &impl Classify<Out>, out: &Out) -> bool {
    classify.sample(out) != Sample::Success && !classify.sent(out)
}

/// Returns the outcome of the attempt in a lane, which is then empty.
#[inline]
fn poll_lane<Fut: Future>(lane: &mut Lane<'_, Fut>, task: &mut Context<'_>) -> Option<Fut::Output> {
    let Poll::Ready(out) = lane.as_mut().as_pin_mut()?.poll(task) else {
        return None;
    };
    lane.set(None);
    Some(out)
}
