//! Rate limiter, bulkhead and adaptive concurrency limit.
