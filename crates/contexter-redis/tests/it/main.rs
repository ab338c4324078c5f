//! The transport on a real Redis, in real time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod bus;
mod dead_letters;
mod dedupe;
mod delivery;
mod ends;
mod faults;
mod forgotten;
mod groups;
mod leases;
mod prefetch;
mod publish;
mod replay;
mod requests;
mod retention;
mod settings;
mod support;
