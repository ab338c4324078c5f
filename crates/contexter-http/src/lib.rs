//! The one place that names an HTTP client: bounded, redacted, honest about failure.
//!
//! Adapters map their wire format to the model; everything about transport is here: time limits,
//! size limits, which addresses are acceptable, and what a status means. A failure is always a
//! [`contexter_model::Error`]; its text never holds a query string or credentials.

mod client;
mod download;
mod failure;
mod target;

pub use client::{Client, Config};
pub use download::Downloaded;
