//! The crate's public behaviour, against servers on loopback ports.
#![expect(clippy::unwrap_used, reason = "a test panics when its fixture breaks")]

mod api;
mod download;
mod failures;
mod http2;
mod limits;
mod proxy;
mod public_only;
mod reply;
mod secrecy;
mod server;
mod shown;
mod transport;
