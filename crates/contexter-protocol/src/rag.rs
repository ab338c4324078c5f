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

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::attribute::check_text;
use crate::codec::MAX_HEADER_VALUE_BYTES;
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
    /// The settings under which it was cut and is to be indexed; none if the publisher named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
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

/// The longest key that is not shortened, in bytes. Headers write a byte in up to three.
const LONGEST_KEY: usize = MAX_HEADER_VALUE_BYTES / 3;

/// How many bytes of a longer key are kept, before the hash of all of it.
const KEPT_OF_KEY: usize = 1024;

/// The subject and order key of a document: steps of one document stay in order.
///
/// The payload has library and path as they are. Here control characters, which no attribute may
/// hold, are percent-encoded, and what no header could hold is shortened.
fn document_key(library_id: &str, path: &str) -> Option<String> {
    let key = [library_id, path].join("#");
    (key.len() > 1).then(|| fit_for_attribute(key))
}

fn fit_for_attribute(key: String) -> String {
    let mut key = encoded(key);
    if key.len() > LONGEST_KEY {
        let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, key.as_bytes());
        key.truncate(key.floor_char_boundary(KEPT_OF_KEY));
        // Writing to a string cannot fail.
        let _ = write!(key, "#{hash}");
    }
    key
}

/// Percent-encodes the characters that an attribute cannot hold.
fn encoded(key: String) -> String {
    let is_fit = |text: &str| check_text("subject", text).is_ok();
    if is_fit(&key) {
        return key;
    }
    let mut encoded = String::with_capacity(key.len());
    let mut buffer = [0; 4];
    for character in key.chars() {
        let character = character.encode_utf8(&mut buffer);
        if is_fit(character) {
            encoded.push_str(character);
            continue;
        }
        for byte in character.bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
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
        (!self.library_id.is_empty()).then(|| fit_for_attribute(self.library_id.clone()))
    }

    fn partition_key(&self) -> Option<String> {
        self.subject()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IntegrationEvent, codec};

    fn failed(path: &str) -> ProcessingFailed {
        ProcessingFailed {
            library_id: "/a/b".to_owned(),
            path: Some(path.to_owned()),
            step: "embed".to_owned(),
            error: "no".to_owned(),
            error_type: "unexpected".to_owned(),
        }
    }

    #[test]
    fn the_key_of_an_ordinary_path_is_library_and_path() {
        let long = "ö".repeat(LONGEST_KEY / 2 - 5);
        for path in ["guide.md", "50% größer/#1 \"a\".md", "%0A", &*long] {
            assert_eq!(document_key("/a/b", path).unwrap(), format!("/a/b#{path}"));
        }
        assert_eq!(document_key("", ""), None);
    }

    #[test]
    fn every_path_has_a_key_that_an_event_and_a_header_can_hold() {
        let long = "ö/".repeat(4_000);
        let wide = "\u{fdd0}".repeat(1_000);
        for path in ["a\nb.md", "\u{7f}\u{85}\u{ffff}\0", &*long, &*wide] {
            let payload = failed(path);
            let event = IntegrationEvent::of("here", &payload).unwrap();
            let event = event.build().unwrap();
            assert_eq!(event.partition_key(), event.subject());
            assert_eq!(event.payload::<ProcessingFailed>().unwrap(), payload);
            codec::encode_binary(&event).unwrap();
        }
        assert_eq!(
            document_key("/a/b", "a\n\u{85}.md").unwrap(),
            "/a/b#a%0A%C2%85.md"
        );
    }

    #[test]
    fn long_paths_that_begin_alike_have_different_keys() {
        let [first, second] = ["1", "2"].map(|end| {
            let path = "x".repeat(10_000) + end;
            document_key("/a/b", &path).unwrap()
        });
        assert_ne!(first, second);
        assert!(first.len() < LONGEST_KEY && first.starts_with("/a/b#xxx"));
    }

    #[test]
    fn an_event_of_before_there_were_profiles_is_read_and_none_is_written_without_one() {
        let hash = Hash::from_bytes([1; 32]);
        let before = serde_json::json!({
            "library_id": "/a/b", "path": "c.md", "document": hash, "chunks": hash, "chunk_count": 1,
        });
        let read: DocumentIngested = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(read.profile, None);
        assert_eq!(serde_json::to_value(&read).unwrap(), before);
    }
}
