//! The rules of retries.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use contexter_conformance::resilience::{
    Call, Failure, Op, Reply, RetrySettings, RetrySubject, Time, WaitHeader, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Clock, Cx, Jitter, Timer, later};
use parking_lot::Mutex;

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    OneAttemptMore,
    ChangesTheError,
    MiscountsAttempts,
    RetriesLastingErrors,
    JitterPassesTheCap,
    DelaysOverflow,
    JitterLeavesItsLaw,
    DoesNotSpread,
    IgnoresTheSeed,
    AsksForNoHeader,
    WaitsLessThanAsked,
    SleepsADay,
    ElapsedCountsSleepsOnly,
    SleepsUpToTheLimit,
    IgnoresTheDeadline,
    BudgetRoundsUp,
    RetriesEarn,
    WithdrawsAfterTheWait,
    CountsNoExhaustion,
    RepeatsWhatWasSent,
    RepeatsNothing,
    DroppedKeepsItsToken,
    CallsAnother,
    RetriesReadiness,
    HoldsTheOutcome,
    TakesBadSettings,
    Allocates,
}

/// Tokens in thousandths, so that ratios are exact.
#[derive(Debug, Default)]
struct Budget {
    thousandths: u64,
    exhausted: u64,
}

#[derive(Clone)]
struct Naive {
    settings: RetrySettings,
    budget: Arc<Mutex<Budget>>,
    random: Arc<Mutex<u64>>,
    time: Time,
    flaw: Flaw,
}

/// A token that is given back unless it was spent.
struct Token {
    budget: Arc<Mutex<Budget>>,
    back: bool,
}

impl Drop for Token {
    fn drop(&mut self) {
        if self.back {
            self.budget.lock().thousandths += 1_000;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ratios are small"
)]
fn thousandths(ratio: f64) -> u64 {
    (ratio * 1_000.0).round() as u64
}

impl Naive {
    fn new(settings: &RetrySettings, time: &Time, flaw: Flaw) -> Result<Self, Refusal> {
        let budget = settings.budget;
        let faults: Vec<_> = [
            settings.max_attempts == 0,
            settings.base.is_zero(),
            settings.cap < settings.base,
            !(settings.factor >= 1.0 && settings.factor.is_finite()),
            settings.max_elapsed.is_some_and(|limit| limit.is_zero()),
            budget.is_some_and(|budget| !(0.0..=1.0).contains(&budget.ratio)),
        ]
        .into_iter()
        .filter(|wrong| *wrong)
        .map(|_| "a fault".to_owned())
        .collect();
        if !faults.is_empty() && flaw != Flaw::TakesBadSettings {
            return Err(Refusal::Invalid(faults));
        }
        let reserve = budget.map_or(0, |budget| u64::from(budget.reserve));
        let seed = settings.seed.filter(|_| flaw != Flaw::IgnoresTheSeed);
        Ok(Self {
            settings: *settings,
            budget: Arc::new(Mutex::new(Budget {
                thousandths: reserve * 1_000,
                exhausted: 0,
            })),
            random: Arc::new(Mutex::new(seed.map_or_else(rand::random, |seed| seed + 1))),
            time: time.clone(),
            flaw,
        })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// A number in `[0, 1)`; splitmix64.
    fn share(&self) -> f64 {
        let mut random = self.random.lock();
        *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
    }

    fn backoff(&self, retry: u32, before: Duration) -> Duration {
        let RetrySettings {
            base,
            cap,
            factor,
            jitter,
            ..
        } = self.settings;
        let exponent = i32::try_from(retry).unwrap_or(i32::MAX);
        let grown = base.as_secs_f64() * factor.powi(exponent);
        let over = if self.is(Flaw::DelaysOverflow) {
            Duration::ZERO
        } else {
            cap
        };
        let full = Duration::try_from_secs_f64(grown).map_or(over, |grown| grown.min(cap));
        let share = if self.is(Flaw::DoesNotSpread) {
            0.5
        } else {
            self.share()
        };
        if self.is(Flaw::JitterPassesTheCap) && jitter != Jitter::None {
            return full.mul_f64(1.0 + share);
        }
        match jitter {
            Jitter::Full => full.mul_f64(share),
            Jitter::Equal if self.is(Flaw::JitterLeavesItsLaw) => full.mul_f64(share),
            Jitter::Equal => full.mul_f64(0.5 + share / 2.0),
            Jitter::Decorrelated => {
                let width = (3 * before).min(cap).saturating_sub(base);
                base + width.mul_f64(share)
            }
            _ => full,
        }
    }

    fn earn(&self) {
        if let Some(settings) = self.settings.budget {
            let ratio = if self.is(Flaw::BudgetRoundsUp) {
                // As one who counts "one retry for so many calls".
                1.0 / (1.0 / settings.ratio).floor()
            } else {
                settings.ratio
            };
            self.budget.lock().thousandths += thousandths(ratio);
        }
    }

    fn withdraw(&self) -> Option<Token> {
        let mut budget = self.budget.lock();
        if self.settings.budget.is_some() {
            let Some(left) = budget.thousandths.checked_sub(1_000) else {
                budget.exhausted += u64::from(!self.is(Flaw::CountsNoExhaustion));
                return None;
            };
            budget.thousandths = left;
        }
        Some(Token {
            budget: Arc::clone(&self.budget),
            back: !self.is(Flaw::DroppedKeepsItsToken),
        })
    }

    /// The wait before the attempt after `attempt`; nothing if there is none.
    fn wait(
        &self,
        out: &Failure,
        cx: Cx,
        started: Instant,
        slept: Duration,
        backoff: Duration,
    ) -> Option<Duration> {
        let Failure::Op(fault) = out else { return None };
        let settings = &self.settings;
        let most = settings.max_attempts + u32::from(self.is(Flaw::OneAttemptMore));
        if cx.attempt() >= most || !fault.is_retryable() && !self.is(Flaw::RetriesLastingErrors) {
            return None;
        }
        let may_repeat = cx.is_idempotent()
            || !fault.was_sent() && !self.is(Flaw::RepeatsNothing)
            || self.is(Flaw::RepeatsWhatWasSent);
        if !may_repeat {
            return None;
        }
        let wait = match fault.retry_after() {
            None => backoff,
            Some(after) if after > settings.max_retry_after && !self.is(Flaw::SleepsADay) => {
                return None;
            }
            Some(_) if self.is(Flaw::WaitsLessThanAsked) => backoff,
            Some(after) => after.max(backoff),
        };
        let now = self.time.now();
        let end = later(now, wait);
        if let Some(limit) = settings.max_elapsed {
            let over = if self.is(Flaw::ElapsedCountsSleepsOnly) {
                slept + wait >= limit
            } else if self.is(Flaw::SleepsUpToTheLimit) {
                now >= started + limit
            } else {
                end >= started + limit
            };
            if over {
                return None;
            }
        }
        let late = cx.deadline().is_some_and(|deadline| end >= deadline);
        if late && !self.is(Flaw::IgnoresTheDeadline) {
            return None;
        }
        Some(wait)
    }

    async fn run(self, cx: Cx, op: Op) -> (Reply, u32) {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        self.earn();
        let started = self.time.now();
        let mut slept = Duration::ZERO;
        let mut before = self.settings.base;
        let mut instance = op.instance();
        let mut attempt = 1;
        loop {
            let cx = cx.with_attempt(attempt);
            if !self.is(Flaw::CallsAnother) || attempt == 1 {
                let ready = instance.ready();
                let asks_again = self.is(Flaw::RetriesReadiness) && ready.is_err();
                if let Err(fault) = if asks_again { instance.ready() } else { ready } {
                    return (Err(Failure::Op(fault)), attempt);
                }
            } else {
                instance = op.instance();
            }
            let out = instance.begin(cx).await.map_err(Failure::Op);
            let Err(failure) = &out else {
                return (out, attempt);
            };
            if self.is(Flaw::RetriesEarn) {
                self.earn();
            }
            before = self.backoff(attempt - 1, before);
            let Some(wait) = self.wait(failure, cx, started, slept, before) else {
                return (
                    self.changed(out),
                    attempt + u32::from(self.is(Flaw::MiscountsAttempts)),
                );
            };
            let early = !self.is(Flaw::WithdrawsAfterTheWait);
            let token = if early { self.withdraw() } else { None };
            if early && token.is_none() {
                return (out, attempt);
            }
            let held = self.is(Flaw::HoldsTheOutcome).then_some(out);
            self.time.sleep(wait).await;
            slept += wait;
            drop(held);
            match if early { token } else { self.withdraw() } {
                Some(mut token) => token.back = false,
                None => return (Err(contexter_service::Full { limit: 0 }.into()), attempt),
            }
            attempt += 1;
        }
    }

    fn changed(&self, out: Reply) -> Reply {
        if self.is(Flaw::ChangesTheError) && self.settings.max_attempts > 1 {
            return Err(contexter_service::Full { limit: 0 }.into());
        }
        out
    }
}

impl RetrySubject for Naive {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        let (retry, op) = (self.clone(), op.clone());
        Ok(Box::pin(async move { retry.run(cx, op).await.0 }))
    }

    fn sibling(&self) -> Box<dyn RetrySubject> {
        Box::new(self.clone())
    }

    fn counted(&self, cx: Cx, op: &Op) -> Result<Call<(Reply, u32)>, Unsupported> {
        Ok(Box::pin(self.clone().run(cx, op.clone())))
    }

    fn read_wait(
        &self,
        header: WaitHeader<'_>,
        now: SystemTime,
    ) -> Result<Option<Duration>, Unsupported> {
        if self.is(Flaw::AsksForNoHeader) {
            return Ok(None);
        }
        Ok(match header {
            WaitHeader::RetryAfter(text) => match text.parse() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => httpdate::parse_http_date(text)
                    .ok()
                    .map(|date| date.duration_since(now).unwrap_or_default()),
            },
            WaitHeader::RetryAfterMs(text) => text.parse().ok().map(Duration::from_millis),
        })
    }

    fn exhaustions(&self) -> Result<u64, Unsupported> {
        Ok(self.budget.lock().exhausted)
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(Cx::new(), op.clone())).map(|(reply, _attempts)| reply)
    }

    fn readies(&self) -> bool {
        true
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.retry("naive", move |settings, time| {
            Ok(Box::new(Naive::new(settings, time, flaw)?))
        });
    });
}

#[test]
fn a_retry_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_the_attempts_is_found() {
    breaks(Flaw::OneAttemptMore, &[33, 35, 44]);
    breaks(Flaw::ChangesTheError, &[33, 37, 38, 39, 42, 44]);
    breaks(Flaw::MiscountsAttempts, &[33]);
    breaks(Flaw::RetriesLastingErrors, &[33]);
    breaks(Flaw::ElapsedCountsSleepsOnly, &[38]);
    breaks(Flaw::SleepsUpToTheLimit, &[38]);
    breaks(Flaw::IgnoresTheDeadline, &[33, 37, 39]);
    breaks(Flaw::RepeatsWhatWasSent, &[42]);
    breaks(Flaw::RepeatsNothing, &[42]);
    breaks(Flaw::CallsAnother, &[44]);
    breaks(Flaw::RetriesReadiness, &[44]);
    breaks(Flaw::HoldsTheOutcome, &[45]);
    breaks(Flaw::TakesBadSettings, &[32]);
    breaks(Flaw::Allocates, &[61]);
}

#[test]
fn a_flaw_of_the_delays_is_found() {
    breaks(Flaw::JitterPassesTheCap, &[34, 35, 36]);
    breaks(Flaw::DelaysOverflow, &[35]);
    breaks(Flaw::JitterLeavesItsLaw, &[35, 36]);
    breaks(Flaw::DoesNotSpread, &[36]);
    breaks(Flaw::IgnoresTheSeed, &[36]);
    breaks(Flaw::AsksForNoHeader, &[37]);
    breaks(Flaw::WaitsLessThanAsked, &[37]);
    breaks(Flaw::SleepsADay, &[37]);
}

#[test]
fn a_flaw_of_the_budget_is_found() {
    breaks(Flaw::BudgetRoundsUp, &[41]);
    breaks(Flaw::RetriesEarn, &[41]);
    breaks(Flaw::WithdrawsAfterTheWait, &[33, 41]);
    breaks(Flaw::CountsNoExhaustion, &[41]);
    breaks(Flaw::DroppedKeepsItsToken, &[43]);
}
