//! A NATS server.

use crate::Builder;
use crate::Error;
use crate::Server;

/// A NATS server with JetStream, which keeps its streams in the data folder.
#[derive(Clone, Copy, Debug)]
pub struct Nats;

impl Nats {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start() -> Result<Server, Error> {
        Self::builder().start()
    }

    /// Returns the description of the server, to add arguments to: `["--user", "a"]`.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new("nats-server", "nats-server", "nats")
            .args([
                "--addr",
                "127.0.0.1",
                "--port",
                "{port}",
                "--name",
                "{name}",
            ])
            .args(["--jetstream", "--store_dir", "{dir}"])
            // The server speaks first: `INFO {…}`.
            .ready(b"", ["\"server_name\":\"{name}\"", "\"jetstream\":true"])
    }
}
