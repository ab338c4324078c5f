//! The transport against a real server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dead_letters;
mod faults;
mod leases;
mod publish;
mod requests;
mod support;
mod unreadable;
