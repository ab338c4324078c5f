//! The settings of shared executions.

use contexter_service::InvalidConfig;
use std::hash::Hash;

/// The settings of a [`SingleFlight`](crate::SingleFlight).
///
/// | setting | default | allowed |
/// |---|---|---|
/// | `max_flights` | 10,000 | at least 1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct FlightConfig {
    /// How many executions may be under way; beyond, calls run unshared.
    pub max_flights: usize,
}

impl Default for FlightConfig {
    fn default() -> Self {
        Self {
            max_flights: 10_000,
        }
    }
}

impl FlightConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many executions may be under way; 10,000 by default.
    #[must_use]
    pub const fn max_flights(mut self, flights: usize) -> Self {
        self.max_flights = flights;
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is outside the range of the table above.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        InvalidConfig::check([(
            "max_flights",
            (self.max_flights == 0).then(|| "must be at least 1, got 0".to_owned()),
        )])
    }

    /// Makes a table without flights.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn build<K: Hash + Eq, V>(self) -> Result<crate::SingleFlight<K, V>, InvalidConfig> {
        crate::SingleFlight::<K, V>::new(self)
    }
}
