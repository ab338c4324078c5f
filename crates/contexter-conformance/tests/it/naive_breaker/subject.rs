//! The naive breaker as a subject of the suite.

use std::sync::PoisonError;

use contexter_conformance::resilience::{
    BreakerSettings, BreakerSubject, Call, Fault, Listener, Op, Reply, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{BreakerState, Clock, Cx};

use super::settings::faults;
use super::{Flaw, Hand, Naive, Phase, guarded};

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
        if core.hand.take().is_some() {
            self.close(&mut core, now);
        }
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
