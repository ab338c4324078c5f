//! Durations that people write: `"30s"`, `"1m 30s"`, `"250ms"`, or a number of seconds.
//!
//! For fields of configuration: `#[serde(with = "contexter_service::duration")]`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a duration such as `"1m 30s"`.
///
/// # Errors
///
/// Fails only if the serializer does.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// Reads a duration such as `"1m 30s"`, or a number of seconds.
///
/// # Errors
///
/// Fails for text that is no duration and for numbers that are negative, not finite or too large.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Humane)
}

struct Humane;

impl Visitor<'_> for Humane {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\" or \"1m 30s\", or a number of seconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        text.parse::<humantime::Duration>()
            .map(Into::into)
            .map_err(|error| E::custom(format_args!("no duration: {text:?}: {error}")))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_negative| E::invalid_value(Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_out_of_range| E::invalid_value(Unexpected::Float(seconds), &self))
    }
}

/// The same for a duration that may be left out or `null`.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Wrapped(#[serde(with = "super")] Duration);

    /// Writes a duration such as `"1m 30s"`, or nothing.
    ///
    /// # Errors
    ///
    /// Fails only if the serializer does.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration, or nothing.
    ///
    /// # Errors
    ///
    /// As for the duration itself.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<Wrapped>::deserialize(deserializer).map(|found| found.map(|wrapped| wrapped.0))
    }
}
