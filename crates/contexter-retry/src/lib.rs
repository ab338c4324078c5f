//! Retry with jittered capped backoff, Retry-After and a deadline.
//!
//! - [`Retry::call`] runs any future again while that can help: five lines, any error type.
//! - As a [`Policy`](contexter_service::Policy) it nests with other mechanisms, tells the
//!   operation its attempt number, and keeps within the deadline of the
//!   [`Cx`](contexter_service::Cx).
//! - `retry_with_backoff` and `RetryContext` are the same on the default clock.
//! - [`parse_retry_after`] reads what the far side asked for. A classifier hands it over as
//!   [`Again::Yes`](contexter_service::Again): the wait is then never shorter, and a wait above
//!   `max_retry_after` or beyond the deadline ends the retry at once, with the original error.
//!
//! Retry at one place only. Around a breaker, use a classifier for which its refusal is final.
//!
//! Each retry is a `tracing` event with the fields `attempt`, `delay_ms` and `asked` (whether the
//! far side named the wait); giving up is one with `attempts` and `reason`.
//!
//! # Features
//!
//! `tokio` (the default clock can wait; without it, give a [`Timer`](contexter_service::Timer) to
//! [`Retry::with_timer`]) and `serde` (settings from configuration, durations as `"30s"`). None is
//! on by default.

mod attempts;
mod bucket;
mod budget;
mod budget_config;
mod config;
#[cfg(feature = "tokio")]
mod context;
mod hedge;
mod hedge_config;
mod hedge_service;
mod hedge_shared;
#[cfg(feature = "tower")]
mod hedge_tower;
mod hedged;
mod hooks;
#[cfg(all(test, contexter_loom))]
mod models;
mod opening;
mod operation;
mod plan;
mod race;
mod repeat;
mod retry;
mod retry_after;
mod run;
mod schedule;
mod service;
mod shared;
mod sync;
#[cfg(feature = "tower")]
mod tower;

pub use attempts::{Attempts, Counted};
pub use budget::{Budget, Token};
pub use budget_config::BudgetConfig;
pub use config::Config;
#[cfg(feature = "tokio")]
pub use context::{RetryContext, retry_with_backoff};
pub use hedge::Hedge;
pub use hedge_config::{HedgeConfig, MAX_HEDGED_ATTEMPTS};
pub use hedge_service::HedgeService;
#[cfg(feature = "tower")]
pub use hedge_tower::HedgeFuture;
pub use hedged::Hedged;
pub use hooks::{GaveUp, Reason, Scheduled};
pub use repeat::{ByClone, Repeat};
pub use retry::Retry;
pub use retry_after::{parse_retry_after, parse_retry_after_ms};
pub use service::RetryService;
#[cfg(feature = "tower")]
pub use tower::RetryFuture;
