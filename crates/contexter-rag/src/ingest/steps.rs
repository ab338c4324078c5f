//! The steps of the flow: what is done with a document.

use std::sync::Arc;

use contexter_model::{LibraryId, Point};
use contexter_protocol::rag::{
    DocumentIngested, EmbeddingCompleted, EmbeddingRequested, VectorIndexRequested, VectorIndexed,
};
use contexter_storage::{Hash, Storage, StorageError};
use tokio::sync::watch;

use super::commit::{Committer, Write};
use super::failure::Mismatch;
use super::ledger::{Entry, Ledger, Stage};
use super::prepare::StoredChunk;
use super::report::Progress;
use super::room::{Room, Taken};
use super::tidying::Tidying;
use super::tracker::Tracker;
use super::vectors;
use crate::chunk::chunk_id;
use crate::embedding::EmbeddingService;
use crate::payload;
use crate::sparse::Bm25;

/// What the steps work with.
pub(super) struct Steps {
    pub(super) storage: Storage,
    pub(super) ledger: Arc<Ledger>,
    pub(super) embedding: EmbeddingService,
    pub(super) committer: Arc<Committer>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) tidying: Arc<Tidying>,
    pub(super) room: Room,
    pub(super) progress: Arc<watch::Sender<Progress>>,
    pub(super) bm25: Bm25,
    pub(super) profile: String,
    /// The `source` of the events that are its own.
    pub(super) source: String,
}

/// What a document weighs in work, in lengths of its chunks: as they are stored, their texts, and what
/// is made of these.
const COPIES: usize = 4;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Steps {
    /// Indexes the words of a document.
    pub(super) async fn index_words(&self, event: &DocumentIngested) -> Result<(), Failure> {
        if let Some(profile) = &event.profile {
            self.check_profile(profile)?;
        }
        let library: LibraryId = event.library_id.parse()?;
        let _storage = self.tidying.step().await;
        let (chunks, _room) = self.chunks(&event.chunks, 0).await?;
        let points = self.points(&library, &event.path, chunks, None);
        let count = points.len() as u64;
        let entry = self.entry(library, event, Stage::Lexical);
        self.committer
            .commit(Write::Index { entry, points })
            .await?;
        self.progress
            .send_modify(|progress| progress.chunks_indexed += count);
        Ok(())
    }

    /// Embeds the chunks of a document, unless that was done before.
    pub(super) async fn embed(
        &self,
        event: &EmbeddingRequested,
    ) -> Result<EmbeddingCompleted, Failure> {
        self.check_space(&event.space_id)?;
        let _storage = self.tidying.step().await;
        let vectors = self.weight_of_vectors(event.chunk_count);
        let known = self.known_vectors(&event.chunks, &event.space_id, vectors);
        let embeddings = match known.await? {
            Some(known) => known,
            None => self.compute_vectors(&event.chunks, vectors).await?,
        };
        self.progress
            .send_modify(|progress| progress.chunks_embedded += event.chunk_count as u64);
        Ok(EmbeddingCompleted {
            library_id: event.library_id.clone(),
            path: event.path.clone(),
            document: event.document,
            chunks: event.chunks,
            embeddings,
            space_id: event.space_id.clone(),
            chunk_count: event.chunk_count,
        })
    }

    async fn compute_vectors(&self, chunks: &Hash, weight: usize) -> Result<Hash, Failure> {
        let space = self.embedding.space();
        let (stored, _room) = self.chunks(chunks, weight).await?;
        let texts = stored.iter().map(StoredChunk::indexed_text).collect();
        let vectors = self.embedding.embed_documents(texts).await?;
        let bytes = vectors::encode(&vectors, space.dimensions);
        let embeddings = self.storage.put(bytes).await?;
        let (chunks, space) = (*chunks, space.id.clone());
        super::commit::on_ledger(&self.ledger, move |ledger| {
            ledger.embedded(&chunks, &space, &embeddings)
        })
        .await?;
        Ok(embeddings)
    }

    /// Returns the vectors of an earlier run, unless they were lost or damaged.
    async fn known_vectors(
        &self,
        chunks: &Hash,
        space: &str,
        weight: usize,
    ) -> Result<Option<Hash>, Failure> {
        let Some(known) = self.ledger.embeddings(chunks, space) else {
            return Ok(None);
        };
        let _room = self.room.take(weight).await;
        if self.storage.get(&known).await.is_ok() {
            return Ok(Some(known));
        }
        self.storage.delete(&known).await?;
        Ok(None)
    }

    /// Indexes words and vectors of a document.
    pub(super) async fn index_vectors(
        &self,
        event: &VectorIndexRequested,
    ) -> Result<VectorIndexed, Failure> {
        self.check_space(&event.space_id)?;
        let library: LibraryId = event.library_id.parse()?;
        let _storage = self.tidying.step().await;
        let known = self.ledger.entry(&library, &event.path);
        let Some(entry) = known.filter(|entry| entry.chunks == event.chunks) else {
            return Err("the document has changed since its vectors were asked for".into());
        };
        // Its words are weighed anew beside the vectors.
        self.check_profile(&entry.profile)?;
        let vectors = self.weight_of_vectors(event.chunk_count);
        let (chunks, _room) = self.chunks(&event.chunks, vectors).await?;
        let stored = self.storage.get(&event.embeddings).await?;
        let vectors = vectors::decode(&stored)
            .filter(|vectors| vectors.len() == chunks.len())
            .ok_or_else(|| format!("blob {} holds no vectors of these chunks", event.embeddings))?;
        let points = self.points(&library, &event.path, chunks, Some(vectors));
        let entry = Entry {
            stage: Stage::Complete,
            ..entry
        };
        self.committer
            .commit(Write::Index { entry, points })
            .await?;
        Ok(VectorIndexed {
            library_id: event.library_id.clone(),
            path: event.path.clone(),
            document: event.document,
            chunk_count: event.chunk_count,
            space_id: event.space_id.clone(),
        })
    }

    /// Refuses what would mix vectors of two spaces. An event may be of an earlier process.
    fn check_space(&self, found: &str) -> Result<(), Mismatch> {
        let own = &self.embedding.space().id;
        if found == own {
            return Ok(());
        }
        Err(Mismatch::Space {
            found: found.to_owned(),
            own: own.clone(),
        })
    }

    /// Refuses what was prepared in another way than the ledger would say of it.
    fn check_profile(&self, found: &str) -> Result<(), Mismatch> {
        if found == self.profile {
            return Ok(());
        }
        Err(Mismatch::Profile {
            found: found.to_owned(),
            own: self.profile.clone(),
        })
    }

    /// Returns what the vectors of so many chunks weigh: as they are made, and as they are stored.
    fn weight_of_vectors(&self, chunks: usize) -> usize {
        let dimensions = self.embedding.space().dimensions;
        let vector = dimensions.saturating_mul(size_of::<f32>());
        chunks.saturating_mul(vector).saturating_mul(2)
    }

    /// Reads stored chunks, when there is room for what is made of them and for `more`.
    async fn chunks(
        &self,
        hash: &Hash,
        more: usize,
    ) -> Result<(Vec<StoredChunk>, Taken<'_>), Failure> {
        let read = self.room.read(self.storage.get(hash), |bytes| {
            bytes.len().saturating_mul(COPIES).saturating_add(more)
        });
        match read.await {
            Ok((bytes, room)) => Ok((serde_json::from_slice(&bytes)?, room)),
            Err(damaged @ StorageError::Corrupt { .. }) => {
                // Out of the way, so that the next run can store it again.
                self.storage.delete(hash).await?;
                Err(damaged.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn points(
        &self,
        library: &LibraryId,
        path: &str,
        chunks: Vec<StoredChunk>,
        vectors: Option<Vec<Vec<f32>>>,
    ) -> Vec<Point> {
        let mut vectors = vectors.map(Vec::into_iter);
        (0..)
            .zip(chunks)
            .map(|(ordinal, chunk)| Point {
                id: chunk_id(library, path, ordinal),
                dense: vectors.as_mut().and_then(Iterator::next),
                sparse: Some(self.bm25.document(&chunk.indexed_text())),
                payload: payload::write(library.as_str(), path, chunk.title, chunk.text),
            })
            .collect()
    }

    fn entry(&self, library: LibraryId, event: &DocumentIngested, stage: Stage) -> Entry {
        Entry {
            library,
            path: event.path.clone(),
            document: event.document,
            chunks: event.chunks,
            chunk_count: u32::try_from(event.chunk_count).unwrap_or(u32::MAX),
            stage,
            profile: self.profile.clone(),
        }
    }
}
