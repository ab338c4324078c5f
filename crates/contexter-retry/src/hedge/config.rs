//! The settings of a hedge.

use std::time::Duration;

use contexter_service::InvalidConfig;

use crate::BudgetConfig;

/// The most attempts of one hedged call.
///
/// All of them have their place in the future itself, so that none is allocated; a future is as
/// large as this many operations.
pub const MAX_HEDGED_ATTEMPTS: u8 = 4;

/// The settings of a [`Hedge`](crate::Hedge).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `delay` | 1 s | longer than zero |
/// | `max_attempts` | 2 | 1 to [`MAX_HEDGED_ATTEMPTS`]; counts the first call too |
/// | `budget` | none: every slow call is hedged | see [`BudgetConfig`] |
///
/// A good delay is what 95 of 100 calls stay below: then one call in twenty is sent twice (Dean
/// and Barroso, "The Tail at Scale", Communications of the ACM 56:2, 2013).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_retry::HedgeConfig;
///
/// HedgeConfig::new().delay(Duration::from_millis(80)).max_attempts(3).validate()?;
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HedgeConfig {
    /// How long after an attempt the next one is begun, if none has ended by then.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub delay: Duration,
    /// How many attempts are made at most, the first one included.
    pub max_attempts: u32,
    /// Bounds hedged attempts as a share of first attempts.
    pub budget: Option<BudgetConfig>,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(1),
            max_attempts: 2,
            budget: None,
        }
    }
}

impl HedgeConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long after an attempt the next one is begun; 1 s by default.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how many attempts are made at most, the first one included; 2 by default.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Bounds hedged attempts as a share of first attempts; no bound by default.
    #[must_use]
    pub const fn budget(mut self, budget: BudgetConfig) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let attempts = self.max_attempts;
        let in_range = (1..=u32::from(MAX_HEDGED_ATTEMPTS)).contains(&attempts);
        InvalidConfig::join([
            InvalidConfig::check([
                (
                    "delay",
                    self.delay
                        .is_zero()
                        .then(|| "must be longer than zero, got 0s".to_owned()),
                ),
                (
                    "max_attempts",
                    (!in_range).then(|| {
                        format!("must be from 1 to {MAX_HEDGED_ATTEMPTS}, got {attempts}")
                    }),
                ),
            ]),
            self.budget
                .map_or(Ok(()), |budget| budget.validate())
                .map_err(|faults| faults.within("budget")),
        ])
    }

    /// Makes a hedge on the default clock, for which every error is worth another attempt.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    #[cfg(feature = "tokio")]
    pub fn build(self) -> Result<crate::Hedge, InvalidConfig> {
        crate::Hedge::new(self)
    }
}
