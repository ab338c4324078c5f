//! How often, how long and how many at once.

use std::time::Duration;

use thiserror::Error;

/// The limits of a registry's work in the background.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | interval | 60 s | mean time between two checks of one service that is healthy |
/// | jitter | 0.1 | each pause is drawn from its mean × (1 ± jitter) |
/// | check timeout | 10 s | a check that takes longer is unhealthy |
/// | concurrency | 16 | checks that run at once, over all services |
/// | initialize timeout | 5 min | an adapter that takes longer is not registered |
/// | shutdown timeout | 10 s | an adapter that takes longer is abandoned and reported |
///
/// A service that is not healthy is checked again sooner: after a second, then after twice as long
/// with every check that finds it so, up to the interval. The jitter applies to these pauses too.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_registry::{Registry, Settings};
///
/// let settings = Settings::default().with_interval(Duration::from_secs(5));
/// let registry = Registry::with_settings(settings)?;
/// # Ok::<(), contexter_registry::InvalidSettings>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The mean time between two checks of one service that is healthy, and the longest such time
    /// for any other.
    pub interval: Duration,
    /// The share of its mean by which each pause varies, from 0 to 1.
    pub jitter: f64,
    /// The longest time of one check.
    pub check_timeout: Duration,
    /// The most checks that run at once, the first ones of new services included.
    pub concurrency: usize,
    /// The longest time an adapter may take to initialize.
    pub initialize_timeout: Duration,
    /// The longest time an adapter may take to shut down.
    pub shutdown_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            jitter: 0.1,
            check_timeout: Duration::from_secs(10),
            concurrency: 16,
            // Long enough to fetch and load a small local model on a slow line.
            initialize_timeout: Duration::from_mins(5),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Sets the mean time between two checks of one service that is healthy.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the share of its mean by which each pause varies; 0 makes checks strictly periodic.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the longest time of one check.
    #[must_use]
    pub const fn with_check_timeout(mut self, timeout: Duration) -> Self {
        self.check_timeout = timeout;
        self
    }

    /// Sets the most checks that run at once.
    #[must_use]
    pub const fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets the longest time an adapter may take to initialize.
    #[must_use]
    pub const fn with_initialize_timeout(mut self, timeout: Duration) -> Self {
        self.initialize_timeout = timeout;
        self
    }

    /// Sets the longest time an adapter may take to shut down.
    #[must_use]
    pub const fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidSettings> {
        for (setting, duration) in [
            ("interval", self.interval),
            ("check timeout", self.check_timeout),
            ("initialize timeout", self.initialize_timeout),
            ("shutdown timeout", self.shutdown_timeout),
        ] {
            if duration.is_zero() {
                return Err(InvalidSettings::new(setting, &"0 s", "longer than zero"));
            }
        }
        if self.concurrency == 0 || self.concurrency > tokio::sync::Semaphore::MAX_PERMITS {
            return Err(InvalidSettings::new(
                "concurrency",
                &self.concurrency,
                "at least 1 and at most tokio's Semaphore::MAX_PERMITS",
            ));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(InvalidSettings::new("jitter", &self.jitter, "from 0 to 1"));
        }
        Ok(())
    }
}

/// A setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{setting} is {value}; it must be {allowed}")]
pub struct InvalidSettings {
    setting: &'static str,
    value: String,
    allowed: &'static str,
}

impl InvalidSettings {
    fn new(setting: &'static str, value: &impl ToString, allowed: &'static str) -> Self {
        Self {
            setting,
            value: value.to_string(),
            allowed,
        }
    }
}
