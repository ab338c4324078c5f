//! Why a sandbox cannot start.

use std::io;

use crate::faults::Server;

/// Why a sandbox cannot start, or a fault script cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port cannot be listened on.
    #[error("cannot listen on 127.0.0.1:{port} for {server}")]
    Listen {
        /// For which server.
        server: Server,
        /// The port that was asked for; 0 means any.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The fault script cannot be read.
    #[error("the fault script cannot be read")]
    Script(#[from] contexter_config::Error),
    /// The fault script, or a setting, asks for what cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A server could not be set up.
    #[error("cannot set up the server of {server}")]
    Setup {
        /// Which server.
        server: Server,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
