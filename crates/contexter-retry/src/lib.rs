//! Retry with jittered capped backoff, Retry-After and a deadline.
