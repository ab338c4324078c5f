//! What a call is, what its outcome teaches a resilience mechanism, and the clocks they share.
//!
//! This crate is the floor of Contexter: every mechanism (circuit breaker, retry, timeout, …) and
//! every adapter is written against the few types below, and against nothing else they share.
//!
//! | idea | types |
//! |---|---|
//! | a call | [`Service`]; [`Capability`] and [`Handle`] where its type is forgotten |
//! | what an outcome means | [`Classify`], [`Verdict`], [`Sample`], [`Again`]; ready-made: [`ErrIsFailure`], [`ByVerdict`], [`ByStatus`] |
//! | a mechanism around calls | [`Policy`], [`Cx`]; nested as tuples, [`Option`], [`Either`], [`Switch`] |
//! | why a mechanism gave up a call | [`Open`], [`Full`], [`Limited`], [`Elapsed`]; [`Both`] errors of a call and its fallback |
//! | whether a state is as new | [`is_unshared`] |
//! | a call given up for another attempt's sake | [`superseded`], [`is_superseded`] |
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
//!
//! # Telemetry
//!
//! Mechanisms emit `tracing` events and, with feature `metrics`, count in the `metrics` facade;
//! nothing is installed, and little is done when nobody listens. Both use the words of [`Event`],
//! so their cardinality is that of the table below times the names that one gave out:
//!
//! - an event of `tracing` has the fields `name` (of the instance), `mechanism` and `event`, and
//!   what is special to it; never a request, a response or a key. What happens to single calls is
//!   on level `DEBUG`, what is rare on `INFO` or `WARN`.
//! - the counter [`EVENTS_TOTAL`] has the labels `name`, `mechanism` and `event`.
//! - the gauge [`BREAKER_STATE`] has the labels `name` and `state`; exactly one state of a name
//!   is 1.
//!
//! An instance without a name has the label `unnamed`.
//!
//! | `mechanism` | `event` | [`Event`] |
//! |---|---|---|
//! | `breaker` | `opened` | [`BreakerOpened`](Event::BreakerOpened) |
//! | `breaker` | `half_opened` | [`BreakerHalfOpened`](Event::BreakerHalfOpened) |
//! | `breaker` | `closed` | [`BreakerClosed`](Event::BreakerClosed) |
//! | `breaker` | `rejected` | [`BreakerRejected`](Event::BreakerRejected) |
//! | `retry` | `scheduled` | [`RetryScheduled`](Event::RetryScheduled) |
//! | `retry` | `gave_up` | [`RetryGaveUp`](Event::RetryGaveUp) |
//! | `retry` | `budget_exhausted` | [`RetryBudgetExhausted`](Event::RetryBudgetExhausted) |
//! | `hedge` | `started` | [`HedgeStarted`](Event::HedgeStarted) |
//! | `hedge` | `won` | [`HedgeWon`](Event::HedgeWon) |
//! | `rate_limit` | `limited` | [`RateLimited`](Event::RateLimited) |
//! | `rate_limit` | `paused` | [`RateLimitPaused`](Event::RateLimitPaused) |
//! | `bulkhead` | `full` | [`BulkheadFull`](Event::BulkheadFull) |
//! | `timeout` | `elapsed` | [`TimeoutElapsed`](Event::TimeoutElapsed) |
//! | `fallback` | `served` | [`FallbackServed`](Event::FallbackServed) |
//! | `fallback` | `stale_served` | [`StaleServed`](Event::StaleServed) |
//! | `single_flight` | `joined` | [`FlightJoined`](Event::FlightJoined) |
//! | `cache` | `hit` | [`CacheHit`](Event::CacheHit) |
//! | `cache` | `miss` | [`CacheMiss`](Event::CacheMiss) |
//! | `chaos` | `injected` | [`ChaosInjected`](Event::ChaosInjected) |

mod backoff;
mod both;
mod capability;
mod classify;
mod clock;
mod compose;
mod context_of;
mod cx;
#[cfg(feature = "serde")]
pub mod duration;
mod event;
mod http_status;
mod invalid_config;
#[cfg(feature = "test-util")]
mod manual_clock;
mod policy;
mod refine;
mod rejection;
mod service;
mod snapshot;
mod superseded;
mod switch;
#[cfg(feature = "tokio")]
mod tokio_timer;
#[cfg(feature = "tower")]
mod tower;
mod unshared;

pub use backoff::{Backoff, Delays, Jitter};
pub use both::Both;
pub use capability::{Capability, Handle};
pub use classify::{Again, ByVerdict, Classify, ErrIsFailure, Sample, Verdict};
pub use clock::{Clock, DefaultClock, StdClock, Timer, later};
pub use compose::{Either, Start};
pub use context_of::{ContextOf, DefaultContext};
pub use cx::Cx;
pub use event::{BREAKER_STATE, EVENTS_TOTAL, Event, gauge_breaker_state};
pub use http_status::{ByStatus, HttpStatus, http_status};
pub use invalid_config::{Fault, InvalidConfig};
#[cfg(feature = "test-util")]
pub use manual_clock::{ManualClock, ManualSleep};
pub use policy::Policy;
pub use refine::{WithSent, WithTrip};
pub use rejection::{Elapsed, FromRejection, Full, Limited, Open};
pub use service::Service;
pub use snapshot::{BreakerState, PolicySnapshot};
pub use superseded::{is_superseded, superseded};
pub use switch::Switch;
#[cfg(feature = "tokio")]
pub use tokio_timer::TokioTimer;
#[cfg(feature = "tower")]
pub use tower::{BoxedCall, FromTower, IntoTower, ReadyCall};
pub use unshared::is_unshared;
