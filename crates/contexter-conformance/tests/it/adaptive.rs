//! The rules of adaptive limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contexter_conformance::resilience::{
    AdaptiveSettings, AdaptiveSubject, Call, Op, Reply, Time, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Clock, Cx, Full};
use parking_lot::Mutex;

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    StaysTheSame,
    NeverComesBack,
    HasNoBounds,
    RisesWhenIdle,
    RisesWithoutLoad,
    LearnsTheIncident,
    TakesBadSettings,
    Allocates,
}

#[derive(Debug)]
struct Core {
    limit: f64,
    running: usize,
    /// The shortest latency there was.
    base: Option<Duration>,
    last: Instant,
}

#[derive(Clone)]
struct Naive {
    settings: AdaptiveSettings,
    core: Arc<Mutex<Core>>,
    time: Time,
    flaw: Flaw,
}

struct Place(Naive);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.core.lock().running -= 1;
    }
}

impl Naive {
    #[expect(clippy::cast_precision_loss, reason = "limits are small")]
    fn new(settings: &AdaptiveSettings, time: &Time, flaw: Flaw) -> Result<Self, Refusal> {
        let AdaptiveSettings {
            initial, min, max, ..
        } = *settings;
        let wrong = min == 0 || min > max || initial > max || initial < min;
        if wrong && flaw != Flaw::TakesBadSettings {
            return Err(Refusal::Invalid(vec!["limits".to_owned()]));
        }
        Ok(Self {
            settings: *settings,
            core: Arc::new(Mutex::new(Core {
                limit: initial as f64,
                running: 0,
                base: None,
                last: time.now(),
            })),
            time: time.clone(),
            flaw,
        })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Falls when a call takes more than twice the shortest, and rises while the limit is in use.
    #[expect(clippy::cast_precision_loss, reason = "limits are small")]
    fn learn(&self, took: Duration) {
        let mut core = self.core.lock();
        let base = core.base.unwrap_or(took).min(took);
        core.base = Some(if self.is(Flaw::LearnsTheIncident) {
            base.mul_f64(1.1).min(took.max(base))
        } else {
            base
        });
        let in_use = core.running as f64 * 2.0 >= core.limit || self.is(Flaw::RisesWithoutLoad);
        if took > base * 2 {
            core.limit *= 0.9;
        } else if in_use && !self.is(Flaw::NeverComesBack) {
            core.limit += 1.0 / core.limit;
        }
        if !self.is(Flaw::HasNoBounds) {
            core.limit = core
                .limit
                .clamp(self.settings.min as f64, self.settings.max as f64);
        }
        if self.is(Flaw::StaysTheSame) {
            core.limit = self.settings.initial as f64;
        }
        core.last = self.time.now();
    }

    fn enter(&self) -> Result<Place, Full> {
        let limit = self.limit();
        let mut core = self.core.lock();
        if core.running >= limit {
            return Err(Full { limit });
        }
        core.running += 1;
        Ok(Place(self.clone()))
    }

    async fn run(self, op: Op) -> Reply {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        let place = self.enter()?;
        let start = self.time.now();
        let out = op.begin(Cx::new()).await;
        self.learn(self.time.now() - start);
        drop(place);
        Ok(out?)
    }
}

impl AdaptiveSubject for Naive {
    fn call(&self, op: &Op) -> Call {
        Box::pin(self.clone().run(op.clone()))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limits are small"
    )]
    fn limit(&self) -> usize {
        let mut core = self.core.lock();
        let idle = self.time.now() - core.last;
        if self.is(Flaw::RisesWhenIdle) && idle > Duration::from_mins(1) {
            core.limit = 100.0;
        }
        core.limit as usize
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(op.clone()))
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.adaptive("naive", move |settings, time| {
            Ok(Box::new(Naive::new(settings, time, flaw)?))
        });
    });
}

#[test]
fn an_adaptive_limit_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_an_adaptive_limit_is_found() {
    breaks(Flaw::StaysTheSame, &[59]);
    breaks(Flaw::NeverComesBack, &[59]);
    breaks(Flaw::HasNoBounds, &[59]);
    breaks(Flaw::RisesWhenIdle, &[59]);
    breaks(Flaw::RisesWithoutLoad, &[59]);
    breaks(Flaw::LearnsTheIncident, &[59]);
    breaks(Flaw::TakesBadSettings, &[32]);
    breaks(Flaw::Allocates, &[61]);
}
