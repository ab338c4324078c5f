//! Total deadlines and per-attempt timeouts.
//!
//! [`Timeout::call`] times any future. As a [`Policy`](contexter_service::Policy) the same
//! [`Timeout`] is a total deadline outside a retry and the timeout of one attempt inside it: each
//! passes the earlier of its own deadline and the one it was given down to what it runs.
//!
//! # Features
//!
//! `tokio`: the default clock can wait. Without it, give a [`Timer`](contexter_service::Timer) to
//! [`Timeout::with_timer`].

mod error;
mod timed;
mod timeout;

pub use error::Error;
pub use timed::Call;
pub use timeout::Timeout;
