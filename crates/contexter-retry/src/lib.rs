//! Retry with capped jitter, Retry-After, a deadline and a budget; hedging from the same budget.
//!
//! | idea | types |
//! |---|---|
//! | run an operation again when that can help | [`Retry`], [`Config`] |
//! | begin a second attempt while the first is slow | [`Hedge`], [`HedgeConfig`] |
//! | bound both as a share of first attempts | [`Budget`], [`BudgetConfig`], [`Token`] |
//! | send a request more than once | [`Repeat`], [`ByClone`], [`RetryService`], [`HedgeService`] |
//! | tell what happened | [`Scheduled`], [`GaveUp`], [`Reason`] |
//! | read what the far side asks for | [`parse_retry_after`], [`parse_retry_after_ms`] |
//!
//! - [`Retry::call`] runs any future again while that can help: five lines, any error type. The
//!   last outcome comes back unchanged; [`Attempts::counted`] gives the number of attempts beside it.
//! - As a [`Policy`](contexter_service::Policy) it nests with other mechanisms, tells the
//!   operation its attempt number, and keeps within the deadline of the
//!   [`Cx`](contexter_service::Cx).
//! - [`Retry::service`] puts it around a [`Service`](contexter_service::Service); with feature
//!   `tower` a [`Retry`] is a `tower` layer whose future has a name and needs no box.
//! - A classifier hands over what the far side asked for as
//!   [`Again::Yes`](contexter_service::Again): the wait is then never shorter, and a wait above
//!   `max_retry_after` or beyond the deadline ends the retry at once, with the original error.
//! - [`Hedge`] has the same faces.
//!
//! A first attempt that succeeds reads no clock (unless `max_elapsed` is set) and allocates
//! nothing; a budget adds one atomic operation to it.
//!
//! # Retry at one place
//!
//! Retries of retries multiply. With the default classifier,
//! [`ErrIsFailure`](contexter_service::ErrIsFailure), every error is retried, the refusal of a breaker
//! or a limit inside included. Around those, use one for which a refusal is final:
//! [`ByVerdict`](contexter_service::ByVerdict), `UnlessOpen` of `contexter-breaker` or `UnlessRejected`
//! of `contexter-resilience`. With such a one, and the breaker inside the retry, `wait_if_refused` lets
//! a call wait once until the breaker may admit it.
//!
//! A retry returns the outcome of its last attempt. If that was refused, so is the call, although
//! earlier attempts were sent and failed: their outcomes are gone before the wait.
//!
//! Give the retries and hedges of one far side clones of one [`Budget`]. Where they are nested as
//! policies, a call is counted once. A service or layer passes no [`Cx`](contexter_service::Cx) on:
//! there, say it yourself, by [`Repeat::prepare`] of the outer and [`Repeat::cx`] of the inner one, or
//! give only the inner one the budget.
//!
//! # Calls that may do harm twice
//!
//! A call that is not idempotent by its [`Cx`](contexter_service::Cx) is repeated only if the
//! classifier knows that it was not sent, and is never hedged. With an idempotency key it is
//! idempotent: say so in the `Cx`.
//!
//! # In the words of the specification
//!
//! | specification | here |
//! |---|---|
//! | `RetryConfig` | [`Config`] |
//! | `max_attempts = 3` | [`Config::max_attempts`], first attempt included |
//! | `base_delay = 1.0`, `max_delay = 60.0` | [`Config::base_delay`], [`Config::max_delay`] |
//! | `backoff_multiplier = 2.0` | [`Config::backoff_multiplier`] |
//! | `jitter = True`, a factor from 0.5 to 1.0 | [`Jitter::Equal`](contexter_service::Jitter::Equal); in configuration `true` |
//! | `retryable_exceptions` | a classifier: [`Retry::classify_by`], `RetryContext::classify_by` |
//! | `retry_with_backoff(operation, config)` | `retry_with_backoff(operation, &config)` |
//! | `async with retry_context(config) as retry` | `RetryContext::new(config)`, then `run(operation)` |
//! | the last exception is raised | the last error is returned, unchanged |
//!
//! # Events
//!
//! Every event is a `tracing` event of level `DEBUG` with the fields `name`, `mechanism` and
//! `event` of [`Event`](contexter_service::Event), and is counted with feature `metrics`.
//!
//! | mechanism | event | further fields |
//! |---|---|---|
//! | `retry` | `scheduled` | `attempt`, `delay_ms`, `asked_ms` if a wait was asked for |
//! | `retry` | `gave_up` | `attempts`, `reason` (see [`Reason`]) |
//! | `retry` | `budget_exhausted` | as `gave_up`; of a hedge only `attempt` |
//! | `hedge` | `started`, `won` | `attempt` |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts events through the `metrics` facade |
//! | `serde` | settings from configuration, durations as `"30s"` |
//! | `tokio` | the default clock can wait; without it, give a [`Timer`](contexter_service::Timer) to [`Retry::with_timer`] |
//! | `tower` | `tower` layers and services |
//!
//! None is on by default.

mod attempts;
mod budget;
mod config;
#[cfg(feature = "tokio")]
mod context;
mod hedge;
mod hooks;
#[cfg(all(test, contexter_loom))]
mod models;
mod opening;
mod operation;
mod plan;
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
mod wait;

pub use attempts::{Attempts, Counted};
pub use budget::{Budget, BudgetConfig, Token};
pub use config::Config;
#[cfg(feature = "tokio")]
pub use context::{RetryContext, retry_with_backoff};
#[cfg(feature = "tower")]
pub use hedge::HedgeFuture;
pub use hedge::{Hedge, HedgeConfig, HedgeService, Hedged, MAX_HEDGED_ATTEMPTS};
pub use hooks::{GaveUp, Reason, Scheduled};
pub use repeat::{ByClone, Repeat};
pub use retry::Retry;
pub use retry_after::{parse_retry_after, parse_retry_after_ms};
pub use service::RetryService;
#[cfg(feature = "tower")]
pub use tower::RetryFuture;
