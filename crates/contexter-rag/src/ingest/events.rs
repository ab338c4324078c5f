//! The events about one document, and what is done at each.

use std::future::Future;

use contexter_protocol::EventPayload;
use contexter_protocol::rag::{
    DocumentIngested, EmbeddingCompleted, EmbeddingRequested, ProcessingCompleted,
    ProcessingStatus, VectorIndexRequested, VectorIndexed,
};

use super::flow::Flow;
use super::ledger::Ledger;
use super::steps::Failure;
use super::tracker::Half;

/// Documents that one step works on at the same time: enough to fill a commit group, or a batch
/// of the embedder.
const COMMITTING: usize = 256;
const EMBEDDING: usize = 64;

/// An event about one document, and what is done at it.
pub(super) trait Step: EventPayload + Sync {
    /// The name of the step in errors and dead letters.
    const NAME: &'static str;
    /// The half of the flow that it is part of.
    const HALF: Half = Half::Vectors;
    /// How many documents it works on at the same time.
    const CONCURRENCY: usize = COMMITTING;

    fn document(&self) -> (&str, &str);

    /// Returns whether there is anything to do when a dead letter of an earlier run is redriven.
    ///
    /// # Errors
    ///
    /// Returns an error if doing it would undo what was done since.
    fn is_left(&self, _ledger: &Ledger) -> Result<bool, Failure> {
        Ok(true)
    }

    fn run(&self, flow: &Flow) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Step for DocumentIngested {
    const NAME: &'static str = "index_words";
    const HALF: Half = Half::Words;

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    fn is_left(&self, ledger: &Ledger) -> Result<bool, Failure> {
        let library = self.library_id.parse()?;
        match ledger.entry(&library, &self.path) {
            None => Ok(true),
            Some(entry) if entry.chunks == self.chunks => Ok(false),
            Some(_other) => Err(
                "the index has another version of the document, and the next run \
                 takes the one that its source has then"
                    .into(),
            ),
        }
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        flow.steps.index_words(self).await?;
        flow.settle(self, Ok(()));
        Ok(())
    }
}

impl Step for EmbeddingRequested {
    const NAME: &'static str = "embed";
    const CONCURRENCY: usize = EMBEDDING;

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let completed = flow.steps.embed(self).await?;
        flow.publish(&completed).await
    }
}

impl Step for EmbeddingCompleted {
    const NAME: &'static str = "request_index";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let requested = VectorIndexRequested {
            library_id: self.library_id.clone(),
            path: self.path.clone(),
            document: self.document,
            chunks: self.chunks,
            embeddings: self.embeddings,
            space_id: self.space_id.clone(),
            chunk_count: self.chunk_count,
        };
        flow.publish(&requested).await
    }
}

impl Step for VectorIndexRequested {
    const NAME: &'static str = "index";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let indexed = flow.steps.index_vectors(self).await?;
        flow.publish(&indexed).await
    }
}

impl Step for VectorIndexed {
    const NAME: &'static str = "complete";

    fn document(&self) -> (&str, &str) {
        (&self.library_id, &self.path)
    }

    async fn run(&self, flow: &Flow) -> Result<(), Failure> {
        let completed = ProcessingCompleted {
            library_id: self.library_id.clone(),
            path: self.path.clone(),
            status: ProcessingStatus::Success,
            completion_time: jiff::Timestamp::now(),
        };
        flow.publish(&completed).await?;
        flow.settle(self, Ok(()));
        Ok(())
    }
}
