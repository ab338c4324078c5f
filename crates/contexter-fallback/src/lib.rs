//! Fallback, single-flight, stale-if-error and a bounded response cache.
