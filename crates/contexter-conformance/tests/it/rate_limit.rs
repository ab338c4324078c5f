//! The rules of rate limiters.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_conformance::resilience::{
    Call, Op, RateLimitSubject, RateSettings, Reply, Time, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Clock, Cx, Limited};
use parking_lot::Mutex;

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    CountsFixedPeriods,
    OneMore,
    NeverAdmitsAgain,
    SaysNothing,
    SaysTooLittle,
    SetBackStartsANewPeriod,
    PauseIsOfOneHandle,
    PauseIsIgnored,
    OutcomesAreIgnored,
    TakesBadSettings,
    NamesOneFaultOnly,
    Allocates,
}

#[derive(Debug, Default)]
struct Core {
    /// When calls were admitted, the oldest first.
    log: VecDeque<Instant>,
    paused_until: Option<Instant>,
    latest: Option<Instant>,
    period_started: Option<Instant>,
}

#[derive(Clone)]
pub(crate) struct Naive {
    settings: RateSettings,
    core: Arc<Mutex<Core>>,
    own_pause: Arc<Mutex<Option<Instant>>>,
    time: Time,
    flaw: Flaw,
}

impl Naive {
    pub(crate) fn new(settings: &RateSettings, time: &Time, flaw: Flaw) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        if settings.limit == 0 {
            faults.push("limit".to_owned());
        }
        if settings.period.is_zero() {
            faults.push("period".to_owned());
        }
        if flaw == Flaw::NamesOneFaultOnly {
            faults.truncate(1);
        }
        if !faults.is_empty() && flaw != Flaw::TakesBadSettings {
            return Err(Refusal::Invalid(faults));
        }
        Ok(Self {
            settings: *settings,
            core: Arc::default(),
            own_pause: Arc::default(),
            time: time.clone(),
            flaw,
        })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    pub(crate) fn admit(&self) -> Result<(), Limited> {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        let limit = self.settings.limit as usize + usize::from(self.is(Flaw::OneMore));
        let period = self.settings.period;
        let now = self.time.now();
        let mut core = self.core.lock();
        if self.is(Flaw::SetBackStartsANewPeriod) && core.latest.is_some_and(|latest| now < latest)
        {
            core.log.clear();
        }
        core.latest = Some(now);
        let refused = |until: Instant| Limited {
            retry_after: (!self.is(Flaw::SaysNothing)).then(|| {
                let left = until.saturating_duration_since(now);
                if self.is(Flaw::SaysTooLittle) {
                    left / 2
                } else {
                    left
                }
            }),
        };
        let pause = if self.is(Flaw::PauseIsOfOneHandle) {
            *self.own_pause.lock()
        } else {
            core.paused_until
        };
        if let Some(until) = pause.filter(|until| now < *until) {
            return Err(refused(until));
        }
        if self.is(Flaw::CountsFixedPeriods) {
            let started = *core.period_started.get_or_insert(now);
            if now >= started + period {
                core.period_started = Some(now);
                core.log.clear();
            }
        }
        while let Some(oldest) = core.log.front()
            && *oldest + period <= now
            && !self.is(Flaw::CountsFixedPeriods)
            && !self.is(Flaw::NeverAdmitsAgain)
        {
            core.log.pop_front();
        }
        match core.log.front() {
            Some(oldest) if core.log.len() >= limit => {
                let from = core.period_started.unwrap_or(*oldest);
                Err(refused(from + period))
            }
            _ => {
                core.log.push_back(now);
                Ok(())
            }
        }
    }

    async fn run(self, op: Op) -> Reply {
        self.admit()?;
        let out = op.begin(Cx::new()).await;
        if let Err(fault) = &out
            && let Some(wait) = fault.retry_after()
            && !self.is(Flaw::OutcomesAreIgnored)
        {
            self.pause(wait).expect("it can be paused");
        }
        Ok(out?)
    }
}

impl RateLimitSubject for Naive {
    fn call(&self, op: &Op) -> Call {
        Box::pin(self.clone().run(op.clone()))
    }

    fn sibling(&self) -> Box<dyn RateLimitSubject> {
        Box::new(Self {
            own_pause: Arc::default(),
            ..self.clone()
        })
    }

    fn pause(&self, wait: Duration) -> Result<(), Unsupported> {
        let until = self.time.now() + wait;
        if !self.is(Flaw::PauseIsIgnored) {
            self.core.lock().paused_until = Some(until);
            *self.own_pause.lock() = Some(until);
        }
        Ok(())
    }

    fn reads_outcomes(&self) -> bool {
        true
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(op.clone()))
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.rate_limit("naive", move |settings, time| {
            Ok(Box::new(Naive::new(settings, time, flaw)?))
        });
    });
}

#[test]
fn a_rate_limiter_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_rate_limiter_is_found() {
    breaks(Flaw::CountsFixedPeriods, &[55]);
    breaks(Flaw::OneMore, &[55]);
    breaks(Flaw::NeverAdmitsAgain, &[55]);
    breaks(Flaw::SaysNothing, &[55, 56]);
    breaks(Flaw::SaysTooLittle, &[55, 56]);
    breaks(Flaw::SetBackStartsANewPeriod, &[55]);
    breaks(Flaw::PauseIsOfOneHandle, &[56]);
    breaks(Flaw::PauseIsIgnored, &[56]);
    breaks(Flaw::OutcomesAreIgnored, &[56]);
    breaks(Flaw::TakesBadSettings, &[32]);
    breaks(Flaw::NamesOneFaultOnly, &[32]);
    breaks(Flaw::Allocates, &[61]);
}
