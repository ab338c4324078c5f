//! One task: the time and the allocations of a call.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contexter_service::{Clock, StdClock};

use super::{Runtimes, Used, median, per_call};
use crate::allocations;
use crate::case::Case;
use crate::options::Options;

/// How often a case is tried for one sample that counts, at most.
const TRIES: usize = 3;

/// What one call costs; times in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) multi_thread: f64,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

/// One case, and what is known of it so far.
struct Subject<'a> {
    case: &'a Arc<Case>,
    calls: u64,
    allocations: f64,
    bytes: f64,
    single: Vec<f64>,
    multi: Vec<f64>,
}

/// Measures all cases in turn.
pub(crate) fn measure(
    runtimes: &Runtimes,
    cases: &[Arc<Case>],
    options: &Options,
) -> Result<Vec<Cost>> {
    let mut subjects: Vec<_> = cases
        .iter()
        .map(|case| Subject::new(case, runtimes, options.slice))
        .collect();
    for round in 0..options.rounds * TRIES {
        // The first round warms up; it counts for nothing.
        let counts = round > 0;
        for subject in &mut subjects {
            if subject.single.len() < options.rounds {
                let sample = subject.sample(runtimes)?;
                subject.single.extend(sample.filter(|_| counts));
            }
            if subject.multi.len() < options.rounds {
                let sample = subject.sample_multi(runtimes)?;
                subject.multi.extend(sample.filter(|_| counts));
            }
        }
    }
    Ok(subjects.into_iter().map(Subject::cost).collect())
}

impl<'a> Subject<'a> {
    /// Finds out how many calls fill a slice, and counts what they allocate.
    fn new(case: &'a Arc<Case>, runtimes: &Runtimes, slice: Duration) -> Self {
        const TRIAL: u64 = 20_000;
        // Two sizes: what a case allocates to begin with cancels out.
        const FEW: u64 = 1_000;
        const MANY: u64 = 11_000;

        runtimes.single.block_on(case.run(2_000));
        let start = StdClock.now();
        runtimes.single.block_on(case.run(TRIAL));
        let calls = slice.as_nanos() * u128::from(TRIAL) / start.elapsed().as_nanos().max(1);
        let count = |calls| {
            let run = case.run(calls);
            allocations::during(|| runtimes.single.block_on(run)).1
        };
        let (few, many) = (count(FEW), count(MANY));
        let per_call = |few: u64, many: u64| (many as f64 - few as f64) / (MANY - FEW) as f64;
        Self {
            case,
            calls: u64::try_from(calls)
                .unwrap_or(u64::MAX)
                .clamp(1_000, 2_000_000),
            allocations: per_call(few.calls, many.calls),
            bytes: per_call(few.bytes, many.bytes),
            single: Vec::new(),
            multi: Vec::new(),
        }
    }

    /// Runs the case once; nothing if the thread was preempted meanwhile.
    fn sample(&self, runtimes: &Runtimes) -> Result<Option<f64>> {
        let run = self.case.run(self.calls);
        let before = Used::now()?;
        runtimes.single.block_on(run);
        let after = Used::now()?;
        let whole = before.preemptions == after.preemptions;
        Ok(whole.then(|| per_call(after.cpu.saturating_sub(before.cpu), self.calls)))
    }

    /// As [`sample`](Self::sample), in a task that may change its thread: wall time therefore.
    fn sample_multi(&self, runtimes: &Runtimes) -> Result<Option<f64>> {
        let (case, calls) = (Arc::clone(self.case), self.calls);
        let task = runtimes.multi.spawn(async move {
            let run = case.run(calls);
            let thread = thread::current().id();
            let before = Used::now()?;
            let start: Instant = StdClock.now();
            run.await;
            let took = start.elapsed();
            let after = Used::now()?;
            let whole = thread == thread::current().id() && before.preemptions == after.preemptions;
            anyhow::Ok(whole.then(|| per_call(took, calls)))
        });
        let sample = runtimes.multi.block_on(task);
        sample.context("a case panicked")?
    }

    fn cost(mut self) -> Cost {
        Cost {
            name: self.case.name,
            least: self.single.iter().copied().fold(f64::NAN, f64::min),
            median: median(&mut self.single),
            multi_thread: median(&mut self.multi),
            allocations: self.allocations,
            bytes: self.bytes,
        }
    }
}
