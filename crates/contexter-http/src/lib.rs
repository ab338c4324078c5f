//! The one place that names an HTTP client: bounded, redacted, honest about failure.
