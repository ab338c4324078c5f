//! Collects the faces of mechanisms and runs the scenarios over them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::Time;
use super::flight::panic_text;
use super::scenarios;
use super::subjects::around::{
    FallbackSubject, KeyedSettings, KeyedSubject, Recovery, Shape, StackSubject, TimeoutSubject,
};
use super::subjects::breaker::{BreakerSettings, BreakerSubject};
use super::subjects::limit::{
    AdaptiveSettings, AdaptiveSubject, BulkheadSettings, BulkheadSubject, RateLimitSubject,
    RateSettings,
};
use super::subjects::retry::{HedgeSettings, HedgeSubject, RetrySettings, RetrySubject};
use crate::verdict::Checked;
use crate::{Refusal, Report, Rule, Verdict};

/// Reads the program's allocator, for the rules about memory. A test program installs a global
/// allocator that counts, and gives the suite these two functions.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    /// Returns how many allocations there have been.
    pub allocations: fn() -> u64,
    /// Returns how many bytes are allocated now.
    pub live_bytes: fn() -> u64,
}

type Build<S, T> = dyn Fn(&S, &Time) -> Result<Box<T>, Refusal> + Send + Sync;

/// What a scenario works with: how to make its subject, and the counters of memory if there are any.
pub(crate) struct Stand<S: ?Sized, T: ?Sized> {
    build: Arc<Build<S, T>>,
    pub(crate) heap: Option<Heap>,
}

impl<S, T: ?Sized> Stand<S, T> {
    /// Makes a subject on a time of its own.
    pub(crate) fn make(&self, settings: &S) -> Checked<(Box<T>, Time)> {
        let time = Time::new();
        let subject = self.build(settings, &time)?;
        Ok((subject, time))
    }

    /// Makes a subject on `time`; the error may be the point.
    pub(crate) fn build(&self, settings: &S, time: &Time) -> Result<Box<T>, Refusal> {
        (self.build)(settings, time)
    }
}

/// A rule and how to ask for it.
pub(crate) struct Scenario<S, T: ?Sized> {
    pub(crate) rule: Rule,
    pub(crate) run: fn(&Stand<S, T>) -> Checked,
}

struct Job {
    rule: Rule,
    face: String,
    run: Box<dyn Fn(Option<Heap>) -> Checked>,
}

impl Job {
    fn verdict(&self, heap: Option<Heap>) -> Verdict {
        match catch_unwind(AssertUnwindSafe(|| (self.run)(heap))) {
            Ok(Ok(())) => Verdict::Pass,
            Ok(Err(verdict)) => verdict,
            Err(panic) => Verdict::Fail(format!("it panicked: {}", panic_text(&*panic))),
        }
    }
}

/// The scenarios over all faces that were added.
///
/// Each method adds one face of a mechanism: its name in the table, and how to build one from the
/// suite's settings on the suite's [`Time`]. A builder refuses settings that its type does not have
/// with [`Refusal::Unsupported`], and the table then says so.
#[derive(Default)]
pub struct Suite {
    jobs: Vec<Job>,
    heap: Option<Heap>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("scenarios", &self.jobs.len())
            .field("heap", &self.heap)
            .finish()
    }
}

impl Suite {
    /// Creates a suite without faces.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts memory by `heap`; without, the rules about memory do not apply.
    #[must_use]
    pub fn with_heap(mut self, heap: Heap) -> Self {
        self.heap = Some(heap);
        self
    }

    fn add<S: 'static, T: ?Sized + 'static>(
        &mut self,
        scenarios: impl IntoIterator<Item = Scenario<S, T>>,
        face: &str,
        build: impl Fn(&S, &Time) -> Result<Box<T>, Refusal> + Send + Sync + 'static,
    ) {
        let build: Arc<Build<S, T>> = Arc::new(build);
        for Scenario { rule, run } in scenarios {
            let build = Arc::clone(&build);
            self.jobs.push(Job {
                rule,
                face: face.to_owned(),
                run: Box::new(move |heap| {
                    run(&Stand {
                        build: Arc::clone(&build),
                        heap,
                    })
                }),
            });
        }
    }

    /// Adds a face of a breaker.
    pub fn breaker(
        &mut self,
        face: &str,
        build: impl Fn(&BreakerSettings, &Time) -> Result<Box<dyn BreakerSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::breaker(), face, build);
    }

    /// Adds a face of a retry.
    pub fn retry(
        &mut self,
        face: &str,
        build: impl Fn(&RetrySettings, &Time) -> Result<Box<dyn RetrySubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::retry(), face, build);
    }

    /// Adds a face of a hedge.
    pub fn hedge(
        &mut self,
        face: &str,
        build: impl Fn(&HedgeSettings, &Time) -> Result<Box<dyn HedgeSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::hedge(), face, build);
    }

    /// Adds a face of a bulkhead.
    pub fn bulkhead(
        &mut self,
        face: &str,
        build: impl Fn(&BulkheadSettings, &Time) -> Result<Box<dyn BulkheadSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::bulkhead(), face, build);
    }

    /// Adds a face of a rate limiter.
    pub fn rate_limit(
        &mut self,
        face: &str,
        build: impl Fn(&RateSettings, &Time) -> Result<Box<dyn RateLimitSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::rate_limit(), face, build);
    }

    /// Adds a face of an adaptive limit.
    pub fn adaptive(
        &mut self,
        face: &str,
        build: impl Fn(&AdaptiveSettings, &Time) -> Result<Box<dyn AdaptiveSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::adaptive(), face, build);
    }

    /// Adds a face of a timeout, built from how long a call may take.
    pub fn timeout(
        &mut self,
        face: &str,
        build: impl Fn(&Duration, &Time) -> Result<Box<dyn TimeoutSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::timeout(), face, build);
    }

    /// Adds a face of a fallback, built from the operation that it falls back to.
    pub fn fallback(
        &mut self,
        face: &str,
        build: impl Fn(&Recovery, &Time) -> Result<Box<dyn FallbackSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::fallback(), face, build);
    }

    /// Adds a face of compositions of two mechanisms.
    pub fn stack(
        &mut self,
        face: &str,
        build: impl Fn(&Shape, &Time) -> Result<Box<dyn StackSubject>, Refusal> + Send + Sync + 'static,
    ) {
        self.add(scenarios::stack(), face, build);
    }

    /// Adds a registry of breakers.
    pub fn keyed(
        &mut self,
        face: &str,
        build: impl Fn(&KeyedSettings, &Time) -> Result<Box<dyn KeyedSubject>, Refusal>
        + Send
        + Sync
        + 'static,
    ) {
        self.add(scenarios::keyed(), face, build);
    }

    /// Returns every rule with the face that it is asked of, in the order in which they run.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, &str)> {
        self.jobs.iter().map(|job| (&job.rule, job.face.as_str()))
    }

    /// Runs all scenarios.
    #[must_use]
    pub fn run(&self) -> Report {
        self.run_where(|_rule, _face| true)
    }

    /// Runs the scenarios that `wanted` picks by rule and face.
    ///
    /// One after the other in this thread: what counts memory and time tolerates no company.
    #[must_use]
    pub fn run_where(&self, wanted: impl Fn(&Rule, &str) -> bool) -> Report {
        let mut report = Report::default();
        for job in self.jobs.iter().filter(|job| wanted(&job.rule, &job.face)) {
            report.add(job.rule, job.face.as_str(), job.verdict(self.heap));
        }
        report
    }
}
