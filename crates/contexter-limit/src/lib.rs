//! Rate limiter, bulkhead and adaptive concurrency limit.
//!
//! | what runs out | limit | what it needs to know |
//! |---|---|---|
//! | a quota: requests a minute, tokens a minute, pages a day | [`RateLimiter`] | the numbers that the far side promises |
//! | room at the far side or here: connections, memory, threads | [`Bulkhead`] | how many calls may run |
//! | room at the far side, and nobody knows how much | [`AdaptiveLimit`] | nothing; it watches latencies and failures |
//!
//! They nest: a rate limiter outside, a bulkhead or an adaptive limit inside it, so that a call that
//! waits for its quota holds no place. Retries belong outside of both: each attempt uses the quota, and
//! one that sleeps holds no place.
//!
//! # Ways to use them
//!
//! Each limit has the same faces, over one implementation:
//!
//! - a guard: [`RateLimiter::try_acquire`] and [`acquire`](RateLimiter::acquire), the same with a permit
//!   for the others; a permit can live until a response body has been read ([`Permit::hold`]);
//! - `call`, which runs any future;
//! - a [`Policy`](contexter_service::Policy) that nests with other mechanisms; a refusal becomes the
//!   operation's own error by `From<Limited>` or `From<Full>`;
//! - `service`, which puts it around a [`Service`](contexter_service::Service), and with feature `tower`
//!   a layer and a `tower` service whose future has a name and no box.
//!
//! A refusal means "not sent": neutral for a breaker and not retried, where these read outcomes by
//! [`ByVerdict`](contexter_service::ByVerdict) or `UnlessRejected` of `contexter-resilience`. Their
//! default, [`ErrIsFailure`](contexter_service::ErrIsFailure), takes every error for a failure, a
//! refusal inside of them included. That of a rate limiter says when the call would be admitted.
//!
//! # Defaults
//!
//! | limit | setting | default |
//! |---|---|---|
//! | rate | [burst](Quota) | a tenth of the limit; the rest evenly over the period |
//! | rate | [window](Shape) | sliding: no window of a period sees more than the limit |
//! | rate | `max_wait`, `max_pause` | 5 s, 1 h |
//! | bulkhead | `max_concurrent` | 25 |
//! | adaptive | `min`, `initial`, `max` | 1, 20, 200 |
//! | adaptive | `tolerance`, `backoff`, `baseline_doubling` | twice the latency, 0.7, 1 h |
//! | both | `max_queue`, `max_wait` | 100, 5 s |
//!
//! # The sliding window
//!
//! "2,000 a minute" can be counted in minutes of the clock. Then 2,000 calls at the end of one minute and
//! 2,000 at the begin of the next are within the rule, and a far side that counts differently refuses
//! half of them. [`RateLimiter`] keeps the stricter rule: no window of a period sees more than the limit,
//! wherever it begins. It takes no log of calls for that, but one number for each quota, by the generic
//! cell rate algorithm: a quota that holds `burst` and is renewed at `rate` admits at most
//! `burst + rate × period` in a period, and the limiter sets `rate` so that this is no more than the
//! limit. A burst therefore costs rate: with the default, nine tenths of the limit are reached in the
//! long run. Where the far side itself is a bucket, [`Shape::TokenBucket`] loses nothing.
//!
//! Source: ITU-T I.371 (03/2004), annex A; the leaky bucket as a meter of J. Turner, New Directions in
//! Communications, IEEE Communications Magazine 24(10), 1986. Those of the adaptive limit are
//! [there](AdaptiveLimit).
//!
//! # Cost
//!
//! A call that need not wait allocates nothing and takes no lock: a rate limiter reads the clock once and
//! exchanges one word for each quota; a bulkhead exchanges one word to enter and one to leave; an adaptive
//! limit reads the clock twice on top and learns under a lock. A wait registers one timer, and one place
//! in the queue of a bulkhead. Nothing runs in the background.
//!
//! # Telemetry
//!
//! [`Event::RateLimited`](contexter_service::Event::RateLimited) with the field `retry_after` and
//! [`Event::BulkheadFull`](contexter_service::Event::BulkheadFull) with `limit`, on level `DEBUG`;
//! [`Event::RateLimitPaused`](contexter_service::Event::RateLimitPaused) with `duration`, on level `INFO`.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counts events through the `metrics` facade |
//! | `serde` | settings from configuration, durations as `"30s"` |
//! | `stream` | [`WithPermit`] as a stream that gives its permit back at the end |
//! | `tokio` | the default clock can wait; without it, give a [`Timer`](contexter_service::Timer) to `with_clock` |
//! | `tower` | each limit as a `tower_layer::Layer`, [`LimitService`] as a `tower_service::Service` |
//!
//! None is on by default.

mod adaptive;
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

pub use adaptive::{AcquireAdaptivePermit, AdaptiveConfig, AdaptiveLimit, AdaptivePermit};
pub use bulkhead::{AcquirePermit, Bulkhead, BulkheadConfig, Permit};
pub use call::Call;
pub use error::Error;
pub use rate::{Acquire, Quota, RateLimitConfig, RateLimiter, Shape, Takes};
pub use service::{AdaptiveService, BulkheadService, LimitService, RateLimitService};
#[cfg(feature = "tower")]
pub use tower::LimitFuture;
pub use with_permit::WithPermit;
