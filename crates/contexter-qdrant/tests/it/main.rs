//! The behaviour of the embedded store, on real files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adapter;
mod changes;
mod collections;
mod crash;
mod fixture;
mod folder;
mod full_disk;
mod kills;
mod lock;
mod optimize;
mod query;
#[cfg(feature = "server")]
mod remote;
