//! Public behaviour of the protocol crate.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod arbitrary;
mod arrival;
mod codec;
mod data;
mod envelope;
mod event;
mod hash;
mod interop;
mod limits;
mod message;
mod rag;
mod schema;
