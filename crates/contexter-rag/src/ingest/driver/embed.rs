//! The second half of an ingestion: the vectors.

use contexter_model::LibraryId;
use contexter_protocol::rag::{DocumentProcessed, EmbeddingRequested};
use tokio::time::Instant;

use super::{Ingestion, sensible};
use crate::IntegrationError;
use crate::ingest::ledger::{Entry, Stage};
use crate::ingest::report::LibraryEmbedded;
use crate::ingest::run::LibraryRun;

impl Ingestion {
    /// Adds the vectors of a library's documents: the second half of the flow.
    ///
    /// Returns when every document is durable with its vectors or listed as failed, and publishes
    /// `document.processed`.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the bus is closed, or document after document fails because
    /// something that all need is out of service. What was embedded by then stays.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the flow after the documents under way; running again goes on.
    pub async fn embed_library(
        &self,
        library: &LibraryId,
    ) -> Result<LibraryEmbedded, IntegrationError> {
        let started = Instant::now();
        // The second half of what the first has begun, if that was here.
        let begun = self.correlations.lock().remove(library);
        let correlation_id = begun.unwrap_or_else(|| {
            format!("lib_embed_{library}_{}", jiff::Timestamp::now().as_second())
        });
        let pending = self.pending(library);
        let (documents, chunks) = (pending.len() as u64, pending.iter().map(chunk_count).sum());
        self.progress.send_modify(|progress| {
            progress.library = Some(library.clone());
        });
        let mut run = LibraryRun::new(library, &self.tracker);
        for entry in pending {
            let outcome = self.tracker.expect(library, &entry.path, &correlation_id);
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
                Err(error) => self.give_up(library, entry.path, &error, &mut run),
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
        Ok(LibraryEmbedded {
            library_id: library.clone(),
            documents,
            chunks,
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
