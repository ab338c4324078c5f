//! Requests and tokens a minute, for each model.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::voyage::config::{Tier, VoyageConfig};
use crate::voyage::offers::{self, Model};
use crate::voyage::refusal::Refusal;

/// Requests a minute of tier 1, for every model.
const REQUESTS: u64 = 2000;
/// Requests a minute without a payment method.
const UNPAID_REQUESTS: u64 = 3;
/// Tokens a minute without a payment method.
const UNPAID_TOKENS: u64 = 10_000;

const MINUTE: f64 = 60.0;

/// What a sum of small refills may be off by; who waits as long as told is not refused for it.
const ROUNDING: f64 = 1e-6;

/// The buckets of all models.
#[derive(Debug)]
pub(super) struct Quotas {
    buckets: BTreeMap<&'static str, Buckets>,
    unpaid: bool,
    retry_after: bool,
}

#[derive(Debug)]
struct Buckets {
    requests: Bucket,
    tokens: Bucket,
}

/// Holds a minute's allowance and refills steadily.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    level: f64,
    filled: Option<Instant>,
}

impl Quotas {
    pub(super) fn new(config: &VoyageConfig) -> Self {
        let factor = match config.tier {
            Tier::Unpaid | Tier::One => 1,
            Tier::Two => 2,
            Tier::Three => 3,
        };
        let unpaid = config.tier == Tier::Unpaid;
        let buckets = offers::all().map(|model| {
            let (requests, tokens) = if unpaid {
                (UNPAID_REQUESTS, UNPAID_TOKENS)
            } else {
                (REQUESTS * factor, model.per_minute * factor)
            };
            let buckets = Buckets {
                requests: Bucket::new(config.requests_per_minute.unwrap_or(requests)),
                tokens: Bucket::new(config.tokens_per_minute.unwrap_or(tokens)),
            };
            (model.name, buckets)
        });
        Self {
            buckets: buckets.collect(),
            unpaid,
            retry_after: config.retry_after,
        }
    }

    /// Takes one request of so many tokens, or refuses it and takes nothing.
    pub(super) fn take(&mut self, model: &Model, tokens: u64, now: Instant) -> Result<(), Refusal> {
        let Some(buckets) = self.buckets.get_mut(model.name) else {
            return Ok(());
        };
        let tokens = as_float(tokens);
        let wait = buckets
            .requests
            .wait(1.0, now)
            .max(buckets.tokens.wait(tokens, now));
        if wait.is_zero() {
            buckets.requests.level -= 1.0;
            buckets.tokens.level -= tokens;
            return Ok(());
        }
        let detail = if self.unpaid {
            format!(
                "You have not yet added your payment method in the billing page and will have \
                 reduced rate limits of {UNPAID_REQUESTS} RPM and {}K TPM.",
                UNPAID_TOKENS / 1000
            )
        } else {
            format!(
                "Request to model '{}' failed. You have exceeded your rate limit of {} requests \
                 and {} tokens per minute. Please slow down.",
                model.name, buckets.requests.per_minute, buckets.tokens.per_minute
            )
        };
        Err(Refusal::throttled(detail, self.retry_after.then_some(wait)))
    }
}

impl Bucket {
    fn new(per_minute: u64) -> Self {
        let per_minute = as_float(per_minute);
        Self {
            per_minute,
            level: per_minute,
            filled: None,
        }
    }

    /// Refills, and returns how long to wait until so much is there; a minute if it never will be.
    fn wait(&mut self, amount: f64, now: Instant) -> Duration {
        if let Some(filled) = self.filled {
            let seconds = now.saturating_duration_since(filled).as_secs_f64();
            self.level = (self.level + seconds * self.per_minute / MINUTE).min(self.per_minute);
        }
        self.filled = Some(now);
        let missing = amount - self.level;
        if missing <= ROUNDING {
            return Duration::ZERO;
        }
        let seconds = (missing * MINUTE / self.per_minute).clamp(1e-3, MINUTE);
        Duration::from_secs_f64(seconds)
    }
}

/// Exact up to four thousand million; beyond, no quota makes a difference.
fn as_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voyage::offers::Kind;

    fn quotas(config: &VoyageConfig) -> (Quotas, &'static Model) {
        let model = offers::find("voyage-4", Kind::Text, config).unwrap();
        (Quotas::new(config), model)
    }

    #[test]
    fn a_minute_s_allowance_is_there_at_once_and_comes_back_steadily() {
        let config = VoyageConfig::new().tokens_per_minute(600);
        let (mut quotas, model) = quotas(&config);
        let start = Instant::now();
        quotas.take(model, 600, start).unwrap();
        let refusal = quotas.take(model, 10, start).unwrap_err();
        assert_eq!(refusal.status, 429);
        let later = start + Duration::from_secs(1);
        quotas.take(model, 10, later).unwrap();
        quotas.take(model, 1, later).unwrap_err();
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_in_whatever_the_refills_before() {
        let config = VoyageConfig::new().tokens_per_minute(1_000_003);
        let (mut quotas, model) = quotas(&config);
        let mut now = Instant::now();
        quotas.take(model, 1_000_003, now).unwrap();
        for tokens in 1..2_000_u32 {
            // Looking at a bucket refills it; many small refills are one large one.
            for _ in 0..3 {
                quotas.take(model, 1_000_003, now).unwrap_err();
                now += Duration::from_secs_f64(f64::from(tokens) * 60.0 / 1_000_003.0 / 3.0);
            }
            now += Duration::from_nanos(3);
            quotas.take(model, tokens.into(), now).unwrap();
        }
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let config = VoyageConfig::new().requests_per_minute(1);
        let (mut quotas, model) = quotas(&config);
        let start = Instant::now();
        quotas.take(model, 1, start).unwrap();
        for _ in 0..100 {
            quotas.take(model, 1, start).unwrap_err();
        }
        quotas
            .take(model, 1, start + Duration::from_mins(1))
            .unwrap();
    }

    #[test]
    fn headers_say_when_only_where_asked_for() {
        for asked in [false, true] {
            let config = VoyageConfig::new()
                .requests_per_minute(2)
                .retry_after(asked);
            let (mut quotas, model) = quotas(&config);
            let start = Instant::now();
            quotas.take(model, 1, start).unwrap();
            quotas.take(model, 1, start).unwrap();
            let refusal = quotas.take(model, 1, start).unwrap_err();
            let expected = asked.then_some(Duration::from_secs(30));
            assert_eq!(refusal.retry_after, expected);
        }
    }

    #[test]
    fn without_a_payment_method_the_refusal_says_so() {
        let config = VoyageConfig::new().tier(Tier::Unpaid);
        let (mut quotas, model) = quotas(&config);
        let start = Instant::now();
        let refusal = quotas.take(model, 10_001, start).unwrap_err();
        assert!(
            refusal
                .message()
                .starts_with("You have not yet added your payment method")
        );
    }
}
