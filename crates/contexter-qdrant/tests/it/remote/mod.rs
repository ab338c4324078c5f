//! The remote adapter, against the local server and against servers that fail.

mod auth;
mod config;
mod failures;
mod protocol;
mod served;
mod suite;
mod uploads;
