//! The same promises of each capability, kept by every adapter: the remote ones on the sandbox, the
//! embedded ones, and the remote ones at the real services, where the environment has the keys.
//!
//! | variable | what runs |
//! |---|---|
//! | `VOYAGE_API_KEY` | embedding and reranking at Voyage AI |
//! | `CONTEXT7_API_KEY` | resolving and fetching at Context7 |
//! | `BRIGHTDATA_API_KEY`, `BRIGHTDATA_ZONE` | fetching a page through Bright Data |
//! | `QDRANT_URL`, optionally `QDRANT_API_KEY` | storing and searching in a Qdrant server |
//!
//! What does not run for want of a variable is said on the standard error stream, and listed at the
//! end of `cargo xtask test`. The collection that is made in a real Qdrant server is dropped again.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "suites/docs.rs"]
mod docs;
#[path = "suites/embed.rs"]
mod embed;
#[path = "suites/embedded.rs"]
mod embedded;
#[path = "suites/sandboxed.rs"]
mod sandboxed;
#[path = "suites/store.rs"]
mod store;
#[path = "suites/vendors.rs"]
mod vendors;

use contexter_adapter::ServiceAdapter;
use contexter_model::Error;
use contexter_service::{Capability, Service as _};

/// Asks an adapter for something that it is able to do.
async fn ask<R>(adapter: &dyn ServiceAdapter, request: R) -> Result<R::Response, Error>
where
    R: Capability<Error = Error> + Send + 'static,
{
    let handle = adapter.capabilities().handle::<R>();
    let handle = handle.unwrap_or_else(|| panic!("{} is not able to", adapter.name()));
    handle.call(request).await
}
