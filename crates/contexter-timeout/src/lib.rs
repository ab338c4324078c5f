//! Total deadlines and per-attempt timeouts.
//!
//! [`Timeout::call`] times any future. As a [`Policy`](contexter_service::Policy) the same
//! [`Timeout`] is a total deadline outside a retry and the timeout of one attempt inside it: each
//! passes the earlier of its own deadline and the one it was given down to what it runs.
//! [`Timeout::service`] puts it around a service; with feature `tower` it is a layer.
//!
//! When the time is over, the operation is dropped first, then the error is returned. The far side
//! may have acted all the same.
//!
//! An elapsed time is told as [`Event::TimeoutElapsed`](contexter_service::Event::TimeoutElapsed),
//! in `tracing` on level `DEBUG` with the field `after`.
//!
//! # Cost
//!
//! A call that is ready at once costs one reading of the clock; it registers no timer. Any other
//! registers one timer, and unregisters it when it ends. Nothing allocates, through `tower` neither.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts elapsed times through the `metrics` facade |
//! | `tokio` | the default clock can wait; without it, give a [`Timer`](contexter_service::Timer) to [`Timeout::with_timer`] |
//! | `tower` | [`Timeout`] as a `tower_layer::Layer`, [`TimeoutService`] as a `tower_service::Service` |
//!
//! None is on by default.

mod error;
mod service;
mod shared;
mod timed;
mod timeout;
#[cfg(feature = "tower")]
mod tower;

pub use error::Error;
pub use service::TimeoutService;
pub use timed::Call;
pub use timeout::Timeout;
#[cfg(feature = "tower")]
pub use tower::TimeoutFuture;
