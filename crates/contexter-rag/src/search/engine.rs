//! Runs the legs, fuses them and reads the winners.

use std::collections::HashMap;

use contexter_model::{Error, Filter, Hit, Leg, Payload, Query, Record, Retrieve};
use contexter_service::{Handle, Service as _};
use tokio::time::Instant;

use super::{Mode, SearchHit, SearchRequest, SearchResponse, TookMs};
use crate::embedding::EmbeddingService;
use crate::fusion::{Fusion, InvalidWeights};
use crate::payload;
use crate::sparse::Bm25;

/// How many candidates each leg contributes, unless more hits than that are asked for.
///
/// The reference figures of the evaluation were measured with 100.
const CANDIDATES: usize = 100;
/// The hybrid search engine over one collection.
///
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct HybridSearchEngine {
    collection: String,
    embedding: EmbeddingService,
    query: Handle<Query>,
    retrieve: Handle<Retrieve>,
    bm25: Bm25,
    fusion: Fusion,
}

impl HybridSearchEngine {
    /// Creates the engine.
    ///
    /// `bm25` must be the one that the collection was indexed with.
    #[must_use]
    pub fn new(
        collection: impl Into<String>,
        embedding: EmbeddingService,
        query: Handle<Query>,
        retrieve: Handle<Retrieve>,
        bm25: Bm25,
        fusion: Fusion,
    ) -> Self {
        Self {
            collection: collection.into(),
            embedding,
            query,
            retrieve,
            bm25,
            fusion,
        }
    }

    /// Searches with both legs: the specification's `search_with_embeddings`.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub async fn search_with_embeddings(
        &self,
        query: &str,
        top_k: usize,
    ) -> Result<SearchResponse, SearchError> {
        self.search(&SearchRequest::new(query).with_limit(top_k))
            .await
    }

    /// Searches.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::InvalidQuery`] for a query that is empty or too long,
    /// [`SearchError::InvalidLimit`] for a limit out of range, and
    /// [`SearchError::Service`] when the embedder or the store fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls under way; nothing else is affected.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        request.validate()?;
        let started = Instant::now();
        let dense = match request.mode {
            Mode::Sparse => None,
            Mode::Hybrid | Mode::Dense => Some(self.embedding.embed_query(&request.query).await?),
        };
        let embedded = Instant::now();
        let found = self.find(request, dense).await?;
        let hits = self.read(&found).await?;
        Ok(SearchResponse {
            query: request.query.clone(),
            took_ms: TookMs {
                embed: (embedded - started).as_secs_f64() * 1e3,
                search: embedded.elapsed().as_secs_f64() * 1e3,
            },
            hits,
        })
    }

    /// Returns the fused ranking of a request without reading the chunks, for evaluation.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub async fn ids(&self, request: &SearchRequest) -> Result<Vec<Hit>, SearchError> {
        request.validate()?;
        let dense = match request.mode {
            Mode::Sparse => None,
            Mode::Hybrid | Mode::Dense => Some(self.embedding.embed_query(&request.query).await?),
        };
        self.find(request, dense).await
    }

    /// Runs the legs and fuses them.
    async fn find(
        &self,
        request: &SearchRequest,
        dense: Option<Vec<f32>>,
    ) -> Result<Vec<Hit>, SearchError> {
        let rankings = self.rank(request, dense).await?;
        Ok(match request.mode {
            Mode::Hybrid => self.fusion.fuse(&rankings, request.limit)?,
            Mode::Dense | Mode::Sparse => {
                let mut only = rankings.into_iter().next().unwrap_or_default();
                only.truncate(request.limit);
                only
            }
        })
    }

    async fn rank(
        &self,
        request: &SearchRequest,
        dense: Option<Vec<f32>>,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        let mut legs: Vec<Leg> = dense.map(Leg::Dense).into_iter().collect();
        if request.mode != Mode::Dense {
            legs.push(Leg::Sparse(self.bm25.query(&request.query)));
        }
        let filter = match &request.library {
            Some(library) => Filter::all().and(payload::LIBRARY, library.as_str()),
            None => Filter::all(),
        };
        let query = Query {
            collection: self.collection.clone(),
            legs,
            filter,
            limit: CANDIDATES.max(request.limit),
        };
        Ok(self.query.call(query).await?.rankings)
    }

    async fn read(&self, found: &[Hit]) -> Result<Vec<SearchHit>, Error> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let records = self
            .retrieve
            .call(Retrieve {
                collection: self.collection.clone(),
                ids: found.iter().map(|hit| hit.id).collect(),
            })
            .await?;
        let mut payloads: HashMap<_, Payload> = records
            .into_iter()
            .map(|Record { id, payload }| (id, payload))
            .collect();
        // A chunk deleted between the two calls is simply no longer a hit.
        Ok(found
            .iter()
            .filter_map(|hit| Some(payload::read(*hit, payloads.remove(&hit.id)?)))
            .collect())
    }
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query cannot be searched for.
    #[error("the query {0}")]
    InvalidQuery(String),
    /// More or fewer hits are asked for than can be given.
    #[error("the limit is {limit}, expected 1 to {max}")]
    InvalidLimit {
        /// The limit asked for.
        limit: usize,
        /// The highest that is allowed.
        max: usize,
    },
    /// The weights of the fusion do not fit two legs.
    #[error(transparent)]
    Fusion(#[from] InvalidWeights),
    /// The embedder or the vector store failed.
    #[error(transparent)]
    Service(#[from] Error),
}

impl SearchError {
    /// Returns whether the request is at fault, not a service or the index.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Service(_))
    }
}
