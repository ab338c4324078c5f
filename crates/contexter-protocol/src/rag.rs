//! The payloads of the documentation flow, in the order in which they are published.
//!
//! | event | payload | published when |
//! |---|---|---|
//! | `document.ingested` | [`DocumentIngested`] | a document was stored and cut into chunks |
//! | `embedding.requested` | [`EmbeddingRequested`] | its chunks need vectors |
//! | `embedding.completed` | [`EmbeddingCompleted`] | its vectors are stored |
//! | `vector.index_requested` | [`VectorIndexRequested`] | its vectors need indexing |
//! | `vector.indexed` | [`VectorIndexed`] | its vectors are searchable and durable |
//! | `processing.completed` | [`ProcessingCompleted`] | nothing is left to do for the document |
//! | `processing.failed` | [`ProcessingFailed`] | a step gave up |
//! | `document.processed` | [`DocumentProcessed`] | every document of a library is through |
//!
//! Payloads carry references and counts only. Texts, chunks and vectors are blobs in storage,
//! named by their [`struct@Hash`]. Fields may be added later, so decoding ignores fields it does not know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EventPayload, Hash};

/// A document was fetched, stored and cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentIngested {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// The blob that holds the document.
    pub document: Hash,
    /// The blob that holds its chunks.
    pub chunks: Hash,
    /// How many chunks there are.
    pub chunk_count: usize,
}

/// The chunks of a document need vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingRequested {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// The blob that holds the document.
    pub document: Hash,
    /// The blob that holds its chunks.
    pub chunks: Hash,
    /// How many chunks there are.
    pub chunk_count: usize,
    /// The embedding space that the vectors must belong to.
    pub space_id: String,
}

/// The chunks of a document have vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingCompleted {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// The blob that holds the document.
    pub document: Hash,
    /// The blob that holds its chunks.
    pub chunks: Hash,
    /// The blob that holds one vector for each chunk.
    pub embeddings: Hash,
    /// The embedding space that the vectors belong to.
    pub space_id: String,
    /// How many chunks there are.
    pub chunk_count: usize,
}

/// The vectors of a document need indexing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorIndexRequested {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// The blob that holds the document.
    pub document: Hash,
    /// The blob that holds its chunks.
    pub chunks: Hash,
    /// The blob that holds one vector for each chunk.
    pub embeddings: Hash,
    /// The embedding space that the vectors belong to.
    pub space_id: String,
    /// How many chunks there are.
    pub chunk_count: usize,
}

/// The vectors of a document are searchable and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorIndexed {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// The blob that holds the document.
    pub document: Hash,
    /// How many chunks were indexed.
    pub chunk_count: usize,
    /// The embedding space that the vectors belong to.
    pub space_id: String,
}

/// How the processing of a document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessingStatus {
    /// The document is in the index.
    Success,
    /// A status that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Nothing is left to do for a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingCompleted {
    /// The library that the document belongs to.
    pub library_id: String,
    /// The path of the document within its library.
    pub path: String,
    /// How it ended.
    pub status: ProcessingStatus,
    /// When it ended.
    pub completion_time: Timestamp,
}

/// A step of the flow gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingFailed {
    /// The library that was processed.
    pub library_id: String,
    /// The document that was processed; none if the failure concerns the whole library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The step that gave up, such as `"embed"`.
    pub step: String,
    /// What went wrong, in one line without secrets.
    pub error: String,
    /// The kind of error, for grouping.
    pub error_type: String,
}

/// Every document of a library is through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentProcessed {
    /// The library that was processed.
    pub library_id: String,
    /// How many documents were processed.
    pub document_count: usize,
    /// How long it took, in seconds.
    pub processing_time_seconds: f64,
}

/// The subject and order key of a document: steps of one document stay in order.
fn document_key(library_id: &str, path: &str) -> Option<String> {
    let key = [library_id, path].join("#");
    (key.len() > 1).then_some(key)
}

macro_rules! document_payload {
    ($payload:ty, $name:literal $(, $blob:ident)?) => {
        impl EventPayload for $payload {
            const TYPE: &'static str = $name;

            fn subject(&self) -> Option<String> {
                document_key(&self.library_id, &self.path)
            }

            fn partition_key(&self) -> Option<String> {
                self.subject()
            }

            $(fn data_ref(&self) -> Option<String> {
                Some(format!("sha256:{}", self.$blob))
            })?
        }
    };
}

document_payload!(DocumentIngested, "document.ingested", chunks);
document_payload!(EmbeddingRequested, "embedding.requested", chunks);
document_payload!(EmbeddingCompleted, "embedding.completed", embeddings);
document_payload!(VectorIndexRequested, "vector.index_requested", embeddings);
document_payload!(VectorIndexed, "vector.indexed");
document_payload!(ProcessingCompleted, "processing.completed");

impl EventPayload for ProcessingFailed {
    const TYPE: &'static str = "processing.failed";

    fn subject(&self) -> Option<String> {
        document_key(&self.library_id, self.path.as_deref().unwrap_or_default())
    }

    fn partition_key(&self) -> Option<String> {
        self.subject()
    }
}

impl EventPayload for DocumentProcessed {
    const TYPE: &'static str = "document.processed";

    fn subject(&self) -> Option<String> {
        (!self.library_id.is_empty()).then(|| self.library_id.clone())
    }

    fn partition_key(&self) -> Option<String> {
        self.subject()
    }
}
