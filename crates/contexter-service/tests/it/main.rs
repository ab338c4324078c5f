//! The public behaviour of what mechanisms share.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod backoff;
mod both;
mod bounds;
mod classifiers;
mod clocks;
mod config;
mod policies;
mod superseded;
mod telemetry;
mod tower;
