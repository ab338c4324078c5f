//! Texts in place of vectors: the one model that the server runs by itself.

use qdrant_client::Payload;
use qdrant_client::qdrant::Document;
use qdrant_edge::SparseVector;
use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};
use tonic::Status;

use super::{status, vectors};

/// The names of the model that needs no service of its own
/// (<https://qdrant.tech/documentation/concepts/inference/#bm25>; 1.19,
/// `common/inference/local_model.rs`).
const BM25: [&str; 2] = ["qdrant/bm25", "bm25"];

/// What the server says of what is stored and it has no model for (1.19, `common/inference/service.rs`).
const NO_INFERENCE: &str = "Service internal error: InferenceService URL not configured - please \
                            provide valid address in config";

/// Refuses what is stored and needs another model.
pub(super) fn not_stored() -> Status {
    Status::internal(NO_INFERENCE)
}

/// Refuses what is searched for and needs another model.
pub(super) fn not_searched() -> Status {
    Status::internal(format!("Inference error: {NO_INFERENCE}"))
}

/// The weights of the words of a text that is stored.
pub(super) fn document(document: Document) -> Result<SparseVector, Status> {
    let (model, text) = bm25(document, not_stored)?;
    let weights = model.embed_document(&text);
    vectors::sparse(weights.indices, weights.values)
}

/// The words of a text that is searched for.
pub(super) fn query(document: Document) -> Result<SparseVector, Status> {
    let (model, text) = bm25(document, not_searched)?;
    let words = model.embed_query(&text);
    vectors::sparse(words.indices, words.values)
}

fn bm25(document: Document, refused: fn() -> Status) -> Result<(EdgeBm25, String), Status> {
    let is_named = |name: &&str| document.model.eq_ignore_ascii_case(name);
    if !BM25.iter().any(is_named) {
        return Err(refused());
    }
    let options: serde_json::Value = Payload::from(document.options).into();
    let config: EdgeBm25Config = serde_json::from_value(options)
        .map_err(|error| status::wrong(format_args!("Invalid BM25 config: {error}")))?;
    let model = EdgeBm25::new(config)
        .map_err(|error| status::wrong(format_args!("Invalid BM25 config: {error}")))?;
    Ok((model, document.text))
}
