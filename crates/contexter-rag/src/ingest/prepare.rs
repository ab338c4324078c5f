//! Looks at fetched documents: what is new is cut into chunks and stored.

use std::sync::Arc;

use contexter_model::{CountTokens, Document};
use contexter_storage::{Hash, Storage, hash};
use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Stage};
use super::settings::Division;
use crate::chunk::Chunker;

/// A chunk as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredChunk {
    /// The document's title and the headings above the chunk, joined by ` > `.
    pub(super) title: String,
    pub(super) text: String,
}

impl StoredChunk {
    /// Returns what is embedded and what words are counted of: the title is part of the meaning.
    pub(super) fn indexed_text(&self) -> String {
        if self.title.is_empty() {
            self.text.clone()
        } else {
            format!("{}\n{}", self.title, self.text)
        }
    }
}

/// What a fetched document turned out to be.
#[derive(Debug)]
pub(super) enum Prepared {
    /// Indexed before, the same.
    Unchanged,
    /// New or changed: stored, to be indexed.
    Changed {
        document: Hash,
        chunks: Hash,
        chunk_count: usize,
    },
    /// There is nothing in it to index.
    Empty,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Compares a document with the ledger and, if it differs, chunks and stores it.
pub(super) async fn prepare(
    document: Document,
    cutter: Cutter,
    profile: &str,
    ledger: &Ledger,
    storage: &Storage,
) -> Result<Prepared, Failure> {
    let bytes = serde_json::to_vec(&document)?;
    let name = hash(&bytes);
    if let Some(entry) = ledger.entry(&document.library, &document.path)
        && entry.document == name
        && entry.profile == profile
    {
        // The second half needs the stored chunks. If they were lost or damaged, say by a power
        // failure, the document is done again.
        if entry.stage == Stage::Complete || storage.get(&entry.chunks).await.is_ok() {
            return Ok(Prepared::Unchanged);
        }
        storage.delete(&entry.chunks).await?;
        storage.delete(&entry.document).await?;
    }
    let chunks = tokio::task::spawn_blocking(move || cutter.cut(&document)).await?;
    if chunks.is_empty() {
        return Ok(Prepared::Empty);
    }
    let chunk_count = chunks.len();
    let document = storage.put(bytes).await?;
    let chunks = storage.put_json(&chunks).await?;
    Ok(Prepared::Changed {
        document,
        chunks,
        chunk_count,
    })
}

/// Cuts documents as the settings say.
#[derive(Clone, Debug)]
pub(super) enum Cutter {
    Chunks(Arc<Chunker>),
    Whole,
}

impl Cutter {
    pub(super) fn new(division: Division, tokens: Arc<dyn CountTokens>) -> Self {
        match division {
            Division::Chunks(chunking) => Self::Chunks(Arc::new(Chunker::new(chunking, tokens))),
            Division::Whole => Self::Whole,
        }
    }

    fn cut(&self, document: &Document) -> Vec<StoredChunk> {
        match self {
            Self::Chunks(chunker) => {
                let chunks = chunker.chunk(document).into_iter();
                let stored = chunks.map(|chunk| StoredChunk {
                    title: chunk.title_path.join(" > "),
                    text: chunk.text,
                });
                stored.collect()
            }
            Self::Whole if document.text.trim().is_empty() && document.title.trim().is_empty() => {
                Vec::new()
            }
            Self::Whole => vec![StoredChunk {
                title: document.title.clone(),
                text: document.text.clone(),
            }],
        }
    }
}
