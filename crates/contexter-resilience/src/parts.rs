//! The mechanisms of a stack, and how they nest.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contexter_breaker::Breaker;
use contexter_limit::{AdaptiveLimit, Bulkhead, Quota, RateLimitConfig, RateLimiter};
use contexter_retry::{Budget, Hedge, Retry};
use contexter_service::{Classify, Cx, FromRejection, InvalidConfig, Policy, Switch, Timer};
use contexter_timeout::Timeout;

use crate::{Scope, StackConfig};

/// What stands in for a timeout that is off.
const UNUSED_LIMIT: Duration = Duration::from_secs(30);

/// Every mechanism is always here; the switches say which are on. So any can be switched on and off
/// in a running stack, and each keeps its state meanwhile.
#[derive(Debug)]
pub(crate) struct Parts<T: Timer, K> {
    /// The breaker around the retries: one logical call is one sample.
    pub(crate) around_calls: Switch<Arc<Breaker<T, K>>>,
    pub(crate) outer: Switch<Timeout<T>>,
    pub(crate) retry: Switch<Retry<T, K>>,
    /// Draws from the budget of the retry, while that has one, and otherwise from its own.
    pub(crate) hedge: Switch<Switch<Hedge<T, K>, Hedge<T, K>>>,
    pub(crate) rate_limit: Switch<RateLimiter<T, K>>,
    pub(crate) bulkhead: Switch<Bulkhead<T>>,
    pub(crate) adaptive: Switch<AdaptiveLimit<T, K>>,
    /// The same breaker inside the retries: every attempt is a sample.
    pub(crate) around_attempts: Switch<Arc<Breaker<T, K>>>,
    pub(crate) attempt: Switch<Timeout<T>>,
}

impl<T: Timer + Clone, K: Clone> Parts<T, K> {
    /// Makes the mechanisms of settings that have been validated.
    pub(crate) fn new(config: &StackConfig, timer: &T, by: &K) -> Result<Self, InvalidConfig> {
        let timer = || timer.clone();
        let by = || by.clone();
        let breaker = config.placed_breaker().unwrap_or_default();
        let breaker = Breaker::with_clock(breaker, timer())?.classify_by(by());
        let breaker = Arc::new(breaker);
        let breaker_on = config.breaker.map(|_| config.scope);
        let (retry, budget) = retry_and_budget(config, timer())?;
        let hedge = || {
            Hedge::with_timer(config.hedge.unwrap_or_default(), timer())
                .map(|hedge| hedge.classify_by(by()))
        };
        let hedge = Switch::new(
            shares_budget(config),
            hedge()?.with_budget(budget),
            hedge()?,
        );
        let rate_limit = config.rate_limit.clone().unwrap_or_else(unused_rate_limit);
        let (outer, attempt) = config.limits();
        let timeout = |limit: Option<Duration>| {
            Timeout::with_timer(limit.unwrap_or(UNUSED_LIMIT), timer())
                .map(|timeout| Switch::new(limit.is_some(), timeout, ()))
        };
        Ok(Self {
            around_calls: Switch::new(breaker_on == Some(Scope::Call), Arc::clone(&breaker), ()),
            outer: timeout(outer)?,
            retry: Switch::new(config.retry.is_some(), retry.classify_by(by()), ()),
            hedge: Switch::new(config.hedge.is_some(), hedge, ()),
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
            around_attempts: Switch::new(breaker_on == Some(Scope::Attempt), breaker, ()),
            attempt: timeout(attempt)?,
        })
    }
}

/// Whether hedges draw from the budget of the retry.
fn shares_budget(config: &StackConfig) -> bool {
    config.retry.is_some_and(|retry| retry.budget.is_some())
}

/// Makes the retry and the budget that it has or may be given later: a retry keeps its budget for
/// life, so one that begins without is made with the default and told to do without.
fn retry_and_budget<T: Timer>(
    config: &StackConfig,
    timer: T,
) -> Result<(Retry<T>, Budget), InvalidConfig> {
    let settings = config.retry.unwrap_or_default();
    let budget = settings.budget.unwrap_or_default();
    let retry = Retry::with_timer(settings.budget(budget), timer)?;
    let budget = retry
        .budget()
        .cloned()
        .map_or_else(|| Budget::new(budget), Ok)?;
    retry.reconfigure(settings)?;
    Ok((retry, budget))
}

fn unused_rate_limit() -> RateLimitConfig {
    RateLimitConfig::new().requests(Quota::per_second(1))
}

/// Nests mechanisms, the outermost first. As a tuple would, but they are borrowed where they are.
macro_rules! nest {
    ($parts:ident, $cx:expr, $op:expr; $last:ident) => {
        $parts.$last.run($cx, $op)
    };
    ($parts:ident, $cx:expr, $op:expr; $outer:ident $($inner:ident)+) => {{
        let op = $op;
        $parts.$outer.run($cx, move |cx| nest!($parts, cx, op.clone(); $($inner)+))
    }};
}

type Attempt<'a, Out> = Pin<Box<dyn Future<Output = Out> + Send + 'a>>;

impl<V, E, T, K> Policy<Result<V, E>> for Parts<T, K>
where
    V: Send,
    E: FromRejection + Send,
    T: Timer,
    K: Classify<Result<V, E>>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        Result<V, E>: 'a,
    {
        // Read once: a call under way is in one place guarded by the breaker, whatever changes.
        let per_call = self.around_calls.is_on();
        let per_attempt = !per_call && self.around_attempts.is_on();
        // Every attempt is boxed, once. The futures around it then hold a pointer instead of the
        // attempt, several of them where it is hedged; and the compiler, to which each mechanism
        // multiplies the size of the types inside it, starts over.
        let attempt = move |cx| -> Attempt<'a, Result<V, E>> {
            let op = op.clone();
            let guarded = move |cx| {
                let op = op.clone();
                self.around_attempts
                    .run_as(per_attempt, cx, move |cx| self.attempt.run(cx, op.clone()))
            };
            Box::pin(nest!(self, cx, guarded; rate_limit bulkhead adaptive))
        };
        self.around_calls.run_as(
            per_call,
            cx,
            move |cx| nest!(self, cx, attempt.clone(); outer retry hedge),
        )
    }
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
        drop(Breaker::clone(self.around_calls.first()).named(name()));
        drop(self.outer.first().clone().named(name()));
        drop(self.retry.first().clone().named(name()));
        let hedge = self.hedge.first();
        drop(hedge.first().clone().named(name()));
        drop(hedge.second().clone().named(name()));
        drop(self.rate_limit.first().clone().named(name()));
        drop(self.bulkhead.first().clone().named(name()));
        drop(self.adaptive.first().clone().named(name()));
        drop(self.attempt.first().clone().named(name()));
    }

    /// Takes new settings, which have been validated, and keeps all state.
    pub(crate) fn reconfigure(&self, config: &StackConfig) -> Result<(), InvalidConfig> {
        let (outer, attempt) = config.limits();
        if let Some(new) = config.placed_breaker() {
            self.around_calls.first().reconfigure(new)?;
        }
        if let Some(new) = config.retry {
            self.retry.first().reconfigure(new)?;
        }
        if let Some(new) = config.hedge {
            self.hedge.first().first().reconfigure(new)?;
            self.hedge.first().second().reconfigure(new)?;
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
        let breaker_on = config.breaker.map(|_| config.scope);
        self.around_calls.set(breaker_on == Some(Scope::Call));
        self.around_attempts.set(breaker_on == Some(Scope::Attempt));
        self.outer.set(outer.is_some());
        self.retry.set(config.retry.is_some());
        self.hedge.first().set(shares_budget(config));
        self.hedge.set(config.hedge.is_some());
        self.rate_limit.set(config.rate_limit.is_some());
        self.bulkhead.set(config.bulkhead.is_some());
        self.adaptive.set(config.adaptive.is_some());
        self.attempt.set(attempt.is_some());
        Ok(())
    }

    /// The hedge that calls go through, while one is on.
    pub(crate) fn hedge(&self) -> Option<&Hedge<T, K>> {
        let hedge = self.hedge.first();
        let in_force = if hedge.is_on() {
            hedge.first()
        } else {
            hedge.second()
        };
        self.hedge.is_on().then_some(in_force)
    }

    /// The breaker, while it is on.
    pub(crate) fn breaker(&self) -> Option<&Breaker<T, K>> {
        let on = self.around_calls.is_on() || self.around_attempts.is_on();
        on.then(|| &**self.around_calls.first())
    }

    /// Whether all mechanisms are as good as new ones.
    pub(crate) fn are_pristine(&self) -> bool {
        self.around_calls.first().is_pristine()
            && self.retry.first().is_pristine()
            && self.hedge.first().first().is_pristine()
            && self.hedge.first().second().is_pristine()
            && self.rate_limit.first().is_pristine()
            && self.bulkhead.first().is_pristine()
            && self.adaptive.first().is_pristine()
    }
}
