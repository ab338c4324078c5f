//! Circuit breaker with bounded probes, generation-tagged permits and a guard API.
//!
//! A breaker watches calls to a far side. While *closed* it lets them pass; after
//! `failure_threshold` failures in a row it is *open* and refuses them; after `recovery_timeout`
//! it is *half-open* and lets a few probes pass, whose outcomes close or open it.
//!
//! - [`Breaker::call`] runs any future: five lines, any error type.
//! - [`Breaker::try_acquire`] is the same state machine without a future, for code that is not
//!   async or that learns the outcome later.
//! - As a [`Policy`](contexter_service::Policy) it nests with other mechanisms, and a refusal
//!   becomes the operation's own error by `From<Open>`.
//!
//! An outcome counts only in the period that admitted it. A call that outlives a transition, in
//! either direction, teaches nothing.
//!
//! Transitions are `tracing` events with the fields `breaker`, `from`, `to` and `failures`; each
//! comes once and in order; only those beyond 1,024 that wait for a stuck subscriber are left out. A
//! subscriber may do anything with the breaker, or panic.
//!
//! # Features
//!
//! `serde` (settings from configuration, durations as `"30s"`) and `tokio` (the default clock
//! follows tokio's paused time). None is on by default, and no runtime is needed.

mod announce;
mod breaker;
mod call;
mod config;
mod control;
mod error;
mod growth;
mod held;
mod limits;
mod machine;
#[cfg(all(test, contexter_loom))]
mod models;
mod outcome;
mod permit;
mod service;
mod subscription;
mod sync;
#[cfg(feature = "tower")]
mod tower;
mod window;
mod word;

pub use announce::{Cause, Transition};
pub use breaker::Breaker;
pub use call::Call;
pub use config::{Abandoned, Config, Window};
pub use error::{Error, UnlessOpen};
pub use permit::{OwnedPermit, Permit};
pub use service::BreakerService;
pub use subscription::{Changed, Subscription};
#[cfg(feature = "tower")]
pub use tower::BreakerFuture;
