//! A sequence of delays that grows, is capped, and is spread at random.

use std::time::Duration;

use crate::InvalidConfig;

/// How delays are spread, so that clients that failed together do not come back together.
///
/// In configuration `true` stands for `equal` and `false` for `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Jitter {
    /// Exactly `d`.
    None,
    /// Uniform in `[0, d]`, but never nothing at all.
    Full,
    /// Uniform in `[d/2, d]`. The default.
    #[default]
    Equal,
    /// Uniform in `[base, 3 × the delay before]`, capped; the multiplier does not matter.
    Decorrelated,
}

/// The shortest delay: a wait of nothing could make a loop that never gives its thread back.
const SHORTEST: Duration = Duration::from_nanos(1);

/// A capped exponential backoff: it computes delays and never sleeps.
///
/// The delay before retry `n`, counted from zero, is `base × multiplierⁿ`, at most `cap`, and then
/// spread by the [`Jitter`]. Jitter never leads above the cap, no `n` overflows, and no delay is
/// zero. The kinds of jitter are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS
/// Architecture Blog, 2015).
///
/// | setting | default |
/// |---|---|
/// | jitter | [`Jitter::Equal`] |
/// | seed | none: every sequence differs |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_service::{Backoff, Jitter};
///
/// let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5))?
///     .with_jitter(Jitter::None);
/// let delays: Vec<_> = backoff.delays().take(4).map(|delay| delay.as_secs()).collect();
/// assert_eq!(delays, [1, 2, 4, 5]);
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    // Invariants: 0 < base <= cap, 1 <= multiplier and finite.
    base: Duration,
    cap: Duration,
    multiplier: f64,
    jitter: Jitter,
    seed: Option<u64>,
}

impl Backoff {
    /// Creates a backoff that starts at `base`, doubles, and stops growing at `cap`.
    ///
    /// # Errors
    ///
    /// Returns the faults if `base` is zero or longer than `cap`.
    pub fn new(base: Duration, cap: Duration) -> Result<Self, InvalidConfig> {
        Self::exponential(base, cap, 2.0)
    }

    /// Creates a backoff that starts at `base`, grows by `multiplier`, and stops at `cap`.
    ///
    /// # Errors
    ///
    /// Returns the faults if `base` is zero or longer than `cap`, and if `multiplier` is below 1
    /// or not finite.
    pub fn exponential(
        base: Duration,
        cap: Duration,
        multiplier: f64,
    ) -> Result<Self, InvalidConfig> {
        InvalidConfig::check([
            (
                "base_delay",
                base.is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
            (
                "max_delay",
                (cap < base)
                    .then(|| format!("must be at least base_delay ({base:?}), got {cap:?}")),
            ),
            (
                "backoff_multiplier",
                (!multiplier.is_finite() || multiplier < 1.0)
                    .then(|| format!("must be a number of at least 1, got {multiplier}")),
            ),
        ])?;
        Ok(Self {
            base,
            cap,
            multiplier,
            jitter: Jitter::default(),
            seed: None,
        })
    }

    /// Creates a backoff whose every delay is `delay`, without jitter.
    ///
    /// # Errors
    ///
    /// Returns a fault if `delay` is zero.
    pub fn constant(delay: Duration) -> Result<Self, InvalidConfig> {
        Ok(Self::exponential(delay, delay, 1.0)?.with_jitter(Jitter::None))
    }

    /// Sets how delays are spread.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Makes every sequence the same one, chosen by `seed`.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Returns a new sequence, from the first delay on. It has no end.
    #[must_use]
    pub fn delays(&self) -> Delays {
        Delays {
            backoff: *self,
            next: self.base,
            random: SplitMix(self.seed.unwrap_or_else(rand::random)),
        }
    }
}

/// The delays of a [`Backoff`], one for each retry. It has no end.
#[derive(Clone, Debug)]
pub struct Delays {
    backoff: Backoff,
    /// The next delay before jitter; with decorrelated jitter, the delay before.
    next: Duration,
    random: SplitMix,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let Backoff {
            base,
            cap,
            multiplier,
            jitter,
            ..
        } = self.backoff;
        let delay = self.next;
        if jitter == Jitter::Decorrelated {
            let upper = delay.saturating_mul(3).min(cap);
            self.next = self.random.between(base, upper);
            return Some(self.next);
        }
        // Growth out of range is growth above the cap; rounding never makes a delay shrink.
        self.next = Duration::try_from_secs_f64(delay.as_secs_f64() * multiplier)
            .map_or(cap, |grown| grown.clamp(delay, cap));
        Some(match jitter {
            Jitter::None | Jitter::Decorrelated => delay,
            Jitter::Full => self.random.between(SHORTEST, delay),
            Jitter::Equal => self.random.between((delay / 2).max(SHORTEST), delay),
        })
    }
}

impl Delays {
    /// Draws a duration in `[0, limit]` from the same random source.
    #[must_use]
    pub fn spread(&mut self, limit: Duration) -> Duration {
        if self.backoff.jitter == Jitter::None {
            return Duration::ZERO;
        }
        self.random.between(Duration::ZERO, limit)
    }
}

/// Sebastiano Vigna's SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): jitter needs to be
/// spread and repeatable, not unpredictable.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws uniformly from `[low, high]`; `low` if the range is empty.
    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_nanos()).unwrap_or(u64::MAX);
        let scaled = ((u128::from(width) + 1) * u128::from(self.bits())) >> 64;
        // The product is below (width + 1) × 2⁶⁴, so what the shift leaves is at most the width.
        low + Duration::from_nanos(u64::try_from(scaled).unwrap_or(width))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Jitter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl serde::de::Visitor<'_> for Named {
            type Value = Jitter;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, \"none\", \"full\", \"equal\" or \"decorrelated\"")
            }

            fn visit_bool<E>(self, on: bool) -> Result<Jitter, E> {
                Ok(if on { Jitter::Equal } else { Jitter::None })
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Jitter, E> {
                match name {
                    "none" => Ok(Jitter::None),
                    "full" => Ok(Jitter::Full),
                    "equal" => Ok(Jitter::Equal),
                    "decorrelated" => Ok(Jitter::Decorrelated),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(name), &self)),
                }
            }
        }

        deserializer.deserialize_any(Named)
    }
}
