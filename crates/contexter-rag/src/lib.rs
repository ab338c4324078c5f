//! Document processing, embedding, hybrid search and the ingestion flow over capabilities.

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
