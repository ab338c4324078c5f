//! Fault injection: errors, latency, hangs and panics by rate and seed.
