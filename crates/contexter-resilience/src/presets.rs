//! Settings for known providers.

use std::time::Duration;

use contexter_breaker::{Abandoned, Config as Breaker};
use contexter_limit::{BulkheadConfig, Quota, RateLimitConfig, Shape};
use contexter_retry::{BudgetConfig, Config as Retry};
use contexter_service::Jitter;

use crate::{BreakerConfig, Scope, StackConfig};

/// Settings for known providers, to start from. None of them knows your plan: where a provider
/// sells higher quotas, set yours.
impl StackConfig {
    /// Settings for Voyage AI's embedding and rerank calls.
    ///
    /// | setting | value | because |
    /// |---|---|---|
    /// | `rate_limit.requests` | 2,000 a minute | tier 1, every model |
    /// | `rate_limit.tokens` | 3,000,000 a minute | tier 1, the large and the code models; others have 2 to 16 million |
    /// | bursts | 100 requests, 1,000,000 tokens | the largest request that any model takes must fit |
    /// | `retry` | 4 attempts, 1 s doubling up to 16 s, budget | the documentation advises 1, 2, 4 s |
    /// | `attempt_timeout` | 60 s | the vendor's TypeScript client |
    /// | `deadline` | 5 min | |
    /// | `breaker` | does not count calls that were dropped | the parts of a large request are dropped together when one of them fails, which says nothing about the others |
    ///
    /// The weight of a call is its number of tokens. Calls are idempotent, so that repeating one is
    /// safe; a repeat of a call that had reached the vendor is billed again, which is why there is
    /// a budget. Quotas: <https://docs.voyageai.com/docs/rate-limits>; errors:
    /// <https://docs.voyageai.com/docs/error-codes>.
    #[must_use]
    pub fn voyage_ai() -> Self {
        Self::new()
            .rate_limit(
                RateLimitConfig::new()
                    .requests(
                        Quota::per_minute(2_000)
                            .shape(Shape::TokenBucket)
                            .burst(100),
                    )
                    .tokens(
                        Quota::per_minute(3_000_000)
                            .shape(Shape::TokenBucket)
                            .burst(1_000_000),
                    )
                    .max_wait(Duration::from_mins(2)),
            )
            .retry(
                Retry::new()
                    .max_attempts(4)
                    .max_delay(Duration::from_secs(16))
                    .max_retry_after(Duration::from_mins(2))
                    .budget(BudgetConfig::new()),
            )
            .breaker(
                BreakerConfig::from(Breaker::new().abandoned(Abandoned::Neutral)).timeout(None),
            )
            .attempt_timeout(Duration::from_mins(1))
            .deadline(Duration::from_mins(5))
    }

    /// Settings for Context7's documentation calls.
    ///
    /// | setting | value | because |
    /// |---|---|---|
    /// | `retry` | 3 attempts, 1 s doubling up to 10 s, asked waits up to 60 s | a longer wait means a used-up monthly allowance, which no wait cures |
    /// | `attempt_timeout` | 30 s | the vendor's own client; its slowest calls take seconds |
    /// | `bulkhead` | 8 at a time, 64 waiting up to 30 s | the allowance is monthly, not a rate |
    ///
    /// All calls are reads. Limits and headers: <https://context7.com/docs/api-guide>.
    #[must_use]
    pub fn context7() -> Self {
        Self::new()
            .retry(
                Retry::new()
                    .max_delay(Duration::from_secs(10))
                    .max_retry_after(Duration::from_mins(1)),
            )
            .bulkhead(
                BulkheadConfig::new()
                    .max_concurrent(8)
                    .max_queue(64)
                    .max_wait(Duration::from_secs(30)),
            )
            .breaker(BreakerConfig::default().timeout(None))
            .attempt_timeout(Duration::from_secs(30))
            .deadline(Duration::from_mins(2))
    }

    /// Settings for Bright Data's unlocker, search and dataset calls.
    ///
    /// | setting | value | because |
    /// |---|---|---|
    /// | `retry` | 3 attempts, 2 s doubling up to 32 s, half to all of it at random, a small budget | 25 answers with status 429 within 5 minutes block the address on all of the vendor's interfaces; it asks for waits of 2, 4, 8, 16, 32 s |
    /// | `attempt_timeout` | 180 s | shorter, the client gives up before the vendor's error arrives |
    /// | `bulkhead` | 8 at a time, 64 waiting up to 3 min | all of them may be refused: below the 10 refusals that are a warning sign |
    ///
    /// Creating a job or unlocking by `POST` is not idempotent: say so in the
    /// [`Cx`](contexter_service::Cx), and only what was surely not sent is repeated. Errors and
    /// limits: <https://docs.brightdata.com/proxy-networks/errorCatalog>,
    /// <https://docs.brightdata.com/products/scrapers/limits>.
    #[must_use]
    pub fn bright_data() -> Self {
        Self::new()
            .scope(Scope::Attempt)
            .retry(
                Retry::new()
                    .base_delay(Duration::from_secs(2))
                    .max_delay(Duration::from_secs(32))
                    .jitter(Jitter::Equal)
                    .budget(BudgetConfig::new().ratio(0.1).reserve(8).max_tokens(8)),
            )
            .bulkhead(
                BulkheadConfig::new()
                    .max_concurrent(8)
                    .max_queue(64)
                    .max_wait(Duration::from_mins(3)),
            )
            .breaker(BreakerConfig::default().timeout(None))
            .attempt_timeout(Duration::from_mins(3))
            .deadline(Duration::from_mins(10))
    }

    /// Settings for a Qdrant server.
    ///
    /// | setting | value | because |
    /// |---|---|---|
    /// | `scope` | `attempt` | calls are many and short; trouble shows in a few of them |
    /// | `retry` | 3 attempts, 100 ms doubling up to 5 s, budget | upserts by id are idempotent |
    /// | `attempt_timeout` | 30 s | the official client's 5 s are too short for large upserts |
    ///
    /// The official client repeats a failed call once by itself: count with twice the attempts, or
    /// switch that off. Rate limits of a server come with a `retry-after`:
    /// <https://qdrant.tech/documentation/guides/administration/#strict-mode>.
    #[must_use]
    pub fn qdrant() -> Self {
        Self::new()
            .scope(Scope::Attempt)
            .retry(
                Retry::new()
                    .base_delay(Duration::from_millis(100))
                    .max_delay(Duration::from_secs(5))
                    .budget(BudgetConfig::new()),
            )
            .breaker(BreakerConfig::default().timeout(None))
            .attempt_timeout(Duration::from_secs(30))
            .deadline(Duration::from_mins(2))
    }
}
