//! The behaviour of the adapter, against a server that answers by a script.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod catalogue;
mod config;
mod datasets;
mod documents;
mod echoes;
mod fixture;
mod golden;
mod health;
mod jobs;
mod kept_jobs;
mod layers;
mod malformed;
mod proxy;
mod pulse;
mod refusals;
mod search;
mod secrets;
mod settings;
mod skipping;
mod targets;
mod throttling;
mod unlock;
mod user_name;
