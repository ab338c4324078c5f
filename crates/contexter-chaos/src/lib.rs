//! Fault injection: errors, latency, hangs and panics by rate and seed.
//!
//! [`Chaos`] goes where the far side would be: innermost in a stack of mechanisms, so that what is
//! around it (timeouts, retries, breakers) meets the faults as it would meet real ones. An injected
//! error is of the caller's own type, so that it is classified like any other.
//!
//! | fault | what happens to the call |
//! |---|---|
//! | latency | it begins later, by a time between two bounds |
//! | error | it is not begun; the outcome is the one that the caller's closure makes |
//! | hang | it is not begun and never ends; dropping it is safe |
//! | panic | it is not begun; the task panics |
//!
//! Whether a call meets a fault is decided, in this order, by the switch that all clones share
//! ([`Chaos::set_enabled`], one relaxed load), by the caller for this one call ([`Chaos::when`],
//! [`Chaos::call_when`], [`ChaosService::when`]), and by the rates of [`Config`].
//!
//! # Determinism
//!
//! The faults of the n-th call that gets as far as the rates are a function of the seed and of n,
//! nothing else. A sequence of calls from one task therefore repeats exactly. Of concurrent calls,
//! the schedule decides which one is the n-th; which faults the first n calls meet together, and in
//! which numbers, is the same in every run.
//!
//! # Telemetry
//!
//! Every fault is told as [`Event::ChaosInjected`](contexter_service::Event::ChaosInjected), in
//! `tracing` on level `DEBUG` with the field `fault`.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts faults through the `metrics` facade |
//! | `serde` | [`Config`] from configuration files |
//! | `tokio` | the default clock can wait; without it, give a [`Timer`](contexter_service::Timer) to [`Chaos::with_timer`] |
//! | `tower` | [`Chaos`] as a `tower_layer::Layer`, [`ChaosService`] as a `tower_service::Service` |
//!
//! None is on by default.

mod chaos;
mod config;
mod dice;
mod injected;
mod outcome;
mod service;
#[cfg(feature = "tower")]
mod tower;
mod when;

pub use chaos::Chaos;
pub use config::Config;
pub use injected::Call;
pub use outcome::{ErrWith, Outcome};
pub use service::ChaosService;
#[cfg(feature = "tower")]
pub use tower::ChaosFuture;
pub use when::{Always, When};
