//! The ingestion flow over services in memory.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod collection;
mod exclusive;
mod outage;
mod redriven;
mod removed;
mod runs;
mod services;
mod world;
