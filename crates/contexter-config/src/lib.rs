//! Typed, layered configuration from YAML and the environment, with redacted secrets.
