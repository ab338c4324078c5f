//! The settings of a retry budget.

use contexter_service::InvalidConfig;

/// The most tokens that a budget may be set to hold: what fits its one word with room to spare.
const MAX_TOKENS: u32 = 1_000_000;

/// The settings of a [`Budget`](crate::Budget).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `ratio` | 0.2 | above 0, at most 1 |
/// | `reserve` | 100 | at most `max_tokens` |
/// | `max_tokens` | 100 | 1 to 1,000,000 |
///
/// The defaults are those of the token bucket in the standard mode of the AWS SDKs (AWS SDKs and
/// Tools Reference Guide, "Retry behavior"): 500 units, a retry costs 5, a success gives 1 back.
///
/// # Examples
///
/// ```
/// use contexter_retry::BudgetConfig;
///
/// BudgetConfig::new().ratio(0.1).reserve(10).validate()?;
/// assert!(BudgetConfig::new().ratio(f64::NAN).validate().is_err());
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BudgetConfig {
    /// How many tokens each first attempt earns; a repeat costs one.
    pub ratio: f64,
    /// How many tokens there are at the start.
    pub reserve: u32,
    /// How many tokens are kept at most; what is earned beyond is lost.
    pub max_tokens: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            reserve: 100,
            max_tokens: 100,
        }
    }
}

impl BudgetConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many tokens each first attempt earns; 0.2 by default.
    #[must_use]
    pub const fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets how many tokens there are at the start; 100 by default.
    #[must_use]
    pub const fn reserve(mut self, tokens: u32) -> Self {
        self.reserve = tokens;
        self
    }

    /// Sets how many tokens are kept at most; 100 by default.
    #[must_use]
    pub const fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let Self {
            ratio,
            reserve,
            max_tokens,
        } = *self;
        // Negated, so that no number at all is a fault too.
        let in_range = ratio > 0.0 && ratio <= 1.0;
        InvalidConfig::check([
            (
                "ratio",
                (!in_range).then(|| format!("must be above 0 and at most 1, got {ratio}")),
            ),
            (
                "reserve",
                (reserve > max_tokens)
                    .then(|| format!("must be at most max_tokens ({max_tokens}), got {reserve}")),
            ),
            (
                "max_tokens",
                (max_tokens == 0 || max_tokens > MAX_TOKENS)
                    .then(|| format!("must be from 1 to {MAX_TOKENS}, got {max_tokens}")),
            ),
        ])
    }

    /// Makes a budget that holds its reserve.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build(self) -> Result<crate::Budget, InvalidConfig> {
        crate::Budget::new(self)
    }
}
