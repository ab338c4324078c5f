//! The sandbox from outside: over HTTP, as any client sees it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod brightdata;
mod client;
mod context7;
mod faults;
mod script;
mod servers;
mod voyage;
