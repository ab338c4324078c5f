//! Public behaviour of the event bus, in paused time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod backpressure;
mod broker;
mod dead_letters;
mod dedupe;
mod delivery;
mod group;
mod lifecycle;
mod middleware;
mod observer;
mod order;
mod outbox;
mod pattern;
mod remote;
mod request;
mod spans;
mod store;
mod support;
#[cfg(feature = "metrics")]
mod telemetry;
