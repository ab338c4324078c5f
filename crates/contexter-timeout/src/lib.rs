//! Total deadlines and per-attempt timeouts.
