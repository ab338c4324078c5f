//! The libraries that the server knows from the start.
//!
//! Their documentation is about this project, in a few pages each; one has two versions. Some exist
//! for what may happen to a client: one is never finalized, one has moved, two point at each other.

use super::config::State;
use super::config::{Context7Config, LibraryDocs};

/// Adds them.
pub(super) fn fill(config: Context7Config) -> Context7Config {
    config
        .library(
            LibraryDocs::new(
                "/contexter-rs/contexter-retry",
                include_str!("docs/retry-0.2.md"),
            )
            .title("Contexter Retry")
            .description("Retries with backoff, budgets and hedges for any future")
            .version("v0.2.0", include_str!("docs/retry-0.2.md"))
            .version("v0.1.0", include_str!("docs/retry-0.1.md"))
            .trust(9.1)
            .stars(420),
        )
        .library(
            LibraryDocs::new(
                "/contexter-rs/contexter-breaker",
                include_str!("docs/breaker.md"),
            )
            .title("Contexter Breaker")
            .description("A circuit breaker for any future")
            .version("v0.1.0", include_str!("docs/breaker.md"))
            .trust(8.4)
            .stars(310),
        )
        .library(
            LibraryDocs::new(
                "/contexter-rs/contexter-limit",
                include_str!("docs/limit.md"),
            )
            .title("Contexter Limit")
            .description("Rate limits, bulkheads and adaptive limits")
            .version("contexter-limit@0.1.0", include_str!("docs/limit.md"))
            .trust(6.5)
            .stars(120),
        )
        .library(
            LibraryDocs::new("/websites/contexter_dev", include_str!("docs/search.md"))
                .title("Contexter Guide")
                .description("How to index and search documentation")
                .source("https://contexter.dev"),
        )
        .library(
            LibraryDocs::new("/contexter-rs/drafts", "")
                .title("Drafts")
                .description("Documentation that is never finalized")
                .state(State::Processing),
        )
        .library(
            LibraryDocs::new("/contexter-rs/blank", "")
                .title("Blank")
                .description("A library without documentation"),
        )
        .library(
            LibraryDocs::new("/contexter-rs/internal", include_str!("docs/limit.md"))
                .title("Internal")
                .description("A private library of another team")
                .state(State::Private),
        )
        .moved("/contexter-labs/retry", "/contexter-rs/contexter-retry")
        .moved("/loops/left", "/loops/right")
        .moved("/loops/right", "/loops/left")
}
