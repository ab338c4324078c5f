//! A Redis server.

use crate::Builder;
use crate::Error;
use crate::Server;

/// A Redis server that writes every command to disk before it answers.
///
/// Data survives [`Server::kill`] and [`Server::restart`]: the append-only file is on, with
/// `appendfsync always`.
#[derive(Clone, Copy, Debug)]
pub struct Redis;

impl Redis {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start() -> Result<Server, Error> {
        Self::builder().start()
    }

    /// Returns the description of the server, to add arguments to: `["--maxmemory", "8mb"]`.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new("redis-server", "redis-server", "redis")
            .args(["--bind", "127.0.0.1", "--port", "{port}", "--dir", "{dir}"])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ])
            // The port opens before the data is read back; commands fail until then.
            .ready(b"INFO\r\n", ["\nprocess_id:{pid}\r", "\nloading:0\r"])
    }
}
