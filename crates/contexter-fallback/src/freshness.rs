//! For how long an outcome may be used, and for what.

use std::time::Duration;

/// For how long a value may be used, counted from when it was stored.
///
/// The words and the bounds are those of HTTP. A value is *fresh* while its age is below
/// `fresh_for` (RFC 9111, section 4.2), and may stand in for an error until it has been stale for
/// `stale_if_error_for`, that moment included (RFC 5861, section 4).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_fallback::Freshness;
///
/// let hour = Duration::from_secs(3600);
/// let page = Freshness::fresh_for(hour).stale_if_error_for(24 * hour);
/// assert!(page.is_fresh(hour - Duration::from_nanos(1)) && !page.is_fresh(hour));
/// assert!(page.is_usable_on_error(25 * hour));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Freshness {
    /// How long the value is served without asking the far side.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub fresh_for: Duration,
    /// How much longer the value may stand in for an error.
    #[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))]
    pub stale_if_error_for: Duration,
}

impl Freshness {
    /// The outcome is not stored. What is stored already stays, for as long as it may.
    pub const DO_NOT_STORE: Self = Self {
        fresh_for: Duration::ZERO,
        stale_if_error_for: Duration::ZERO,
    };

    /// Fresh for this time, and of no use after.
    #[must_use]
    pub const fn fresh_for(fresh_for: Duration) -> Self {
        Self {
            fresh_for,
            stale_if_error_for: Duration::ZERO,
        }
    }

    /// Sets how much longer the value may stand in for an error.
    #[must_use]
    pub const fn stale_if_error_for(mut self, duration: Duration) -> Self {
        self.stale_if_error_for = duration;
        self
    }

    /// Returns whether the outcome is not to be stored.
    #[must_use]
    pub const fn is_do_not_store(&self) -> bool {
        self.fresh_for.is_zero() && self.stale_if_error_for.is_zero()
    }

    /// Returns whether a value of this age is served without asking the far side.
    #[must_use]
    pub fn is_fresh(&self, age: Duration) -> bool {
        age < self.fresh_for
    }

    /// Returns whether a value of this age may stand in for an error.
    #[must_use]
    pub fn is_usable_on_error(&self, age: Duration) -> bool {
        age <= self.fresh_for.saturating_add(self.stale_if_error_for)
    }
}

/// Decides for how long an outcome may be used; for a [`ResponseCache`](crate::ResponseCache).
///
/// Closures `Fn(&Result<V, E>) -> Freshness` decide too; they see errors as well, so that a "not
/// found" can be remembered. The default is [`Configured`].
pub trait JudgeFreshness<V, E>: Send + Sync {
    /// Returns for how long `out` may be used; `configured` is what the settings of the cache say.
    fn freshness(&self, out: &Result<V, E>, configured: Freshness) -> Freshness;
}

/// Values are as fresh as the settings of the cache say, and errors are not stored: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configured;

impl<V, E> JudgeFreshness<V, E> for Configured {
    fn freshness(&self, out: &Result<V, E>, configured: Freshness) -> Freshness {
        match out {
            Ok(_) => configured,
            Err(_) => Freshness::DO_NOT_STORE,
        }
    }
}

impl<V, E, F> JudgeFreshness<V, E> for F
where
    F: Fn(&Result<V, E>) -> Freshness + Send + Sync,
{
    fn freshness(&self, out: &Result<V, E>, _configured: Freshness) -> Freshness {
        self(out)
    }
}
