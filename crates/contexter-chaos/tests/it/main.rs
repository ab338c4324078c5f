//! The public behaviour of fault injection, on the manual clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod config;
mod faces;
mod sequence;
mod telemetry;
