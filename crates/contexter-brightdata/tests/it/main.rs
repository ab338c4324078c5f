//! The behaviour of the adapter, against a server that answers by a script.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod catalogue;
mod config;
mod datasets;
mod documents;
mod fixture;
mod health;
mod jobs;
mod layers;
mod malformed;
mod proxy;
mod search;
mod secrets;
mod targets;
mod throttling;
mod unlock;
mod user_name;
