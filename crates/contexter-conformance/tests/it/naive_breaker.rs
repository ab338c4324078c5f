//! A breaker behind one mutex, right unless it is given a flaw.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contexter_conformance::resilience::{
    Abandonment, BreakerSettings, BreakerSubject, Call, Failure, Fault, Listener, Op, Reply, Time,
    Trip, Value, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{BreakerState, Clock, Cx, Jitter, Open};

use crate::heap;
use crate::window::Window;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    NeverSlides,
    WaitsForTheWholeWindow,
    RateIsExclusive,
    KeepsOldFailures,
    ScansTheWindow,
    KeepsEveryCall,
    NeutralEndsStreaks,
    NeutralIsFailure,
    IgnoresSlowCalls,
    WaitsForAWindowOfTime,
    DroppedTeachNothing,
    DroppedAreFailures,
    DefaultsForHighTraffic,
    BeginsBeforeItRefuses,
    RefusalSaysNothing,
    RefusalSaysTheWholeBreak,
    BreakIsAMomentLonger,
    LateFailureExtendsTheBreak,
    BreaksNeverGrow,
    BreaksOverflow,
    BreaksKeepTheirLength,
    JitterPassesTheCap,
    AdmitsAllProbes,
    DroppedProbeKeepsItsPlace,
    PanickedProbeKeepsItsPlace,
    NeutralProbeCloses,
    NeutralProbeKeepsItsPlace,
    HungProbeStaysForEver,
    StaleSuccessCounts,
    StaleFailureCounts,
    StaleProbeCounts,
    OneSuccessCloses,
    OneFailureOpens,
    WaitsForAllProbes,
    TellsTwice,
    IsolationExpires,
    ForcedClosedCounts,
    HandlesAreApart,
    ListenerPanicPassesThrough,
    ListensUnderTheLock,
    NewSettingsClose,
    NewSettingsExtendTheBreak,
    TakesBadSettings,
    NamesOneFaultOnly,
    GaugesAddUp,
    Allocates,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Closed,
    Open { since: Instant, until: Instant },
    HalfOpen { since: Instant },
}

impl Phase {
    fn state(self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hand {
    Isolated,
    ForcedClosed,
}

struct Core {
    settings: BreakerSettings,
    phase: Phase,
    generation: u64,
    hand: Option<Hand>,
    streak: u32,
    window: Option<Window>,
    made_at: Instant,
    in_flight: u32,
    succeeded: u32,
    failed: u32,
    opened_in_a_row: u32,
    random: u64,
    recorded: u64,
    gauges: Vec<(BreakerState, f64)>,
    untold: VecDeque<(BreakerState, BreakerState)>,
    telling: bool,
}

#[derive(Clone)]
pub(crate) struct Naive {
    core: Arc<Mutex<Core>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    time: Time,
    flaw: Flaw,
}

fn faults(settings: &BreakerSettings) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |wrong: bool, text: &str| {
        if wrong {
            faults.push(text.to_owned());
        }
    };
    let no_rate = |rate: f64| !(rate > 0.0 && rate <= 1.0);
    match settings.trip {
        Trip::Streak(failures) => fault(failures == 0, "streak"),
        Trip::CountWindow {
            size,
            minimum,
            rate,
        } => {
            fault(no_rate(rate), "rate");
            fault(size == 0, "size");
            fault(minimum == 0 || minimum > size, "minimum");
        }
        Trip::TimeWindow {
            length,
            minimum,
            rate,
        } => {
            fault(no_rate(rate), "rate");
            fault(length.is_zero(), "length");
            fault(minimum == 0, "minimum");
        }
        _ => {}
    }
    if let Some(slow) = settings.slow {
        fault(slow.threshold.is_zero() || no_rate(slow.rate), "slow");
    }
    if let Some(growth) = settings.growth {
        fault(
            !(growth.factor >= 1.0 && growth.factor.is_finite()),
            "factor",
        );
        fault(growth.cap < settings.break_for, "cap");
    }
    fault(settings.break_for.is_zero(), "break");
    fault(settings.probes == 0, "probes");
    fault(settings.successes == 0, "successes");
    fault(
        settings.half_open_for.is_some_and(|limit| limit.is_zero()),
        "half-open",
    );
    faults
}

impl Naive {
    pub(crate) fn new(
        settings: &BreakerSettings,
        time: &Time,
        flaw: Flaw,
    ) -> Result<Self, Refusal> {
        let mut wrong = faults(settings);
        if flaw == Flaw::NamesOneFaultOnly {
            wrong.truncate(1);
        }
        if !wrong.is_empty() && flaw != Flaw::TakesBadSettings {
            return Err(Refusal::Invalid(wrong));
        }
        let mut settings = *settings;
        if settings.trip == Trip::Default {
            let failures = if flaw == Flaw::DefaultsForHighTraffic {
                100
            } else {
                5
            };
            settings.trip = Trip::Streak(failures);
        }
        let now = time.now();
        Ok(Self {
            core: Arc::new(Mutex::new(Core {
                settings,
                phase: Phase::Closed,
                generation: 0,
                hand: None,
                streak: 0,
                window: Window::new(settings.trip, now),
                made_at: now,
                in_flight: 0,
                succeeded: 0,
                failed: 0,
                opened_in_a_row: 0,
                random: 1,
                recorded: 0,
                gauges: vec![(BreakerState::Closed, 1.0)],
                untold: VecDeque::new(),
                telling: false,
            })),
            listeners: Arc::default(),
            time: time.clone(),
            flaw,
        })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Asks for the right to make one call.
    pub(crate) fn enter(&self) -> Result<Permit, Open> {
        let now = self.time.now();
        let mut core = self.core();
        if core.hand == Some(Hand::Isolated) {
            let expired =
                self.is(Flaw::IsolationExpires) && now - core.made_at >= core.settings.break_for;
            if !expired {
                return Err(Open { retry_after: None });
            }
        }
        if core.hand.is_none() {
            self.admit(&mut core, now)?;
        }
        let probe = matches!(core.phase, Phase::HalfOpen { .. });
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        let permit = Permit {
            breaker: self.clone(),
            generation: core.generation,
            probe,
            since: now,
            settled: false,
        };
        drop(core);
        self.tell();
        Ok(permit)
    }

    fn admit(&self, core: &mut Core, now: Instant) -> Result<(), Open> {
        if let Phase::Open { since, until } = core.phase {
            let late = if self.is(Flaw::BreakIsAMomentLonger) {
                Duration::from_micros(1)
            } else {
                Duration::ZERO
            };
            if now < until + late {
                let left = if self.is(Flaw::RefusalSaysTheWholeBreak) {
                    until - since
                } else {
                    until - now
                };
                let said = !self.is(Flaw::RefusalSaysNothing);
                return Err(Open {
                    retry_after: said.then_some(left),
                });
            }
            self.enter_half_open(core, now);
        }
        if let Phase::HalfOpen { since } = core.phase {
            let limit = core.settings.half_open_for;
            let over = limit.is_some_and(|limit| now >= since + limit);
            if over && !self.is(Flaw::HungProbeStaysForEver) {
                self.enter_half_open(core, now);
            }
            let decided = core.succeeded + core.failed;
            let total = core.settings.probes.max(core.settings.successes);
            let full = core.in_flight >= core.settings.probes || core.in_flight + decided >= total;
            if full && !self.is(Flaw::AdmitsAllProbes) {
                return Err(Open { retry_after: None });
            }
            core.in_flight += 1;
        }
        Ok(())
    }

    fn enter_half_open(&self, core: &mut Core, now: Instant) {
        core.in_flight = 0;
        core.succeeded = 0;
        core.failed = 0;
        self.change(core, Phase::HalfOpen { since: now });
    }

    fn change(&self, core: &mut Core, phase: Phase) {
        let (from, to) = (core.phase.state(), phase.state());
        core.phase = phase;
        core.generation += 1;
        if from == to {
            return;
        }
        for _ in 0..if self.is(Flaw::TellsTwice) { 2 } else { 1 } {
            core.untold.push_back((from, to));
        }
        if !self.is(Flaw::GaugesAddUp) {
            core.gauges.clear();
        }
        core.gauges.push((to, 1.0));
        if self.is(Flaw::ListensUnderTheLock) {
            while let Some((from, to)) = core.untold.pop_front() {
                self.tell_one(from, to);
            }
        }
    }

    fn tell_one(&self, from: BreakerState, to: BreakerState) {
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners {
            if self.is(Flaw::ListenerPanicPassesThrough) {
                listener(from, to);
            } else {
                let told = catch_unwind(AssertUnwindSafe(|| listener(from, to)));
                drop(told);
            }
        }
    }

    /// Tells what is untold, unless another thread, or a listener up the stack, is at it.
    fn tell(&self) {
        loop {
            let mut core = self.core();
            if core.telling {
                return;
            }
            let Some((from, to)) = core.untold.pop_front() else {
                return;
            };
            core.telling = true;
            drop(core);
            let told = catch_unwind(AssertUnwindSafe(|| self.tell_one(from, to)));
            self.core().telling = false;
            if let Err(panic) = told {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn break_for(&self, core: &mut Core) -> Duration {
        let base = core.settings.break_for;
        let Some(growth) = core
            .settings
            .growth
            .filter(|_| !self.is(Flaw::BreaksNeverGrow))
        else {
            return base;
        };
        let round = core.opened_in_a_row;
        core.opened_in_a_row += 1;
        if self.is(Flaw::BreaksOverflow) {
            return (base * 2_u32.checked_pow(round).unwrap_or(0)).min(growth.cap);
        }
        let grown =
            base.as_secs_f64() * growth.factor.powi(i32::try_from(round).unwrap_or(i32::MAX));
        let full =
            Duration::try_from_secs_f64(grown).map_or(growth.cap, |grown| grown.min(growth.cap));
        // xorshift64
        core.random ^= core.random << 13;
        core.random ^= core.random >> 7;
        core.random ^= core.random << 17;
        let share =
            f64::from(u32::try_from(core.random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let share = if self.is(Flaw::JitterPassesTheCap) {
            1.0 + share
        } else {
            share
        };
        match growth.jitter {
            Jitter::Full => full.mul_f64(share),
            Jitter::Equal => full.mul_f64(0.5 + share / 2.0),
            _ => full,
        }
    }

    fn open(&self, core: &mut Core, now: Instant) {
        let until = now + self.break_for(core);
        self.change(core, Phase::Open { since: now, until });
    }

    fn close(&self, core: &mut Core, now: Instant) {
        core.streak = 0;
        core.window = Window::new(core.settings.trip, now);
        if !self.is(Flaw::BreaksKeepTheirLength) {
            core.opened_in_a_row = 0;
        }
        self.change(core, Phase::Closed);
    }

    fn settle_closed(&self, core: &mut Core, now: Instant, failed: bool, took: Duration) {
        core.recorded += 1;
        if self.is(Flaw::ScansTheWindow) {
            for scanned in 0..core.recorded.min(2_000) {
                std::hint::black_box(scanned);
            }
        }
        if self.is(Flaw::KeepsEveryCall) {
            heap::claim(16);
        }
        core.streak = if failed { core.streak + 1 } else { 0 };
        let slow = core
            .settings
            .slow
            .filter(|_| !self.is(Flaw::IgnoresSlowCalls));
        let is_slow = slow.is_some_and(|slow| took > slow.threshold);
        let flaw = self.flaw;
        let tally = core.window.as_mut().map(|window| {
            window.record(now, failed, is_slow, flaw);
            window.tally(now, flaw)
        });
        let opens = match (core.settings.trip, tally) {
            (Trip::Streak(failures), _) => core.streak >= failures,
            (
                Trip::CountWindow {
                    size,
                    minimum,
                    rate,
                },
                Some(tally),
            ) => {
                let minimum = if self.is(Flaw::WaitsForTheWholeWindow) {
                    size
                } else {
                    minimum
                };
                self.reaches(tally.calls, minimum, tally.failures, rate)
                    || slow.is_some_and(|slow| {
                        self.reaches(tally.calls, minimum, tally.slow, slow.rate)
                    })
            }
            (
                Trip::TimeWindow {
                    length,
                    minimum,
                    rate,
                },
                Some(tally),
            ) => {
                let too_early = now - core.made_at < length;
                self.reaches(tally.calls, minimum, tally.failures, rate)
                    && !(too_early && self.is(Flaw::WaitsForAWindowOfTime))
            }
            _ => false,
        };
        if opens {
            self.open(core, now);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "windows are small")]
    fn reaches(&self, calls: u64, minimum: u32, of: u64, rate: f64) -> bool {
        let share = of as f64 / calls as f64;
        let exclusive = self.is(Flaw::RateIsExclusive);
        calls >= u64::from(minimum)
            && if exclusive {
                share > rate
            } else {
                share >= rate
            }
    }

    fn settle_probe(&self, core: &mut Core, now: Instant, failed: bool) {
        let BreakerSettings {
            probes, successes, ..
        } = core.settings;
        if failed {
            core.failed += 1;
        } else {
            core.succeeded += 1;
        }
        let spare = probes.max(successes) - successes;
        let all_in = !self.is(Flaw::WaitsForAllProbes) || core.in_flight == 0;
        let open = core.failed > spare || failed && self.is(Flaw::OneFailureOpens);
        let close = core.succeeded >= successes || !failed && self.is(Flaw::OneSuccessCloses);
        if open && all_in {
            self.open(core, now);
        } else if close {
            self.close(core, now);
        }
    }
}

/// What an outcome teaches.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lesson {
    Success,
    Failure,
    Neutral,
    Dropped,
    Panicked,
}

pub(crate) struct Permit {
    breaker: Naive,
    generation: u64,
    probe: bool,
    since: Instant,
    settled: bool,
}

impl Permit {
    pub(crate) fn settle(mut self, lesson: Lesson) {
        self.learn(lesson);
    }

    fn learn(&mut self, lesson: Lesson) {
        self.settled = true;
        let breaker = self.breaker.clone();
        let now = breaker.time.now();
        let mut core = breaker.core();
        self.learn_in(&breaker, &mut core, now, lesson);
        drop(core);
        breaker.tell();
    }

    fn learn_in(&self, breaker: &Naive, core: &mut Core, now: Instant, lesson: Lesson) {
        let is = |flaw| breaker.is(flaw);
        let half_open = matches!(core.phase, Phase::HalfOpen { .. });
        let stale = self.generation != core.generation
            && !(is(Flaw::StaleSuccessCounts) && lesson == Lesson::Success && half_open)
            && !(is(Flaw::StaleFailureCounts) && lesson == Lesson::Failure && half_open)
            && !(is(Flaw::StaleProbeCounts) && half_open && self.probe);
        if core.hand == Some(Hand::ForcedClosed) && !is(Flaw::ForcedClosedCounts) {
            return;
        }
        if stale {
            if let Phase::Open { since, until } = core.phase
                && is(Flaw::LateFailureExtendsTheBreak)
                && lesson == Lesson::Failure
            {
                let until = until + (now - since);
                core.phase = Phase::Open { since, until };
            }
            return;
        }
        let keeps_its_place = match lesson {
            Lesson::Dropped => is(Flaw::DroppedProbeKeepsItsPlace),
            Lesson::Panicked => is(Flaw::PanickedProbeKeepsItsPlace),
            Lesson::Neutral => is(Flaw::NeutralProbeKeepsItsPlace),
            _ => false,
        };
        if keeps_its_place && half_open {
            return;
        }
        if half_open {
            core.in_flight = core.in_flight.saturating_sub(1);
        }
        let counts = match core.settings.abandoned {
            _ if is(Flaw::DroppedTeachNothing) => false,
            _ if is(Flaw::DroppedAreFailures) => true,
            abandoned => abandoned == Abandonment::Failure,
        };
        let failed = match lesson {
            Lesson::Success => false,
            Lesson::Failure | Lesson::Panicked => true,
            Lesson::Dropped if counts => true,
            Lesson::Neutral if half_open && is(Flaw::NeutralProbeCloses) => false,
            Lesson::Neutral if !half_open && is(Flaw::NeutralIsFailure) => true,
            Lesson::Neutral if is(Flaw::NeutralEndsStreaks) => {
                core.streak = 0;
                return;
            }
            Lesson::Dropped | Lesson::Neutral => return,
        };
        if half_open {
            breaker.settle_probe(core, now, failed);
        } else {
            breaker.settle_closed(core, now, failed, now - self.since);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.learn(if std::thread::panicking() {
                Lesson::Panicked
            } else {
                Lesson::Dropped
            });
        }
    }
}

/// Runs an operation that `begin` begins, and learns from its outcome.
pub(crate) async fn guarded<F, E>(
    breaker: Naive,
    begin: impl FnOnce() -> F,
    refused: impl Fn(&E) -> bool,
) -> Result<Value, Failure>
where
    F: Future<Output = Result<Value, E>>,
    E: Into<Failure>,
{
    let permit = breaker.enter()?;
    let out = begin().await;
    permit.settle(match &out {
        Ok(_) => Lesson::Success,
        Err(error) if refused(error) => Lesson::Neutral,
        Err(_) => Lesson::Failure,
    });
    out.map_err(Into::into)
}

impl BreakerSubject for Naive {
    fn call(&self, op: &Op) -> Call {
        let (breaker, op) = (self.clone(), op.clone());
        Box::pin(async move {
            let early = breaker
                .is(Flaw::BeginsBeforeItRefuses)
                .then(|| op.begin(Cx::new()));
            let begin = || early.unwrap_or_else(|| op.begin(Cx::new()));
            guarded(breaker, begin, Fault::is_neutral).await
        })
    }

    fn sibling(&self) -> Box<dyn BreakerSubject> {
        if self.is(Flaw::HandlesAreApart) {
            let settings = self.core().settings;
            return Box::new(
                Self::new(&settings, &self.time, self.flaw).expect("they were taken before"),
            );
        }
        Box::new(self.clone())
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        let core = self.core();
        Ok(match core.hand {
            Some(Hand::Isolated) => BreakerState::Open,
            Some(Hand::ForcedClosed) => BreakerState::Closed,
            None => core.phase.state(),
        })
    }

    fn failures(&self) -> Result<u64, Unsupported> {
        let now = self.time.now();
        let mut core = self.core();
        let streak = u64::from(core.streak);
        let flaw = self.flaw;
        Ok(core
            .window
            .as_mut()
            .map_or(streak, |window| window.tally(now, flaw).failures))
    }

    fn isolate(&self) -> Result<(), Unsupported> {
        let mut core = self.core();
        core.generation += 1;
        core.hand = Some(Hand::Isolated);
        Ok(())
    }

    fn force_close(&self) -> Result<(), Unsupported> {
        let mut core = self.core();
        core.phase = Phase::Closed;
        core.generation += 1;
        core.hand = (!self.is(Flaw::ForcedClosedCounts)).then_some(Hand::ForcedClosed);
        Ok(())
    }

    fn release(&self) -> Result<(), Unsupported> {
        let now = self.time.now();
        let mut core = self.core();
        core.hand = None;
        self.close(&mut core, now);
        Ok(())
    }

    fn reconfigure(&self, settings: &BreakerSettings) -> Result<(), Refusal> {
        let wrong = faults(settings);
        if !wrong.is_empty() {
            return Err(Refusal::Invalid(wrong));
        }
        let now = self.time.now();
        let mut core = self.core();
        core.settings = *settings;
        if self.is(Flaw::NewSettingsClose) {
            self.close(&mut core, now);
        }
        if let Phase::Open { since, .. } = core.phase
            && self.is(Flaw::NewSettingsExtendTheBreak)
        {
            let until = since + settings.break_for;
            core.phase = Phase::Open { since, until };
        }
        Ok(())
    }

    fn listen(&self, listener: Listener) -> Result<(), Unsupported> {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
        Ok(())
    }

    fn gauges(&self) -> Result<Vec<(BreakerState, f64)>, Unsupported> {
        Ok(self.core().gauges.clone())
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(guarded(
            self.clone(),
            || op.begin(Cx::new()),
            Fault::is_neutral,
        ))
    }
}
