//! Circuit breaker with bounded probes, generation-tagged permits and a guard API.
//!
//! A breaker watches calls to a far side. While *closed* it lets them pass; when too many fail it is
//! *open* and refuses them; after a break it is *half-open* and lets a few probes pass, whose
//! outcomes close or open it.
//!
//! ```text
//!                 failures in a row, or a rate in the window, or a stated time
//!     +--------+ ----------------------------------------------------------> +--------+
//!     | closed |                                                             |  open  | <--+
//!     +--------+                                                             +--------+    |
//!         ^                                                                       |        |
//!         |                    +-----------+   the first call after the break     |        |
//!         +------------------- | half-open | <------------------------------------+        |
//!       enough probes succeed  +-----------+                                               |
//!                                    |   too few can still succeed, or they hang,          |
//!                                    +-----------------------------------------------------+
//!                                        or a stated time
//!
//!     isolate(): refuses all until release()      force_close(): admits all until release()
//! ```
//!
//! - [`Breaker::call`] runs any future: five lines, any error type.
//! - [`Breaker::try_acquire`] is the same state machine without a future, for code that is not
//!   async or that learns the outcome later; [`Breaker::try_acquire_owned`] for streams and bodies.
//! - As a [`Policy`](contexter_service::Policy) it nests with other mechanisms, and a refusal
//!   becomes the operation's own error by `From<Open>`.
//! - [`Breaker::service`] puts a [`Service`](contexter_service::Service) behind it; with feature
//!   `tower` it is a `tower` layer too, whose futures have a name and no box.
//!
//! # When it opens
//!
//! | what it counts | settings | choose it when |
//! |---|---|---|
//! | failures in a row | `failure_threshold` | the far side is up or down; the default, and the cheapest |
//! | the share of failures among the last calls | `window` of [`Calls`](Window::Calls), `failure_rate` | it can fail in part, and calls are few or irregular |
//! | the share of failures in the last so much time | `window` of [`Time`](Window::Time), `failure_rate` | it can fail in part, calls are many, and old outcomes must not count |
//! | the share of slow calls | a `window`, `slow_call`, `slow_call_rate` | it answers too late before it stops answering |
//! | the share of dropped calls | a `window`, `abandoned` = [`Rate`](Abandoned::Rate) | callers drop some healthy calls, for example by a race of their own |
//! | a time that the far side stated | [`Permit::trip`], [`Classify::trip`](contexter_service::Classify::trip), [`Breaker::trip_for`] | it says when it wants calls again |
//!
//! Any of them may be combined; the first one opens it. A rate counts from `minimum_calls` on, and is
//! judged with every outcome, successes included. [`Config`] lists all settings with their defaults.
//!
//! # What happens when
//!
//! | when | then |
//! |---|---|
//! | an outcome is neutral | it changes no count and no state; a probe gives its place back |
//! | an outcome comes after the breaker has changed its state | it teaches nothing: every permit knows its period |
//! | a call is dropped before it ends | [`Abandoned`] decides; a failure by default, so that a hung far side behind somebody's timeout is found out |
//! | a call is dropped because another attempt gave the outcome | it is neutral, as [`superseded`](contexter_service::superseded) says: a hedge around a breaker teaches it nothing |
//! | the operation panics | it counts as a failure, whatever [`Abandoned`] says |
//! | a slow call succeeds | the caller gets its `Ok`; the window counts it as slow, a half-open period as failed |
//! | more calls come than there are places for probes | they are refused at once, without a time to come back |
//! | probes succeed, but rarely | the period waits for them, however long |
//! | probes hang and hold every place for `max_half_open` | the next call finds the breaker open for another break; the hung probes no longer count |
//! | the breaker opens again and again | breaks grow by `recovery_multiplier` up to `max_recovery_timeout`, until it closes |
//! | the far side states a time | at most `max_trip`; a break under way is extended, never shortened |
//! | `dry_run` is set | it changes its state and tells, but refuses nothing |
//! | settings change | state is kept: see [`Breaker::reconfigure`] |
//! | time goes by without a call | nothing: every change is made by a call or by hand |
//!
//! Hung probes open the breaker rather than making room for others at once: a far side that does not
//! answer its probes has failed them, and a break bounds how many calls it may hang.
//!
//! # What it tells
//!
//! Each transition is told once and in order: to [`Breaker::on_transition`], to every
//! [`Breaker::subscribe`]r, as a `tracing` event, and with feature `metrics` as a count and as the
//! gauge of the state. Nobody who listens can hold the breaker up or take the outcome of a call
//! along: no lock is held, and a panic is caught. Only those beyond 1,024 that wait for a stuck
//! listener are left out.
//!
//! `tracing` events have the fields `name`, `mechanism` = `"breaker"` and `event`. Transitions
//! (`opened` is a warning, `half_opened` and `closed` are informations) add `from`, `to`, `cause` and
//! `failures`; refusals (`rejected`, for debugging) add `retry_after`. Nothing is built for them
//! when nobody listens.
//!
//! # What it costs
//!
//! No call allocates, and none takes a lock while the breaker is closed and the far side well. Then
//! failures in a row cost two loads; a window adds one exchange on a line that the thread has to
//! itself, a window of time one reading of the clock, and slow calls a second one. What a call costs
//! does not depend on how full a window is. A breaker takes 512 bytes at most, and with a window
//! about 1.5 KiB more, plus three bits for each call of a window of calls.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts of events, and the gauge of the state |
//! | `serde` | settings from configuration, durations as `"30s"` |
//! | `tokio` | a default clock that follows tokio's paused time |
//! | `tower` | the `tower` layer and service |
//!
//! None is on by default, and no runtime is needed.

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
