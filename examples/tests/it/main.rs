//! The program as a user runs it: its messages, its exit codes, and what survives a kill.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;
mod commands;
mod corpus;
mod demo;
mod full_disk;
mod interrupted;
mod kill;
mod libraries;
mod program;
mod remote;
mod stores;
mod written;
