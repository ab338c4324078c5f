//! Our side: the embedded store, and the search engine over it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use contexter_adapter::ServiceAdapter as _;
use contexter_benches::points::{self, DIMENSIONS, Question, batches};
use contexter_model::{
    CollectionSpec, Distance, Embed, EmbeddingSpace, Embeddings, EnsureCollection, Error,
    ErrorKind, Flush, Optimize, Query, Retrieve, SpaceKind, Upsert, Usage,
};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_rag::{
    BatchLimits, Bm25, EmbeddingService, Fusion, HybridSearchEngine, SearchRequest,
};
use contexter_service::{Handle, Service};

use crate::footprint::Times;
use crate::{BATCH, FLUSH_EVERY, LIMIT, Outcome, now};

const COLLECTION: &str = "chunks";

fn space() -> EmbeddingSpace {
    EmbeddingSpace {
        id: "synthetic".to_owned(),
        dimensions: DIMENSIONS,
        max_tokens: 256,
        kind: SpaceKind::Semantic,
    }
}

/// Stores and indexes the first `size` points of a file.
pub(crate) async fn build(
    folder: &Path,
    points: &Path,
    size: usize,
) -> Outcome<(EmbeddedStore, Times)> {
    let store = EmbeddedStore::open(folder).await?;
    let spec = CollectionSpec {
        name: COLLECTION.to_owned(),
        space: space(),
        distance: Distance::Cosine,
        keyword_fields: vec!["library".to_owned()],
    };
    store.call(EnsureCollection(spec)).await?;
    let collection = COLLECTION.to_owned();
    let flush = || Flush {
        collection: collection.clone(),
    };
    let mut times = Times::default();
    let mut stored = 0;
    for batch in batches(points, size, BATCH)? {
        let points = batch?;
        stored += points.len();
        let started = now();
        let collection = collection.clone();
        store.call(Upsert { collection, points }).await?;
        if stored.is_multiple_of(FLUSH_EVERY) {
            store.call(flush()).await?;
        }
        times.upsert += started.elapsed();
    }
    let started = now();
    let collection = collection.clone();
    store.call(Optimize { collection }).await?;
    store.call(flush()).await?;
    times.optimize = started.elapsed();
    Ok((store, times))
}

/// Makes the search engine as a program does, but for the embedder. Needs a runtime around it.
pub(crate) fn engine(store: EmbeddedStore, questions: &[Question]) -> Outcome<HybridSearchEngine> {
    let qdrant = EmbeddedQdrant::new(store);
    let handles = qdrant.capabilities();
    let ready = Handle::new(Ready(Arc::new(points::vectors(questions))));
    Ok(HybridSearchEngine::new(
        COLLECTION,
        EmbeddingService::new(ready, space(), BatchLimits::default()),
        handles.handle::<Query>().ok_or("no search")?,
        handles.handle::<Retrieve>().ok_or("no retrieval")?,
        Bm25::default(),
        Fusion::Dbsf,
    ))
}

pub(crate) fn request(question: &Question) -> SearchRequest {
    SearchRequest::new(&question.text).with_limit(LIMIT)
}

/// An embedder that has computed everything before.
struct Ready(Arc<HashMap<String, Vec<f32>>>);

impl Service<Embed> for Ready {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        let known = req.texts.iter().map(|text| self.0.get(text).cloned());
        let vectors: Option<Vec<_>> = known.collect();
        let unknown = || Error::new(ErrorKind::Invalid, "no vector is ready for this text");
        Ok(Embeddings {
            vectors: vectors.ok_or_else(unknown)?,
            usage: Usage::default(),
        })
    }
}
