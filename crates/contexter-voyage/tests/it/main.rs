//! The adapter against a server that answers by a script, and its parts on a clock of their own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod bisection;
mod chunks;
mod errors;
mod golden;
mod health;
mod hostile;
mod jobs;
mod malformed;
mod multimodal;
mod order;
mod packing;
mod quotas;
mod rerank;
mod secrets;
mod settings;
mod support;
#[cfg(feature = "tokenizer")]
mod tokenizer;
mod usage;
mod vendor;
