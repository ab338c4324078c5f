//! The crate's public behaviour, against a server on a loopback port.
#![expect(clippy::unwrap_used, reason = "a test panics when its fixture breaks")]

mod download;
mod server;
