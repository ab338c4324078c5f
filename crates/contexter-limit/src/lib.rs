//! Rate limiter, bulkhead and adaptive concurrency limit.

mod call;
mod error;
mod mechanism;
#[cfg(all(test, contexter_loom))]
mod models;
mod rate;
mod service;
mod sync;
#[cfg(feature = "tower")]
mod tower;

pub use call::Call;
pub use error::Error;
pub use rate::{Acquire, Quota, RateLimitConfig, RateLimiter, Shape, Takes};
pub use service::{LimitService, RateLimitService};
#[cfg(feature = "tower")]
pub use tower::LimitFuture;
