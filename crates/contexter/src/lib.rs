//! Dependable calls to flaky, metered services, and documentation search built on them.
