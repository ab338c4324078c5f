//! How a case is measured.

pub(crate) mod contention;
pub(crate) mod single;

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use tokio::runtime::{Builder, Runtime};

/// The two kinds of runtime that a task may run on.
pub(crate) struct Runtimes {
    pub(crate) single: Runtime,
    pub(crate) multi: Runtime,
}

impl Runtimes {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            single: current_thread()?,
            multi: Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("cannot make a runtime")?,
        })
    }
}

fn current_thread() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot make a runtime")
}

/// What this thread has used so far.
#[derive(Clone, Copy, Debug)]
struct Used {
    cpu: Duration,
    preemptions: i64,
}

impl Used {
    fn now() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).context("cannot read a thread's usage")?;
        let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .context("cannot read a thread's clock")?;
        Ok(Self {
            cpu: cpu.into(),
            preemptions: usage.involuntary_context_switches(),
        })
    }
}

/// Returns the processors that this process may use.
fn cores() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot read the affinity")?;
    let cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
    Ok(cores.collect())
}

/// Keeps this thread on one processor.
fn pin_to(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core).context("no such processor")?;
    sched_setaffinity(Pid::from_raw(0), &only).context("cannot pin a thread")
}

/// The middle figure; NaN if there is none.
pub(crate) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The figure that a tenth lies below; the figures must be sorted.
fn best_decile(figures: &[f64]) -> f64 {
    figures.get(figures.len() / 10).copied().unwrap_or(f64::NAN)
}

/// Returns the nanoseconds of one of `calls` calls.
fn per_call(time: Duration, calls: u64) -> f64 {
    time.as_nanos() as f64 / calls as f64
}
