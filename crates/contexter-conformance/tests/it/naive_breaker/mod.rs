//! A breaker behind one mutex, right unless it is given a flaw.

mod flaw;
mod moves;
mod permit;
mod settings;
mod subject;
mod window;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contexter_conformance::Refusal;
use contexter_conformance::resilience::{BreakerSettings, Listener, Time, Trip};
use contexter_service::{BreakerState, Clock, Open};

use crate::heap;
use settings::faults;
use window::Window;

pub(crate) use flaw::Flaw;
pub(crate) use permit::{Permit, guarded};

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
}
