//! What a search gives back.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use contexter_model::{
    Embed, EmbeddingSpace, Embeddings, Error, Hit, PointId, Query, QueryReply, Record, Retrieve,
    SpaceKind, Usage,
};
use contexter_rag::{
    BatchLimits, Bm25, EmbeddingService, Fusion, HybridSearchEngine, Mode, SearchRequest,
};
use contexter_service::{Handle, Service};

/// Finds as much as it is asked for.
struct Plenty;

impl Service<Embed> for Plenty {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        Ok(Embeddings {
            vectors: vec![vec![1.0, 0.0]; req.texts.len()],
            usage: Usage::default(),
        })
    }
}

impl Service<Query> for Plenty {
    type Response = QueryReply;
    type Error = Error;

    async fn call(&self, req: Query) -> Result<QueryReply, Error> {
        let hits = (0..u16::try_from(req.limit).unwrap()).rev();
        let hits = hits.map(|number| Hit {
            id: PointId::from_u128(number.into()),
            score: number.into(),
        });
        let ranking: Vec<Hit> = hits.collect();
        Ok(QueryReply {
            rankings: vec![ranking; req.legs.len()],
        })
    }
}

impl Service<Retrieve> for Plenty {
    type Response = Vec<Record>;
    type Error = Error;

    async fn call(&self, _req: Retrieve) -> Result<Vec<Record>, Error> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_ranking_has_no_more_hits_than_were_asked_for_in_any_mode() {
    let space = EmbeddingSpace {
        id: "ours".to_owned(),
        dimensions: 2,
        max_tokens: 1_000,
        kind: SpaceKind::Lexical,
    };
    let engine = HybridSearchEngine::new(
        "documentation",
        EmbeddingService::new(Handle::new(Plenty), space, BatchLimits::default()),
        Handle::new(Plenty),
        Handle::new(Plenty),
        Bm25::default(),
        Fusion::Dbsf,
    );
    for mode in [Mode::Hybrid, Mode::Dense, Mode::Sparse] {
        let request = SearchRequest::new("x").with_mode(mode).with_limit(5);
        let hits = engine.ids(&request).await.unwrap();
        assert_eq!(hits.len(), 5, "{mode}");
    }
}
