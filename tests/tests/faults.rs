//! Every fault of the sandbox, on every call of every remote adapter.
//!
//! A call under a fault ends in a typed error or in a correct result, in time, and nothing that it
//! says, logs or counts holds a key or a password.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "faults/brightdata.rs"]
mod brightdata;
#[path = "faults/cases.rs"]
mod cases;
#[path = "faults/context7.rs"]
mod context7;
#[path = "faults/leaks.rs"]
mod leaks;
#[path = "faults/matrix.rs"]
mod matrix;
#[path = "faults/qdrant.rs"]
mod qdrant;
#[path = "faults/voyage.rs"]
mod voyage;
