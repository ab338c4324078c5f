//! What a call is, what its outcome teaches a resilience mechanism, and the clocks they share.
//!
//! This crate is the floor of Contexter: every mechanism (circuit breaker, retry, timeout, …) and
//! every adapter is written against the few types below, and against nothing else they share.
//!
//! | idea | types |
//! |---|---|
//! | a call | [`Service`]; [`Capability`] and [`Handle`] where its type is forgotten |
//! | what an outcome means | [`Classify`], [`Verdict`], [`Sample`], [`Again`] |
//! | a mechanism around calls | [`Policy`], [`Cx`]; nested as tuples, [`Option`], [`Either`], [`Switch`] |
//! | why a mechanism gave up a call | [`Open`], [`Full`], [`Limited`], [`Elapsed`] |
//! | time | [`Clock`], [`Timer`], [`StdClock`], [`DefaultClock`] |
//! | what mechanisms did | [`Event`] |
//! | data that mechanisms share | [`Backoff`], [`BreakerState`], [`PolicySnapshot`], [`InvalidConfig`] |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts and gauges of [`Event`]s through the `metrics` facade |
//! | `serde` | serialisation of the shared data, and durations that people write |
//! | `tokio` | `TokioTimer`; makes [`DefaultClock`] a [`Timer`] |
//! | `tower` | `FromTower` and `IntoTower`, the ways across to `tower` and back |
//! | `test-util` | `ManualClock`, which moves only when a test says so |
//!
//! None is on by default.

mod backoff;
mod capability;
mod classify;
mod clock;
mod compose;
mod cx;
#[cfg(feature = "serde")]
pub mod duration;
mod event;
mod invalid_config;
#[cfg(feature = "test-util")]
mod manual_clock;
mod policy;
mod rejection;
mod service;
mod snapshot;
mod switch;
#[cfg(feature = "tokio")]
mod tokio_timer;
#[cfg(feature = "tower")]
mod tower;

pub use backoff::{Backoff, Delays, Jitter};
pub use capability::{Capability, Handle};
pub use classify::{Again, ByVerdict, Classify, ErrIsFailure, Sample, Verdict};
pub use clock::{Clock, DefaultClock, StdClock, Timer, later};
pub use compose::Either;
pub use cx::Cx;
pub use event::{BREAKER_STATE, EVENTS_TOTAL, Event, gauge_breaker_state};
pub use invalid_config::{Fault, InvalidConfig};
#[cfg(feature = "test-util")]
pub use manual_clock::{ManualClock, ManualSleep};
pub use policy::Policy;
pub use rejection::{Elapsed, FromRejection, Full, Limited, Open};
pub use service::Service;
pub use snapshot::{BreakerState, PolicySnapshot};
pub use switch::Switch;
#[cfg(feature = "tokio")]
pub use tokio_timer::TokioTimer;
#[cfg(feature = "tower")]
pub use tower::{BoxedCall, FromTower, IntoTower, ReadyCall};
