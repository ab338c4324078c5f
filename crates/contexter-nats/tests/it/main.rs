//! The transport against a real server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod another_stream;
mod closing;
mod dead_letters;
mod existing;
mod faults;
mod forgotten;
mod leases;
mod prefetch;
mod publish;
mod requests;
mod retention;
mod subjects;
mod support;
mod unreadable;
