//! Circuit breaker with bounded probes, generation-tagged permits and a guard API.
