//! Every fault of the sandbox, on every call of every remote adapter.
//!
//! A call under a fault ends in a typed error or in a correct result, in time and with no more requests
//! than its attempts allow. Nothing that it says, logs or counts holds a key or a password, also where
//! the server repeats them, and nobody is led to another host.

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
#[path = "faults/cells.rs"]
mod cells;
#[path = "faults/context7.rs"]
mod context7;
#[path = "faults/echoes.rs"]
mod echoes;
#[path = "faults/elsewhere.rs"]
mod elsewhere;
#[path = "faults/leaks.rs"]
mod leaks;
#[path = "faults/lifecycle.rs"]
mod lifecycle;
#[path = "faults/matrix.rs"]
mod matrix;
#[path = "faults/panics.rs"]
mod panics;
#[path = "faults/qdrant.rs"]
mod qdrant;
#[path = "faults/voyage.rs"]
mod voyage;
#[path = "faults/wire.rs"]
mod wire;
