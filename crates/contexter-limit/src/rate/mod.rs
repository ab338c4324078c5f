//! The rate limiter.

mod acquire;
mod config;
mod gcra;
mod limiter;
mod quota;
mod rules;
mod shared;
mod tell;
mod ticks;

pub use acquire::Acquire;
pub use config::RateLimitConfig;
pub use limiter::RateLimiter;
pub use quota::{Quota, Shape, Takes};

use contexter_service::Timer;

#[cfg(all(test, contexter_loom))]
pub(crate) use shared::Reservation;
pub(crate) use shared::Shared;

/// A handle to a limiter, borrowed or owned.
pub trait Handle {
    /// Where the limiter reads the time, and how it waits.
    type Timer: Timer;

    /// Returns the state.
    fn shared(&self) -> &Shared<Self::Timer>;
}

impl<T: Timer, K> Handle for RateLimiter<T, K> {
    type Timer = T;

    #[inline]
    fn shared(&self) -> &Shared<T> {
        &self.shared
    }
}

impl<T: Timer, K> Handle for &RateLimiter<T, K> {
    type Timer = T;

    #[inline]
    fn shared(&self) -> &Shared<T> {
        &self.shared
    }
}
