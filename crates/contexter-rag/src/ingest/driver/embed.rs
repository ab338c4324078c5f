//! The second half of an ingestion: the vectors.

use std::collections::BTreeMap;

use contexter_model::LibraryId;
use contexter_protocol::rag::{DocumentProcessed, EmbeddingRequested};
use tokio::time::Instant;

use super::{Ingestion, correlation, give_up, sensible};
use crate::IntegrationError;
use crate::ingest::ledger::{Entry, Stage};
use crate::ingest::report::LibraryEmbedded;
use crate::ingest::run::LibraryRun;
use crate::ingest::tracker::{Half, Part};

impl Ingestion {
    /// Adds the vectors of a library's documents: the second half of the flow.
    ///
    /// Returns when every document is durable with its vectors or listed as failed, and publishes
    /// `document.processed`. It begins when no [tidying](Self::remove_unreferenced) goes on or waits.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the bus is closed, or document after document fails because
    /// something that all need is out of service, such as an embedder whose quota is used up. What
    /// was embedded by then stays.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the flow: what a step is working on comes to its end, and the other
    /// documents are passed over. Running again goes on.
    pub async fn embed_library(
        &self,
        library: &LibraryId,
    ) -> Result<LibraryEmbedded, IntegrationError> {
        let _not_tidying = self.tidying.run().await;
        let started = Instant::now();
        // The second half of what the first has begun, if that was here.
        let begun = self.correlations.lock().remove(library);
        let correlation_id = begun.unwrap_or_else(|| correlation("lib_embed", library));
        let pending = self.pending(library);
        let mut wanted: BTreeMap<String, u64> = pending
            .iter()
            .map(|entry| (entry.path.clone(), chunk_count(entry)))
            .collect();
        self.progress.send_modify(|progress| {
            progress.library = Some(library.clone());
        });
        let part = Part {
            run: &correlation_id,
            half: Half::Vectors,
        };
        let mut run = LibraryRun::new(part, &self.tracker);
        for entry in pending {
            let outcome = run.expect(library, &entry.path);
            let payload = EmbeddingRequested {
                library_id: library.to_string(),
                path: entry.path.clone(),
                document: entry.document,
                chunks: entry.chunks,
                chunk_count: entry.chunk_count as usize,
                space_id: self.environment.embedding.space().id.clone(),
            };
            match self.publish(&payload, &correlation_id).await {
                Ok(()) => run.wait_for(entry.path, outcome).await,
                Err(error) => give_up(&mut run, library, entry.path, error)?,
            }
            sensible(&run, "embed", library)?;
        }
        run.finish().await;
        sensible(&run, "embed", library)?;
        let processing_time_seconds = started.elapsed().as_secs_f64();
        let processed = DocumentProcessed {
            library_id: library.to_string(),
            document_count: self.environment.ledger.library_entries(library).len(),
            processing_time_seconds,
        };
        self.publish(&processed, &correlation_id).await?;
        for failed in &run.skipped {
            wanted.remove(&failed.path);
        }
        Ok(LibraryEmbedded {
            library_id: library.clone(),
            documents: wanted.len() as u64,
            chunks: wanted.values().sum(),
            processing_time_seconds,
            failed: run.skipped,
        })
    }

    /// Returns how many chunks of a library still wait for their vectors.
    #[must_use]
    pub fn chunks_to_embed(&self, library: &LibraryId) -> u64 {
        self.pending(library).iter().map(chunk_count).sum()
    }

    fn pending(&self, library: &LibraryId) -> Vec<Entry> {
        let mut entries = self.environment.ledger.library_entries(library);
        entries.retain(|entry| entry.stage == Stage::Lexical && entry.profile == self.profile);
        entries
    }
}

fn chunk_count(entry: &Entry) -> u64 {
    u64::from(entry.chunk_count)
}
