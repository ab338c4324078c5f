//! The standard resilience stack built from one configuration.
