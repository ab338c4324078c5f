//! One shared instance, two threads.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use contexter_service::{Clock, StdClock};
use tokio::runtime::Runtime;

use super::{Runtimes, Used, best_decile, cores, current_thread, median, per_call, pin_to};
use crate::case::Case;
use crate::options::Options;

/// How long the threads run side by side for one sample.
const WINDOW: Duration = Duration::from_micros(500);
/// A window that took longer was interrupted by something that no counter shows.
const LONGEST: Duration = Duration::from_millis(5);
/// About how long a thread alone calls between two looks at the clock.
///
/// What is shared is cloned once a batch. Where a cache line takes a microsecond from one processor
/// to the other, as on some virtual machines, a clone every few calls would be all that is measured.
const BATCH: Duration = Duration::from_micros(10);
/// The calls of a batch, at least and at most.
const CALLS: RangeInclusive<u64> = 50..=1_000;
/// The windows that warm up.
const WARM_UP: u32 = 3;
/// In how many turns the windows of all cases are taken, so that drift falls on all alike.
const TURNS: usize = 5;
/// When a turn of one case ends even with windows missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one call costs each thread, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) name: &'static str,
    pub(crate) alone: f64,
    pub(crate) together: f64,
    pub(crate) together_best_decile: f64,
    /// How many windows counted, of how many: with one thread, with two.
    pub(crate) kept: [(usize, usize); 2],
}

impl Shared {
    /// How many times as long a call takes when another thread calls too.
    pub(crate) fn slowdown(&self) -> f64 {
        self.together / self.alone
    }
}

/// Measures the cases that several threads may share, on pinned threads with runtimes of their own.
pub(crate) fn measure(cases: &[Arc<Case>], options: &Options) -> Result<Vec<Shared>> {
    let cores = cores()?;
    ensure!(cores.len() > 1, "contention needs two processors");
    let shared: Vec<_> = cases.iter().filter(|case| case.is_shared()).collect();
    let mut windows = vec![[Windows::default(), Windows::default()]; shared.len()];
    let runtime = current_thread()?;
    let batches: Vec<_> = shared.iter().map(|case| batch(case, &runtime)).collect();
    let in_turn = options.rounds.div_ceil(TURNS);
    for _ in 0..TURNS {
        let subjects = shared.iter().zip(&batches).zip(&mut windows);
        for ((case, &batch), [alone, together]) in subjects {
            alone.take(case, batch, &cores[..1], in_turn)?;
            together.take(case, batch, &cores[..2], in_turn)?;
        }
    }
    let costs = shared.iter().zip(&mut windows);
    let costs = costs.map(|(case, [alone, together])| Shared {
        name: case.name,
        alone: median(&mut alone.per_call),
        together: median(&mut together.per_call),
        together_best_decile: best_decile(&together.per_call),
        kept: [
            (alone.per_call.len(), alone.tried),
            (together.per_call.len(), together.tried),
        ],
    });
    Ok(costs.collect())
}

/// Returns how many calls a batch of the case has.
fn batch(case: &Case, runtime: &Runtime) -> u64 {
    const TRIAL: u64 = 20_000;
    runtime.block_on(case.run(TRIAL));
    let start = StdClock.now();
    runtime.block_on(case.run(TRIAL));
    let calls = BATCH.as_nanos() * u128::from(TRIAL) / start.elapsed().as_nanos().max(1);
    let calls = u64::try_from(calls).unwrap_or(u64::MAX);
    calls.clamp(*CALLS.start(), *CALLS.end())
}

/// What is known of one case on some number of threads.
#[derive(Clone, Debug, Default)]
struct Windows {
    per_call: Vec<f64>,
    tried: usize,
}

/// What one thread did in one window.
struct Report {
    time: Duration,
    calls: u64,
    preempted: bool,
}

impl Windows {
    /// Runs the case on a thread for each of `cores` until `wanted` further windows count.
    fn take(&mut self, case: &Arc<Case>, batch: u64, cores: &[usize], wanted: usize) -> Result<()> {
        let gate = Arc::new(Gate::new(cores.len()));
        let (sender, reports) = mpsc::channel();
        let threads: Vec<_> = cores
            .iter()
            .map(|&core| {
                let (case, gate, sender) = (Arc::clone(case), Arc::clone(&gate), sender.clone());
                thread::spawn(move || work(core, &case, batch, &gate, &sender))
            })
            .collect();
        drop(sender);
        let (start, mut warm_up, mut kept) = (StdClock.now(), WARM_UP, 0);
        while kept < wanted && start.elapsed() < PATIENCE {
            // The channel ends early only if a thread does; joining it tells why.
            let window: Vec<Report> = reports.iter().take(cores.len()).collect();
            if window.len() < cores.len() {
                break;
            }
            if warm_up > 0 {
                warm_up -= 1;
                continue;
            }
            self.tried += 1;
            let disturbed = |report: &Report| report.preempted || report.time > LONGEST;
            if !window.iter().any(disturbed) {
                let sum: f64 = window
                    .iter()
                    .map(|report| per_call(report.time, report.calls))
                    .sum();
                self.per_call.push(sum / cores.len() as f64);
                kept += 1;
            }
        }
        gate.close();
        for thread in threads {
            thread
                .join()
                .map_err(|_panic| anyhow!("a thread panicked in {}", case.name))??;
        }
        Ok(())
    }
}

/// Lets the threads of one window start together, without a system call.
struct Gate {
    threads: u64,
    epoch: Instant,
    arrived: AtomicU64,
    opened: AtomicU64,
    /// When the window ends, in nanoseconds after the epoch.
    end: AtomicU64,
    closed: AtomicBool,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self {
            threads: threads as u64,
            epoch: StdClock.now(),
            arrived: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            end: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Waits for the others; returns whether window number `window` (from 1) takes place.
    fn pass(&self, window: u64) -> bool {
        let here = self.arrived.fetch_add(1, Ordering::AcqRel) + 1;
        if here == window * self.threads {
            let length = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
            self.end.store(self.now() + length, Ordering::Relaxed);
            self.opened.store(window, Ordering::Release);
        }
        while self.opened.load(Ordering::Acquire) < window {
            if self.closed.load(Ordering::Relaxed) {
                return false;
            }
            std::hint::spin_loop();
        }
        !self.closed.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.now() >= self.end.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// One thread: a window after the other, until the gate is closed.
fn work(core: usize, case: &Case, batch: u64, gate: &Gate, reports: &Sender<Report>) -> Result<()> {
    // Whatever ends this thread, the others must not wait for it.
    struct CloseOnDrop<'a>(&'a Gate);
    impl Drop for CloseOnDrop<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    let _close = CloseOnDrop(gate);
    pin_to(core)?;
    let runtime = current_thread()?;
    runtime.block_on(case.run(1_000));
    for window in 1.. {
        if !gate.pass(window) {
            break;
        }
        let before = Used::now()?;
        let start = StdClock.now();
        let calls = runtime.block_on(async {
            let mut calls = 0;
            loop {
                case.run(batch).await;
                calls += batch;
                if gate.is_over() {
                    break calls;
                }
            }
        });
        let time = start.elapsed();
        let preempted = Used::now()?.preemptions > before.preemptions;
        let report = Report {
            time,
            calls,
            preempted,
        };
        if reports.send(report).is_err() {
            break;
        }
    }
    Ok(())
}

/// What one call costs each of two tasks on one runtime with two workers, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    pub(crate) name: &'static str,
    pub(crate) median: f64,
    pub(crate) best_decile: f64,
}

/// Measures the same cases as two tasks of one runtime, by wall time.
pub(crate) fn measure_tasks(
    runtimes: &Runtimes,
    cases: &[Arc<Case>],
    options: &Options,
) -> Result<Vec<Tasks>> {
    const TRIAL: u64 = 20_000;
    const SAMPLES: usize = 21;
    let slice = Duration::from_millis(20).min(options.slice * 5);
    let mut costs = Vec::new();
    for case in cases.iter().filter(|case| case.is_shared()) {
        let start = StdClock.now();
        runtimes.single.block_on(case.run(TRIAL));
        let calls = slice.as_nanos() * u128::from(TRIAL) / start.elapsed().as_nanos().max(1);
        let calls = u64::try_from(calls)?.clamp(TRIAL, 10_000_000);
        let mut samples = Vec::new();
        for round in 0..options.rounds.min(SAMPLES) + 3 {
            let start = StdClock.now();
            runtimes.multi.block_on(async {
                let tasks = [(); 2].map(|()| tokio::spawn(case.run(calls)));
                for task in tasks {
                    task.await?;
                }
                anyhow::Ok(())
            })?;
            if round > 2 {
                samples.push(per_call(start.elapsed(), calls));
            }
        }
        costs.push(Tasks {
            name: case.name,
            median: median(&mut samples),
            best_decile: best_decile(&samples),
        });
    }
    Ok(costs)
}
