//! The contracts of adapters.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod capabilities;
mod health;
mod lifecycle;
