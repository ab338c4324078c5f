//! The one place that names an HTTP client: bounded, redacted, honest about failure.
//!
//! Adapters map their wire format to the model; everything about transport is here: credentials,
//! time limits, size limits, which addresses are acceptable, and what a status means. A failure is
//! always a [`contexter_model::Error`]; its text never holds a query string or credentials.
//!
//! | to | there is |
//! |---|---|
//! | call an API: JSON, forms, any status | [`Api`], [`Request`], [`Reply`] |
//! | take a large reply piece by piece | [`Incoming`] |
//! | exchange JSON and no more | [`HttpTransport`] |
//! | fetch a file | [`Client::download`] |
//! | fetch what others name | [`Config::public_only`], [`check_public`], [`is_public`] |
//! | go through a proxy | [`Proxy`] |
//! | show what came from outside | [`clean`], [`Secrets`], [`redact_url`] |
//!
//! Nothing here tries again: that is for the mechanisms around it. [`Api`] is a
//! [`contexter_service::Service`] of [`Request`]s.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `tower` | [`Api`] is a `tower::Service` of [`Request`]s too |
//!
//! None is on by default.

mod api;
mod auth;
mod client;
mod config;
mod download;
mod failure;
mod headers;
mod http2;
mod incoming;
mod proxy;
mod public;
mod rate_limit;
mod reply;
mod request;
mod resolve;
mod send;
mod service;
mod target;
mod transport;

pub use api::Api;
pub use auth::Auth;
pub use client::Client;
pub use config::Config;
pub use contexter_config::{Secrets, clean};
pub use download::Downloaded;
pub use incoming::Incoming;
pub use proxy::Proxy;
pub use public::{check_public, is_public};
pub use rate_limit::RateLimitHeaders;
pub use reply::Reply;
pub use request::Request;
pub use resolve::NotPublic;
pub use target::redact_url;
pub use transport::HttpTransport;
