//! Why no service was found.

use std::fmt;
use std::time::Duration;

use contexter_adapter::HealthStatus;
use jiff::Timestamp;
use thiserror::Error;

/// No registered service can do what was asked for now.
///
/// `Display` is one line that says of every registered service why not.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub struct NoService {
    /// The ability that was asked for.
    pub capability: String,
    /// Every registered service, in alphabetical order.
    pub refused: Vec<Refused>,
}

impl fmt::Display for NoService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no service for {:?}: ", self.capability)?;
        if self.refused.is_empty() {
            return f.write_str("none is registered");
        }
        for (index, refused) in self.refused.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} {}", refused.service, refused.reason)?;
        }
        Ok(())
    }
}

/// One service that was not chosen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// The service's name.
    pub service: String,
    /// Why it was not chosen.
    pub reason: Reason,
}

/// Why a service was not chosen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// It does not have the ability.
    NoCapability,
    /// It has the ability by name, but gives no handle for this request type.
    NoHandle,
    /// It is not healthy.
    NotHealthy {
        /// How well it works instead.
        status: HealthStatus,
        /// When it got that status.
        since: Timestamp,
        /// What it reported.
        message: Option<String>,
    },
    /// Its breaker is open and refuses calls.
    BreakerOpen {
        /// When the breaker last counted a failure.
        last_failure: Option<Timestamp>,
    },
    /// Its last health check took too long.
    TooSlow {
        /// How long the check took, in milliseconds.
        response_time_ms: f64,
        /// How long it may take.
        limit: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapability => f.write_str("does not have it"),
            Self::NoHandle => f.write_str("gives no handle for this request type"),
            Self::NotHealthy {
                status,
                since,
                message,
            } => {
                write!(f, "is {status} since {since:.0}")?;
                match message {
                    Some(message) => write!(f, " ({message})"),
                    None => Ok(()),
                }
            }
            Self::BreakerOpen { last_failure } => {
                f.write_str("has an open breaker")?;
                match last_failure {
                    Some(at) => write!(f, ", its last failure was at {at:.0}"),
                    None => Ok(()),
                }
            }
            Self::TooSlow {
                response_time_ms,
                limit,
            } => write!(
                f,
                "answers in {response_time_ms:.0} ms, the limit is {limit:?}"
            ),
        }
    }
}
