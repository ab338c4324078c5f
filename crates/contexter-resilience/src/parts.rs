//! The mechanisms of a stack.

use std::sync::Arc;
use std::time::Duration;

use contexter_breaker::Breaker;
use contexter_limit::{AdaptiveLimit, Bulkhead, Quota, RateLimitConfig, RateLimiter};
use contexter_retry::{Budget, Hedge, Retry};
use contexter_service::{InvalidConfig, Switch, Timer};
use contexter_timeout::Timeout;

use crate::boxed::Boxed;
use crate::{BreakerConfig, StackConfig};

/// What stands in for a timeout that is off.
const UNUSED_LIMIT: Duration = Duration::from_secs(30);

/// Every mechanism is always here; the switches say which are on. So any can be switched on and off
/// in a running stack, and each keeps its state meanwhile.
#[derive(Debug)]
pub(crate) struct Parts<T: Timer, K> {
    pub(crate) breaker: Switch<Breaker<T, K>>,
    pub(crate) outer: Switch<Timeout<T>>,
    pub(crate) retry: Switch<Retry<T, K>>,
    pub(crate) hedge: Switch<Boxed<Hedge<T, K>>>,
    pub(crate) rate_limit: Switch<RateLimiter<T, K>>,
    pub(crate) bulkhead: Switch<Bulkhead<T>>,
    pub(crate) adaptive: Switch<AdaptiveLimit<T, K>>,
    pub(crate) attempt: Switch<Timeout<T>>,
}

impl<T: Timer + Clone, K: Clone> Parts<T, K> {
    /// Makes the mechanisms of settings that have been validated.
    pub(crate) fn new(config: &StackConfig, timer: &T, by: &K) -> Result<Self, InvalidConfig> {
        let timer = || timer.clone();
        let by = || by.clone();
        let breaker = config.breaker.unwrap_or_default().config;
        let retry = Retry::with_timer(config.retry.unwrap_or_default(), timer())?;
        let mut hedge = Hedge::with_timer(config.hedge.unwrap_or_default(), timer())?;
        if let Some(budget) = retry.budget() {
            hedge = hedge.with_budget(Budget::clone(budget));
        }
        let rate_limit = config.rate_limit.clone().unwrap_or_else(unused_rate_limit);
        let (outer, attempt) = config.limits();
        let timeout = |limit: Option<Duration>| {
            Timeout::with_timer(limit.unwrap_or(UNUSED_LIMIT), timer())
                .map(|timeout| Switch::new(limit.is_some(), timeout, ()))
        };
        Ok(Self {
            breaker: Switch::new(
                config.breaker.is_some(),
                Breaker::with_clock(breaker, timer())?.classify_by(by()),
                (),
            ),
            outer: timeout(outer)?,
            retry: Switch::new(config.retry.is_some(), retry.classify_by(by()), ()),
            hedge: Switch::new(config.hedge.is_some(), Boxed(hedge.classify_by(by())), ()),
            rate_limit: Switch::new(
                config.rate_limit.is_some(),
                RateLimiter::with_clock(rate_limit, timer())?.classify_by(by()),
                (),
            ),
            bulkhead: Switch::new(
                config.bulkhead.is_some(),
                Bulkhead::with_clock(config.bulkhead.unwrap_or_default(), timer())?,
                (),
            ),
            adaptive: Switch::new(
                config.adaptive.is_some(),
                AdaptiveLimit::with_clock(config.adaptive.unwrap_or_default(), timer())?
                    .classify_by(by()),
                (),
            ),
            attempt: timeout(attempt)?,
        })
    }
}

fn unused_rate_limit() -> RateLimitConfig {
    RateLimitConfig::new().requests(Quota::per_second(1))
}

impl<T: Timer, K> Parts<T, K> {
    /// Gives every mechanism the name under which its events appear.
    pub(crate) fn set_name(&self, name: &Arc<str>)
    where
        T: Clone,
        K: Clone,
    {
        let name = || Arc::clone(name);
        // Clones share the name, and the first one stays.
        drop(self.breaker.first().clone().named(name()));
        drop(self.outer.first().clone().named(name()));
        drop(self.retry.first().clone().named(name()));
        drop(self.hedge.first().0.clone().named(name()));
        drop(self.rate_limit.first().clone().named(name()));
        drop(self.bulkhead.first().clone().named(name()));
        drop(self.adaptive.first().clone().named(name()));
        drop(self.attempt.first().clone().named(name()));
    }

    /// Takes new settings, which have been validated, and keeps all state.
    pub(crate) fn reconfigure(&self, config: &StackConfig) -> Result<(), InvalidConfig> {
        let (outer, attempt) = config.limits();
        if let Some(BreakerConfig { config: new, .. }) = config.breaker {
            self.breaker.first().reconfigure(new)?;
        }
        if let Some(new) = config.retry {
            self.retry.first().reconfigure(new)?;
        }
        if let Some(new) = config.hedge {
            self.hedge.first().0.reconfigure(new)?;
        }
        if let Some(new) = &config.rate_limit {
            self.rate_limit.first().reconfigure(new.clone())?;
        }
        if let Some(new) = config.bulkhead {
            self.bulkhead.first().reconfigure(new)?;
        }
        if let Some(new) = config.adaptive {
            self.adaptive.first().reconfigure(new)?;
        }
        if let Some(new) = outer {
            self.outer.first().reconfigure(new)?;
        }
        if let Some(new) = attempt {
            self.attempt.first().reconfigure(new)?;
        }
        self.breaker.set(config.breaker.is_some());
        self.outer.set(outer.is_some());
        self.retry.set(config.retry.is_some());
        self.hedge.set(config.hedge.is_some());
        self.rate_limit.set(config.rate_limit.is_some());
        self.bulkhead.set(config.bulkhead.is_some());
        self.adaptive.set(config.adaptive.is_some());
        self.attempt.set(attempt.is_some());
        Ok(())
    }

    /// Whether nobody could tell the mechanisms from new ones.
    pub(crate) fn are_pristine(&self) -> bool {
        self.breaker.first().is_pristine()
            && self.retry.first().is_pristine()
            && self.hedge.first().0.is_pristine()
            && self.rate_limit.first().is_pristine()
            && self.bulkhead.first().is_pristine()
            && self.adaptive.first().is_pristine()
    }
}
