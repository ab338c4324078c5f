//! Document processing, embedding, hybrid search and the ingestion flow over capabilities.
//!
//! The crate names no vendor: what it needs are capabilities of `contexter-model`, found through
//! `contexter-discovery`.
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | Hybrid Search Engine | [`HybridSearchEngine`] |
//! | Embedding Service | [`EmbeddingService`] |
//! | Document Processor | [`Chunker`], driven by [`ingest::Ingestion`] |
//! | `SynchronousIntegration.search_with_embeddings` | [`HybridSearchEngine::search_with_embeddings`] |
//! | its `results`, `embedding_time_ms`, `search_time_ms` | [`SearchResponse`]: `hits`, [`TookMs`] |
//! | `DocumentProcessingIntegration.process_library_documentation` | [`ingest::Ingestion::process_library_documentation`] |
//! | `AsynchronousIntegration` and its handlers | the steps of [`ingest`], subscribed by [`ingest::Ingestion::open`] |
//! | `IntegrationError` | [`IntegrationError`] |

mod chunk;
mod embedding;
mod error;
pub mod evaluation;
mod fusion;
pub mod ingest;
mod payload;
mod search;
mod sparse;

pub use chunk::{CHUNK_NAMESPACE, Chunk, Chunker, Chunking, InvalidChunking, chunk_id};
pub use embedding::{BatchLimits, EmbeddingService};
pub use error::IntegrationError;
pub use fusion::{Fusion, InvalidFusion, InvalidWeights};
pub use search::{
    HybridSearchEngine, Mode, SearchError, SearchHit, SearchRequest, SearchResponse, TookMs,
    UnknownMode,
};
pub use sparse::{Bm25, InvalidBm25, MAX_WORD_LEN, token_id, tokenize};
