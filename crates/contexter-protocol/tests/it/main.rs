//! Public behaviour of the protocol crate.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod event;
mod hash;
mod message;
mod rag;
