//! What an ingestion did.

use contexter_model::{LibraryId, Skipped};
use serde::Serialize;

/// How the first half of an ingestion ended: the reply of `process_library_documentation`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProcessingStarted {
    /// Always `"processing_started"`, as specified.
    pub status: &'static str,
    /// The library.
    pub library_id: LibraryId,
    /// How many documents of the library can be found now.
    pub document_count: u64,
    /// The id that all events of this run carry.
    pub correlation_id: String,
    /// How many of them are new or changed.
    pub changed: u64,
    /// How many were indexed before and are the same.
    pub unchanged: u64,
    /// How many are no longer in the source and were removed.
    pub removed: u64,
    /// What could not be read or indexed, and why.
    pub skipped: Vec<Skipped>,
}

/// How the second half of an ingestion ended for one library.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LibraryEmbedded {
    /// The library.
    pub library_id: LibraryId,
    /// How many documents this run gave their vectors; those that failed do not count.
    pub documents: u64,
    /// How many chunks they have.
    pub chunks: u64,
    /// How long it took, in seconds.
    pub processing_time_seconds: f64,
    /// What could not be embedded, and why.
    pub failed: Vec<Skipped>,
}

/// How far an ingestion has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The library in work.
    pub library: Option<LibraryId>,
    /// Documents looked at by this run.
    pub documents_seen: u64,
    /// Chunks that this run made findable by their words.
    pub chunks_indexed: u64,
    /// Chunks that wait for their vectors.
    pub chunks_to_embed: u64,
    /// Chunks whose vectors were computed or found by this run.
    pub chunks_embedded: u64,
}
