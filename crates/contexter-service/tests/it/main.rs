//! The public behaviour of what mechanisms share.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod backoff;
mod clocks;
mod config;
mod policies;
#[cfg(feature = "tower")]
mod tower;
