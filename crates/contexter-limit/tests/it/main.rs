//! The public behaviour of the limits, on the manual clock and on paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adaptive;
mod adaptive_faces;
mod bounds;
mod broken_timer;
mod bulkhead;
mod bulkhead_faces;
mod bulkhead_model;
mod config;
mod faces;
mod feedback;
mod rate;
mod rate_model;
mod telemetry;
