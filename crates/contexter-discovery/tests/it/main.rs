//! The behaviour of discovery, in paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod breakers;
mod choosing;
mod explaining;
mod services;
