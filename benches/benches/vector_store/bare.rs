//! The other side: what one writes who has only the engine.

use std::collections::HashMap;
use std::path::Path;

use contexter_benches::points::{DIMENSIONS, Question, batches};
use contexter_model::{Point, PointId, SparseVector};
use contexter_rag::Bm25;
use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams,
    FieldIndexOperations, Fusion, Modifier, NamedQuery, PayloadFieldSchema, PayloadSchemaType,
    PointInsertOperations, PointOperations, PointStructPersisted, Prefetch, QueryEnum,
    QueryRequest, ScoringQuery, UpdateOperation, VectorInternal, VectorPersisted,
    VectorStructPersisted, WithPayloadInterface, WithVector,
};

use crate::footprint::Times;
use crate::{BATCH, FLUSH_EVERY, LEG_LIMIT, LIMIT, Outcome, now};

const DENSE: &str = "dense";
const SPARSE: &str = "bm25";

/// Stores and indexes the first `size` points of a file.
pub(crate) fn build(folder: &Path, points: &Path, size: usize) -> Outcome<(EdgeShard, Times)> {
    let dense = EdgeVectorParams::builder(DIMENSIONS, qdrant_edge::Distance::Cosine).build();
    let sparse = EdgeSparseVectorParams::builder()
        .modifier(Modifier::Idf)
        .build();
    let config = EdgeConfig::builder()
        .vector(DENSE, dense)
        .sparse_vector(SPARSE, sparse)
        .build();
    let shard = EdgeShard::new(folder, config)?;
    shard.update(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: "library".parse().map_err(|()| "no path")?,
            field_schema: Some(PayloadFieldSchema::FieldType(PayloadSchemaType::Keyword)),
        }),
    ))?;
    let mut times = Times::default();
    let mut stored = 0;
    for batch in batches(points, size, BATCH)? {
        let points = batch?;
        stored += points.len();
        let started = now();
        let points = points.into_iter().map(engine_point).collect();
        shard.update(UpdateOperation::PointOperation(
            PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)),
        ))?;
        if stored.is_multiple_of(FLUSH_EVERY) {
            shard.flush();
        }
        times.upsert += started.elapsed();
    }
    let started = now();
    shard.optimize()?;
    shard.flush();
    times.optimize = started.elapsed();
    Ok((shard, times))
}

/// Opens what [`build`] left.
pub(crate) fn open(folder: &Path) -> Outcome<EdgeShard> {
    Ok(EdgeShard::load(folder, None)?)
}

fn engine_point(point: Point) -> PointStructPersisted {
    let mut vectors = HashMap::new();
    if let Some(dense) = point.dense {
        vectors.insert(DENSE.to_owned(), VectorPersisted::Dense(dense));
    }
    if let Some(sparse) = point.sparse {
        let sparse = VectorPersisted::Sparse(engine_sparse(sparse));
        vectors.insert(SPARSE.to_owned(), sparse);
    }
    PointStructPersisted {
        id: qdrant_edge::PointId::Uuid(point.id),
        vector: VectorStructPersisted::Named(vectors),
        payload: Some(qdrant_edge::Payload(point.payload)),
    }
}

fn engine_sparse(vector: SparseVector) -> qdrant_edge::SparseVector {
    let (indices, values) = vector.into_parts();
    qdrant_edge::SparseVector { indices, values }
}

/// Makes the hybrid query of a question, ready to be run.
pub(crate) fn query(question: &Question) -> QueryRequest {
    let leg = |query: VectorInternal, using: &str| Prefetch {
        prefetches: Vec::new(),
        query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
            query,
            using: Some(using.to_owned()),
        }))),
        limit: LEG_LIMIT,
        params: None,
        filter: None,
        score_threshold: None,
    };
    let sparse = engine_sparse(Bm25::default().query(&question.text));
    QueryRequest {
        prefetches: vec![
            leg(VectorInternal::Dense(question.dense.clone()), DENSE),
            leg(VectorInternal::Sparse(sparse), SPARSE),
        ],
        query: Some(ScoringQuery::Fusion(Fusion::Dbsf)),
        filter: None,
        score_threshold: None,
        limit: LIMIT,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: WithPayloadInterface::Bool(true),
    }
}

/// Runs a hybrid query.
pub(crate) fn search(shard: &EdgeShard, query: QueryRequest) -> Outcome<Vec<PointId>> {
    let found = shard.query(query)?.into_iter();
    let ids = found.filter_map(|point| match point.id {
        qdrant_edge::PointId::Uuid(id) => Some(id),
        qdrant_edge::PointId::NumId(_) => None,
    });
    Ok(ids.collect())
}
