//! Fallback, single-flight, stale-if-error and a bounded response cache.
//!
//! Four ways to answer although the far side does not, or without asking it once more:
//!
//! | for | type | calls the far side | keyed |
//! |---|---|---|---|
//! | something else when a call fails: a value, or another operation that sees the error | [`Fallback`] | always | no |
//! | one execution for all who ask the same at the same time | [`SingleFlight`] | once for all | yes |
//! | the last good value when a call fails, for a bounded time | [`StaleValue`] | always | yes |
//! | no call at all while a response is fresh | [`ResponseCache`] | when nothing is fresh, once for all | yes |
//!
//! The cache contains the two before it. A [`Fallback`] is a [`Policy`](contexter_service::Policy),
//! a wrapper of services ([`FallbackService`]) and, with feature `tower`, a layer. The others need a
//! key, so they are none of these: they take it with the call, `run_keyed(&key, cx, op)`. For an
//! adapter whose requests have keys, [`ResponseCache::service`] puts the cache around its service.
//!
//! In a stack they stand outside everything else: fallback, then cache or single-flight, then
//! deadline, retry, limits and breaker. So a hit costs the provider nothing, and what they stand in
//! for is the error that was left after all attempts.
//!
//! # How a shared execution lives
//!
//! ```text
//!  first call ──> resting ──poll──> polling ──ready──> landed ──> each caller has a clone
//!                  ^    ^             │  │
//!            woken │    └──pending────┘  └─panic──> over: the others run again, each with its own
//!                  │                                      operation, and share that
//!   every caller that waits                 last caller dropped ──> over: the execution is dropped
//! ```
//!
//! Callers poll it themselves, whichever is there; nothing is spawned, and a caller that is dropped
//! takes nothing along. [`SingleFlight`] has the details.
//!
//! # Time and freshness
//!
//! The terms are HTTP's, without HTTP: a response is fresh while its age is below its freshness
//! lifetime (RFC 9111, section 4.2), and may stand in for an error until it has been stale for as
//! long as was allowed (RFC 5861, section 4). Age is counted from when the value was stored, by the
//! [`Clock`](contexter_service::Clock) of the caller; see [`Freshness`].
//!
//! # Events
//!
//! `tracing` events at level debug with the fields `name`, `mechanism` and `event`, and counters with
//! feature `metrics`: `fallback` `served`, `fallback` `stale_served` (also `age_ms`),
//! `single_flight` `joined`, `cache` `hit`, `cache` `miss`. Keys, values and errors are in none of
//! them. A listener that panics or calls back harms no call.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counters of the events through the `metrics` facade |
//! | `serde` | settings from configuration, durations as `"30s"` |
//! | `tokio` | the default clock follows tokio's paused time |
//! | `tower` | [`Fallback`] as a `tower_layer::Layer`, [`FallbackService`] as a `tower_service::Service` |
//!
//! None is on by default, and no runtime is needed.

mod announce;
mod cache;
mod eligible;
mod error;
mod fallback;
mod flight;
mod freshness;
#[cfg(all(test, contexter_loom))]
mod models;
mod polled;
mod stale;
mod store;
mod sync;

pub use cache::{CacheConfig, CacheService, CachedCall, Outcome, ResponseCache};
pub use eligible::{AnyError, Eligible};
pub use error::Error;
#[cfg(feature = "tower")]
pub use fallback::TowerCall;
pub use fallback::{
    Alternative, Fallback, FallbackCall, FallbackService, FlatAlternative, Operation, Value,
};
pub use flight::{FlightConfig, SharedCall, SingleFlight};
pub use freshness::{Configured, Freshness, JudgeFreshness};
pub use stale::{Served, StaleCall, StaleConfig, StaleValue};
