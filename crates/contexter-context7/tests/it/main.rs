//! The adapter against a server that answers by a script.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod cache;
mod documents;
mod errors;
mod golden;
mod health;
mod ids;
mod malformed;
mod redirects;
mod refusals;
mod secrets;
mod settings;
mod stack;
mod support;
