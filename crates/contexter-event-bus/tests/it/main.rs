//! Public behaviour of the event bus, in paused time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod backpressure;
mod broker;
mod contained;
mod dead_letters;
mod dedupe;
mod delivery;
mod drain;
mod group;
mod lifecycle;
mod middleware;
mod observer;
mod order;
mod outbox;
mod pattern;
mod remote;
mod request;
mod responder;
mod spans;
mod store;
mod support;
#[cfg(feature = "metrics")]
mod telemetry;
