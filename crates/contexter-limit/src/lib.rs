//! Rate limiter, bulkhead and adaptive concurrency limit.

mod bulkhead;
mod call;
mod error;
mod mechanism;
#[cfg(all(test, contexter_loom))]
mod models;
mod rate;
mod semaphore;
mod service;
mod sync;
#[cfg(feature = "tower")]
mod tower;
mod with_permit;

pub use bulkhead::{AcquirePermit, Bulkhead, BulkheadConfig, Permit};
pub use call::Call;
pub use error::Error;
pub use rate::{Acquire, Quota, RateLimitConfig, RateLimiter, Shape, Takes};
pub use service::{BulkheadService, LimitService, RateLimitService};
#[cfg(feature = "tower")]
pub use tower::LimitFuture;
pub use with_permit::WithPermit;
