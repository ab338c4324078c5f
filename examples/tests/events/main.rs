//! The programs `event_flow` and `events_admin` as a user runs them, on real brokers.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod admin;
mod flow;
mod program;
