//! Scripted operations, and the journal of what was done to them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use contexter_service::{Again, Clock, Cx, ManualSleep, Sample, Timer};

use super::Time;
use super::outcome::{Fault, Held, Value};
use super::step::{End, Step};

/// One run of an operation, as the journal has it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) at: Instant,
    pub(crate) cx: Cx,
    pub(crate) ended: Option<Ended>,
    by_hand: Option<Step>,
    waker: Option<Waker>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished,
    Dropped,
}

#[derive(Debug, Default)]
struct Journal {
    runs: Vec<Run>,
    readied: usize,
    unready_calls: usize,
}

#[derive(Debug)]
struct Script {
    time: Time,
    /// One for each run; the last one repeats.
    steps: Vec<Step>,
    /// How often it becomes ready before that fails.
    ready_times: usize,
    /// Off where a run must not allocate.
    keeps_journal: bool,
    started: AtomicUsize,
    held: Arc<AtomicUsize>,
    journal: Mutex<Journal>,
}

/// An operation that goes as a scenario has scripted it, and remembers what was done to it.
///
/// A subject runs it as it would run a request to a far side: [`begin`](Self::begin) for each
/// attempt. A tower service wraps an [`instance`](Self::instance). Clones are the same operation.
#[derive(Clone, Debug)]
pub struct Op(Arc<Script>);

impl Op {
    fn scripted(script: impl FnOnce(&mut Script), time: &Time, steps: Vec<Step>) -> Self {
        let mut new = Script {
            time: time.clone(),
            steps,
            ready_times: usize::MAX,
            keeps_journal: true,
            started: AtomicUsize::new(0),
            held: Arc::default(),
            journal: Mutex::default(),
        };
        script(&mut new);
        Self(Arc::new(new))
    }

    /// Every run goes like `step`.
    pub(crate) fn new(time: &Time, step: Step) -> Self {
        Self::scripted(|_| {}, time, vec![step])
    }

    /// The runs go like the steps, and those beyond like the last.
    pub(crate) fn steps(time: &Time, steps: impl IntoIterator<Item = Step>) -> Self {
        Self::scripted(|_| {}, time, steps.into_iter().collect())
    }

    /// Succeeds at once, keeps no journal and allocates nothing.
    pub(crate) fn quiet(time: &Time) -> Self {
        Self::scripted(
            |script| script.keeps_journal = false,
            time,
            vec![Step::ok()],
        )
    }

    /// Fails whenever it runs, and becomes ready only so many times.
    pub(crate) fn ready_times(time: &Time, times: usize) -> Self {
        Self::scripted(
            |script| script.ready_times = times,
            time,
            vec![Step::fail()],
        )
    }

    /// Begins one run, as one request to the far side. Nothing goes on before its first poll.
    pub fn begin(&self, cx: Cx) -> Running {
        let script = &self.0;
        let index = script.started.fetch_add(1, Ordering::SeqCst);
        if script.keeps_journal {
            self.journal().runs.push(Run {
                at: script.time.now(),
                cx,
                ended: None,
                by_hand: None,
                waker: None,
            });
        }
        Running {
            op: self.clone(),
            index,
            sleep: None,
            done: false,
        }
    }

    /// Returns an instance of the operation as a service that must be made ready for each run.
    #[must_use]
    pub fn instance(&self) -> Instance {
        Instance {
            op: self.clone(),
            is_ready: false,
        }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, index: usize) -> Step {
        let steps = &self.0.steps;
        let last = steps.last().copied().unwrap_or(Step::hang());
        steps.get(index).copied().unwrap_or(last)
    }

    /// How many runs were begun.
    pub(crate) fn started(&self) -> usize {
        self.0.started.load(Ordering::SeqCst)
    }

    /// How often an instance was asked whether it is ready.
    pub(crate) fn readied(&self) -> usize {
        self.journal().readied
    }

    /// How many runs were begun by an instance that was not ready.
    pub(crate) fn unready_calls(&self) -> usize {
        self.journal().unready_calls
    }

    /// How many outcomes have not been dropped yet.
    pub(crate) fn held(&self) -> usize {
        self.0.held.load(Ordering::SeqCst)
    }

    /// All runs, in the order in which they were begun.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.journal().runs.clone()
    }

    /// How many runs have not ended.
    pub(crate) fn running(&self) -> usize {
        let journal = self.journal();
        journal
            .runs
            .iter()
            .filter(|run| run.ended.is_none())
            .count()
    }

    /// The times between the beginnings of the runs.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        let runs = self.runs();
        let pairs = runs.iter().zip(runs.iter().skip(1));
        pairs.map(|(one, next)| next.at - one.at).collect()
    }

    /// Lets the run `index`, counted from zero, end as `step` says when it is next polled.
    pub(crate) fn finish(&self, index: usize, step: Step) {
        let waker = self.journal().runs.get_mut(index).and_then(|run| {
            run.by_hand = Some(step);
            run.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// An operation in the shape of a service with readiness, for subjects that are such services.
///
/// Each clone is an instance of its own that is not ready, as of a service that reserves something
/// when it becomes ready.
#[derive(Debug)]
pub struct Instance {
    op: Op,
    is_ready: bool,
}

impl Clone for Instance {
    fn clone(&self) -> Self {
        self.op.instance()
    }
}

impl Instance {
    /// Makes this instance ready for one run.
    ///
    /// # Errors
    ///
    /// Fails if the scenario has scripted so; that is final.
    pub fn ready(&mut self) -> Result<(), Fault> {
        if self.op.0.keeps_journal {
            let mut journal = self.op.journal();
            journal.readied += 1;
            if journal.readied > self.op.0.ready_times {
                drop(journal);
                let retryable = Again::Yes { after: None };
                return Err(self.op.fault(0, Sample::Failure, retryable, true));
            }
        }
        self.is_ready = true;
        Ok(())
    }

    /// Begins one run, for which this very instance must have been made ready.
    pub fn begin(&mut self, cx: Cx) -> Running {
        if !std::mem::take(&mut self.is_ready) {
            self.op.journal().unready_calls += 1;
        }
        self.op.begin(cx)
    }
}

impl Op {
    fn fault(&self, number: usize, sample: Sample, again: Again, sent: bool) -> Fault {
        Fault {
            number,
            sample,
            again,
            sent,
            _held: Held::new(&self.0.held),
        }
    }
}

/// One run of an [`Op`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Running {
    op: Op,
    index: usize,
    sleep: Option<ManualSleep>,
    done: bool,
}

impl Running {
    fn end(&mut self, end: End) -> Poll<Result<Value, Fault>> {
        if let End::Never = end {
            return Poll::Pending;
        }
        self.done = true;
        if self.op.0.keeps_journal {
            let mut journal = self.op.journal();
            if let Some(run) = journal.runs.get_mut(self.index) {
                run.ended = Some(Ended::Finished);
            }
        }
        match end {
            // Past the panic hook: a scripted panic is not worth a message.
            End::Panic | End::Never => std::panic::resume_unwind(Box::new("a scripted panic")),
            End::Value => Poll::Ready(Ok(Value {
                number: self.index + 1,
                _held: Held::new(&self.op.0.held),
            })),
            End::Fault {
                sample,
                again,
                sent,
            } => Poll::Ready(Err(self.op.fault(self.index + 1, sample, again, sent))),
        }
    }
}

impl Future for Running {
    type Output = Result<Value, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let step = self.op.step(self.index);
        if self.op.0.keeps_journal {
            let mut journal = self.op.journal();
            if let Some(run) = journal.runs.get_mut(self.index) {
                run.waker = Some(cx.waker().clone());
                if let Some(by_hand) = run.by_hand {
                    drop(journal);
                    return self.end(by_hand.end);
                }
            }
        }
        if !step.after.is_zero() {
            let time = self.op.0.time.clone();
            let sleep = self.sleep.get_or_insert_with(|| time.sleep(step.after));
            if Pin::new(sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        self.end(step.end)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.done || !self.op.0.keeps_journal {
            return;
        }
        let mut journal = self.op.journal();
        if let Some(run) = journal.runs.get_mut(self.index) {
            run.ended = Some(Ended::Dropped);
        }
    }
}
