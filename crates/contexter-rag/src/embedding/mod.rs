//! Turns texts into vectors through whatever embedder is registered, in shared batches.

mod batcher;

use std::fmt;
use std::sync::Arc;

use contexter_model::{Embed, EmbeddingSpace, Error, ErrorKind, Purpose};
use contexter_service::{Handle, Service as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::batcher::{Job, run};

/// How many requests may wait for the embedder before callers wait too.
const QUEUE: usize = 256;

/// How texts are grouped into calls of the embedder.
///
/// | field | default |
/// |---|---|
/// | `max_texts` | 64 |
/// | `max_bytes` | 256 KiB |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchLimits {
    /// The most texts in one call; at least 1.
    pub max_texts: usize,
    /// The most bytes of text in one call; one longer text still goes, alone.
    pub max_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            max_texts: 64,
            max_bytes: 256 * 1024,
        }
    }
}

impl BatchLimits {
    /// Sets the most texts in one call; 0 counts as 1.
    #[must_use]
    pub fn with_max_texts(mut self, max_texts: usize) -> Self {
        self.max_texts = max_texts.max(1);
        self
    }

    /// Sets the most bytes of text in one call.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }
}

/// The embedding service: one queue in front of one embedder.
///
/// Requests of concurrent callers share calls, because an embedder works best on full batches. A
/// call that is refused as invalid or too large is halved until the text at fault is alone, so one
/// bad text fails its own request and no other. Every reply is verified: as many vectors as texts,
/// of the right length, all finite.
///
/// Cloning is cheap; the worker ends when the last clone is dropped.
#[derive(Clone)]
pub struct EmbeddingService {
    space: EmbeddingSpace,
    direct: Handle<Embed>,
    jobs: mpsc::Sender<Job>,
    _worker: Arc<Worker>,
}

struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EmbeddingService {
    /// Creates the service over `embedder`, whose vectors live in `space`.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime.
    #[must_use]
    pub fn new(embedder: Handle<Embed>, space: EmbeddingSpace, limits: BatchLimits) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let worker = tokio::spawn(run(embedder.clone(), space.dimensions, limits, queue));
        Self {
            space,
            direct: embedder,
            jobs,
            _worker: Arc::new(Worker(worker)),
        }
    }

    /// Returns the space of the vectors.
    #[must_use]
    pub fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    /// Embeds texts that are to be found; one vector for each, in order.
    ///
    /// # Errors
    ///
    /// Returns the embedder's error, or [`ErrorKind::Protocol`] for a reply that is not one finite
    /// vector of the right length for each text.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the request if its batch has not started.
    pub async fn embed_documents(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let gone = || Error::new(ErrorKind::Unavailable, "the embedding worker has ended");
        self.jobs
            .send(Job { texts, reply })
            .await
            .map_err(|_closed| gone())?;
        answer.await.map_err(|_closed| gone())?
    }

    /// Embeds a text to search with, ahead of any waiting batch.
    ///
    /// # Errors
    ///
    /// As [`embed_documents`](Self::embed_documents).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the call.
    pub async fn embed_query(&self, text: &str) -> Result<Vec<f32>, Error> {
        let reply = self
            .direct
            .call(Embed {
                texts: vec![text.to_owned()],
                purpose: Purpose::Query,
            })
            .await?;
        batcher::verify(&reply.vectors, 1, self.space.dimensions)?;
        reply
            .vectors
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the embedder returned no vector"))
    }
}

impl fmt::Debug for EmbeddingService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingService")
            .field("space", &self.space)
            .finish_non_exhaustive()
    }
}
