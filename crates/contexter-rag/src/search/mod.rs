//! The hybrid search engine: the dense and the sparse leg of one query, fused.

mod engine;
mod request;

pub use engine::{HybridSearchEngine, SearchError};
pub use request::{Mode, SearchHit, SearchRequest, SearchResponse, TookMs, UnknownMode};
