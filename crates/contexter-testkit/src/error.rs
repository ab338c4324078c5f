//! Why a server could not be started or controlled.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// The error of every operation on a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is neither on `PATH` nor where Debian puts servers.
    #[error(
        "{program} is not installed; run: apt-get install -y --no-install-recommends {package}"
    )]
    Missing {
        /// The program looked for.
        program: String,
        /// The Debian package that holds it.
        package: String,
    },
    /// The server ended before it was ready, on every port tried.
    #[error("{program} ended before it was ready ({status}); its log:\n{log}")]
    Ended {
        /// The program started.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server was not ready in time.
    #[error("{program} was not ready within {limit:?}; its log:\n{log}")]
    NotReady {
        /// The program started.
        program: String,
        /// How long it was given.
        limit: Duration,
        /// The end of its log.
        log: String,
    },
    /// The server was killed and still runs.
    #[error("process {pid} still runs {limit:?} after it was killed")]
    Immortal {
        /// The process.
        pid: u32,
        /// How long it was given.
        limit: Duration,
    },
    /// The server is not running, so that it cannot be signalled.
    #[error("{program} is not running")]
    NotRunning {
        /// The program that was to be signalled.
        program: String,
    },
    /// The operating system refused a step.
    #[error("cannot {step}")]
    Io {
        /// The step refused.
        step: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Wraps the error of a step that the operating system refused.
    pub(crate) fn io(step: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let step = step.into();
        move |source| Self::Io { step, source }
    }
}
