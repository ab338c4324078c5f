//! The specification's names for a retry on the default clock.

use std::future::Future;
use std::time::Duration;

use contexter_service::{Classify, DefaultClock, ErrIsFailure, InvalidConfig};

use crate::{Config, Retry};

/// Runs `operation` until it succeeds or the attempts of `config` are used up.
///
/// Every error is retried; the last one is returned unchanged. Settings out of range are brought
/// into it: at least one attempt, a multiplier of at least 1, a cap of at least the base delay; a
/// budget that cannot be is none, and one call has no use for it anyway.
/// [`Retry`] checks its settings instead, and is made once for many calls.
///
/// # Errors
///
/// The error of the last attempt.
///
/// # Cancel safety
///
/// Dropping the future drops the running attempt or the wait; no further attempt is made.
///
/// # Panics
///
/// Panics when it must wait outside a tokio runtime whose timer is enabled.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use contexter_retry::{Config, retry_with_backoff};
///
/// let mut left = 2;
/// let value = retry_with_backoff(
///     || {
///         left -= 1;
///         std::future::ready(if left == 0 { Ok("done") } else { Err("busy") })
///     },
///     &Config::new(),
/// )
/// .await?;
/// assert_eq!(value, "done");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn retry_with_backoff<V, E, Op, Fut>(operation: Op, config: &Config) -> Result<V, E>
where
    Op: FnMut() -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    let retry = Retry::new(clamped(*config)).expect("clamping brings every setting into its range");
    retry.call(operation).await
}

/// Brings every setting into its range.
fn clamped(mut config: Config) -> Config {
    config.max_attempts = config.max_attempts.max(1);
    config.base_delay = config.base_delay.max(Duration::from_nanos(1));
    config.max_delay = config.max_delay.max(config.base_delay);
    if !config.backoff_multiplier.is_finite() || config.backoff_multiplier < 1.0 {
        config.backoff_multiplier = 1.0;
    }
    config.max_elapsed = config.max_elapsed.filter(|limit| !limit.is_zero());
    config.budget = config.budget.filter(|budget| budget.validate().is_ok());
    config
}

/// Runs several operations under one set of checked settings.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use contexter_retry::{Config, RetryContext};
///
/// let context = RetryContext::new(Config::new())?;
/// let first = context.run(|| async { Ok::<_, std::io::Error>(1) }).await?;
/// let second = context.run(|| async { Ok::<_, std::io::Error>(2) }).await?;
/// assert_eq!(first + second, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryContext<K = ErrIsFailure> {
    retry: Retry<DefaultClock, K>,
}

impl RetryContext {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: Config) -> Result<Self, InvalidConfig> {
        Retry::new(config).map(|retry| Self { retry })
    }
}

impl<K> RetryContext<K> {
    /// Makes the context read outcomes by `classify`: what may be retried, and what is final.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> RetryContext<K2> {
        RetryContext {
            retry: self.retry.classify_by(classify),
        }
    }

    /// Runs `operation` until it succeeds or its attempts are used up.
    ///
    /// # Errors
    ///
    /// The error of the last attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running attempt or the wait; no further attempt is made.
    pub async fn run<V, E, Op, Fut>(&self, operation: Op) -> Result<V, E>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        K: Classify<Result<V, E>>,
    {
        self.retry.call(operation).await
    }
}
