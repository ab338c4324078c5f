//! The remote adapter, against the local server and against servers that fail.

mod auth;
mod collections;
mod config;
mod failures;
mod protocol;
mod served;
mod statuses;
mod suite;
mod uploads;
