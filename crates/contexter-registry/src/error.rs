//! Why the registry refused, and what did not end well.

use std::fmt;
use std::time::Duration;

use contexter_adapter::AdapterError;
use thiserror::Error;

/// No service is registered under the name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct ServiceNotFound {
    /// The name that was asked for.
    pub name: String,
    /// The names that are registered, in alphabetical order.
    pub known: Vec<String>,
}

impl fmt::Display for ServiceNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no service {:?} is registered", self.name)?;
        if self.known.is_empty() {
            f.write_str("; nor is any other")
        } else {
            write!(f, "; known are {}", self.known.join(", "))
        }
    }
}

/// Why a service was not registered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another service has the name, or is about to have it.
    #[error("a service {name:?} is already registered")]
    Duplicate {
        /// The name that is taken.
        name: String,
    },
    /// The adapter could not be initialized.
    #[error("service {name:?} could not be initialized")]
    Initialize {
        /// The adapter's name.
        name: String,
        /// What the adapter reported.
        source: AdapterError,
    },
    /// The adapter panicked while it was initialized.
    #[error("service {name:?} panicked while it was initialized")]
    Panicked {
        /// The adapter's name.
        name: String,
    },
    /// The adapter took too long to initialize.
    #[error("service {name:?} was not initialized within {limit:?}")]
    TimedOut {
        /// The adapter's name.
        name: String,
        /// The time it was given.
        limit: Duration,
    },
    /// The registry has been shut down.
    #[error("service {name:?} was not registered: the registry is shut down")]
    ShutDown {
        /// The adapter's name.
        name: String,
    },
}

/// Why a service was not deregistered cleanly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeregisterError {
    /// No service has the name.
    #[error(transparent)]
    NotFound(#[from] ServiceNotFound),
    /// The service is no longer registered, but did not end cleanly.
    #[error(transparent)]
    Shutdown(#[from] ShutdownFailure),
}

/// One service did not end cleanly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("service {name:?} {reason}")]
#[non_exhaustive]
pub struct ShutdownFailure {
    /// The service's name.
    pub name: String,
    /// What happened instead.
    pub reason: ShutdownReason,
}

/// What a service did instead of ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It did not end within the time it was given.
    TimedOut(Duration),
    /// It panicked.
    Panicked,
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "did not shut down within {limit:?}"),
            Self::Panicked => f.write_str("panicked while shutting down"),
        }
    }
}

/// Some services did not end cleanly; all others did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct ShutdownError {
    /// One entry for each such service, in alphabetical order.
    pub failures: Vec<ShutdownFailure>,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.failures.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")?;
        }
        Ok(())
    }
}
