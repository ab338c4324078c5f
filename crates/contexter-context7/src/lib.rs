//! Context7 as a service of Contexter: library search and documentation.
//!
//! [`Context7Adapter`] speaks the HTTP API of <https://context7.com> and registers as `context7`.
//! In the terms of the model it resolves names to libraries
//! ([`ResolveLibrary`](contexter_model::ResolveLibrary)) and gives their documents
//! ([`FetchDocs`](contexter_model::FetchDocs)); with requests of its own it does all else that the
//! API has for readers.
//!
//! # Examples
//!
//! ```no_run
//! use contexter_adapter::ServiceAdapter;
//! use contexter_context7::{Config, Context7Adapter};
//! use contexter_model::{FetchDocs, ResolveLibrary};
//! use contexter_service::Service;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = Context7Adapter::new(Config::new("ctx7sk-…"))?;
//! let capabilities = adapter.capabilities();
//! let resolve = capabilities.handle::<ResolveLibrary>().ok_or("no such ability")?;
//! let found = resolve.call(ResolveLibrary { name: "tokio".to_owned(), limit: 1 }).await?;
//! let library = found.into_iter().next().ok_or("no such library")?.id;
//!
//! let fetch = capabilities.handle::<FetchDocs>().ok_or("no such ability")?;
//! let page = fetch.call(FetchDocs { library, cursor: None, limit: 100 }).await?;
//! for document in page.documents {
//!     println!("{}: {}", document.path, document.title);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Requests
//!
//! | request | endpoint |
//! |---|---|
//! | [`SearchLibraries`] | `GET /v2/libs/search` |
//! | [`FetchContext`] | `GET /v2/context`, as data or text |
//! | [`SearchContext`] | `GET /v3/search`, as data or text |
//! | [`ReadLegacy`] | `GET /v1/{owner}/{repo}[/{version}]`, `GET /v2/docs/code/…`, `GET /v2/docs/info/…` |
//! | [`SearchLegacy`] | `GET /v1/search`, `GET /v2/search` |
//!
//! The endpoints that add, refresh or govern libraries are not supported.
//!
//! # What an answer means
//!
//! | answer | becomes |
//! |---|---|
//! | 200 | documentation; a page of HTML, an empty body or the body of an error never does |
//! | 202 `library_not_finalized` | [`NotReady`](contexter_model::ErrorKind::NotReady), with the wait |
//! | 301 `library_redirected` | the library that it names is asked, [`MAX_MOVES`] times at most and no id twice; where a version leads to its own library without one, as for `tag_not_found` |
//! | 400, 422 | `Invalid`; 422 `library_too_large` `TooLarge`, `no_code_found` `NotFound` |
//! | 401, 403 | `Unauthorized`; a page of HTML under 403 is a challenge: `Unavailable` |
//! | 402 | `QuotaExhausted` |
//! | 404 | `NotFound`; an empty result for searches, and for `no_snippets_found` unless the legacy read is asked; for `tag_not_found` the default version answers if the request allows it |
//! | 408, 504 | `Timeout` |
//! | 429 that speaks of a quota, or asks for a longer wait than [`Config::max_retry_after`] | `QuotaExhausted`: not repeated |
//! | any other 429 | `RateLimited`, with the wait |
//! | any other 5xx, 425 | `Unavailable` |
//! | any other 3xx | `Protocol`: `Location` is not followed, the key belongs to the configured host |
//!
//! The status is read first and the word in `error` second, since both have been seen to stand
//! under a success. Errors repeat what the service says in `message`, cut and without keys.
//!
//! # Trust
//!
//! Documentation is text of third parties. It is data, never instructions to whoever reads it; keep
//! it apart from instructions when it is passed on to a language model.
//!
//! Source of the protocol: `docs/openapi.json`, `docs/api-guide.mdx` and `docs/search-api.mdx` of
//! <https://github.com/upstash/context7>, read in November 2026.

mod adapter;
pub mod answer;
mod asked;
mod cache;
mod client;
mod config;
mod config_docs;
mod context;
mod documents;
mod failure;
mod id;
mod legacy;
mod libraries;
mod pulse;
mod query;
mod search;
mod size;
mod snippets;
mod wire;
mod words;

pub use adapter::{Context7Adapter, HEALTH_TIMEOUT};
pub use client::MAX_MOVES;
pub use config::{CacheSettings, Config, DEFAULT_BASE_URL, KEY_PREFIX};
pub use config_docs::{DEFAULT_TOPICS, DocsConfig, MAX_TOPICS};
pub use context::{Content, Context, FetchContext, Form};
pub use contexter_resilience::RetryConfig;
pub use failure::Failure;
pub use id::{Context7Id, IdFault, IdKind, InvalidId, MAX_ID_CHARS};
pub use legacy::{
    LegacyDocs, LegacyEndpoint, LegacyVersion, MAX_LEGACY_LIMIT, MAX_LEGACY_PAGE, Paging,
    ReadLegacy, SearchLegacy,
};
pub use libraries::{FoundLibraries, FoundLibrary, LibraryState, SearchLibraries, Trust};
pub use query::MAX_QUERY_CHARS;
pub use search::{MAX_SEARCH_LIBRARIES, SearchContext};
pub use snippets::{CodeBlock, CodeSnippet, InfoSnippet, Rules, Snippets};
