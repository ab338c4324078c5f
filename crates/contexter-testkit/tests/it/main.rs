//! Starts real servers and treats them badly.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod failure;
mod forwarder;
mod nats;
mod parent;
mod redis;
mod scripted;
mod tinyproxy;
mod wire;
