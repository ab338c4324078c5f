//! Settings of a collection that are changed after it was created, through the vendor's own client.

mod changed;
mod refused;

use std::collections::HashMap;

use qdrant_client::qdrant::{
    CollectionInfo, CreateCollectionBuilder, Distance, HnswConfigDiff, Modifier,
    OptimizersConfigDiff, PointStruct, SparseVectorParamsBuilder, SparseVectorsConfigBuilder,
    UpdateCollection, UpsertPointsBuilder, VectorParamsBuilder, VectorsConfigBuilder,
};
use qdrant_client::{Payload, Qdrant, QdrantError};

const PLACES: &str = "places";

/// A collection with a dense and a sparse vector, and some settings of its own.
async fn create(client: &Qdrant) {
    let mut dense = VectorsConfigBuilder::default();
    dense.add_named_vector_params("dense", VectorParamsBuilder::new(4, Distance::Euclid));
    let mut sparse = SparseVectorsConfigBuilder::default();
    let words = SparseVectorParamsBuilder::default().modifier(Modifier::Idf);
    sparse.add_named_vector_params("words", words);
    let request = CreateCollectionBuilder::new(PLACES)
        .vectors_config(dense)
        .sparse_vectors_config(sparse)
        .hnsw_config(HnswConfigDiff {
            m: Some(8),
            ..HnswConfigDiff::default()
        })
        .optimizers_config(OptimizersConfigDiff {
            deleted_threshold: Some(0.5),
            ..OptimizersConfigDiff::default()
        });
    client.create_collection(request).await.unwrap();
}

/// As many points on a line, one apart.
async fn upsert(client: &Qdrant, count: u16) {
    let points = (0..count).map(|number| {
        let vector = vec![f32::from(number), 0.0, 0.0, 0.0];
        let vectors = HashMap::from([("dense".to_owned(), vector)]);
        PointStruct::new(u64::from(number), vectors, Payload::new())
    });
    let upsert = UpsertPointsBuilder::new(PLACES, points.collect::<Vec<_>>()).wait(true);
    client.upsert_points(upsert).await.unwrap();
}

async fn update(client: &Qdrant, change: UpdateCollection) -> Result<(), QdrantError> {
    let change = UpdateCollection {
        collection_name: PLACES.to_owned(),
        ..change
    };
    let answer = client.update_collection(change).await?;
    assert!(answer.result);
    Ok(())
}

async fn info(client: &Qdrant) -> CollectionInfo {
    let info = client.collection_info(PLACES).await.unwrap();
    info.result.unwrap()
}
