//! What the vectors of a collection are, in the engine's terms.

use std::collections::HashMap;

use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    self, CreateCollection, Datatype, ShardingMethod, SparseVectorParams, VectorParams,
};
use qdrant_edge::{
    EdgeConfig, EdgeSparseVectorParams, EdgeVectorParams, Modifier, MultiVectorComparator,
    MultiVectorConfig, VectorStorageDatatype,
};
use tonic::Status;

use super::placement::on_disk;
use super::{settings, status, valid};

/// The most dimensions a vector has, as in the server (1.19, `lib/collection`).
const MAX_DIMENSIONS: u64 = 65_536;

/// Translates a new collection.
pub(super) fn config(request: &CreateCollection) -> Result<EdgeConfig, Status> {
    if request.sharding_method() == ShardingMethod::Custom {
        return Err(status::not_offered("custom sharding"));
    }
    valid::at_least("shard_number", request.shard_number, 1)?;
    let mut vectors = HashMap::new();
    for (name, params) in all_dense(request) {
        vectors.insert(name.to_owned(), dense(params)?);
    }
    let mut sparse_vectors = HashMap::new();
    for (name, params) in all_sparse(request) {
        if vectors.contains_key(name) {
            return Err(status::wrong(format_args!(
                "Dense and sparse vectors cannot share the name {name}"
            )));
        }
        sparse_vectors.insert(name.to_owned(), sparse(params)?);
    }
    let mut config = EdgeConfig::builder()
        .vectors(vectors)
        .sparse_vectors(sparse_vectors)
        .build();
    settings::apply(request, &mut config)?;
    Ok(config)
}

/// Returns the dense vectors of a collection by name.
pub(super) fn all_dense(request: &CreateCollection) -> Vec<(&str, &VectorParams)> {
    let config = request.vectors_config.as_ref();
    match config.and_then(|vectors| vectors.config.as_ref()) {
        Some(Config::Params(params)) => vec![("", params)],
        Some(Config::ParamsMap(dense)) => {
            let dense = dense.map.iter();
            dense
                .map(|(name, params)| (name.as_str(), params))
                .collect()
        }
        None => Vec::new(),
    }
}

/// Returns the sparse vectors of a collection by name.
pub(super) fn all_sparse(request: &CreateCollection) -> Vec<(&str, &SparseVectorParams)> {
    let sparse = request.sparse_vectors_config.iter();
    sparse
        .flat_map(|sparse| &sparse.map)
        .map(|(name, params)| (name.as_str(), params))
        .collect()
}

/// Translates what a dense vector is.
pub(super) fn dense(params: &VectorParams) -> Result<EdgeVectorParams, Status> {
    let size = usize::try_from(params.size)
        .ok()
        .filter(|_| (1..=MAX_DIMENSIONS).contains(&params.size))
        .ok_or_else(|| {
            Status::invalid_argument(format!(
                "Validation error in body: [vectors_config.size: value {} invalid, must be from 1 \
                 to {MAX_DIMENSIONS}]",
                params.size,
            ))
        })?;
    let distance = match params.distance() {
        qdrant::Distance::Cosine => qdrant_edge::Distance::Cosine,
        qdrant::Distance::Euclid => qdrant_edge::Distance::Euclid,
        qdrant::Distance::Dot => qdrant_edge::Distance::Dot,
        qdrant::Distance::Manhattan => qdrant_edge::Distance::Manhattan,
        qdrant::Distance::UnknownDistance => {
            return Err(Status::invalid_argument(
                "Malformed distance parameter: UnknownDistance",
            ));
        }
    };
    let mut params_of_engine = EdgeVectorParams::builder(size, distance).build();
    params_of_engine.multivector_config = params.multivector_config.map(|_| MultiVectorConfig {
        comparator: MultiVectorComparator::MaxSim,
    });
    params_of_engine.datatype = datatype(params.datatype)?;
    Ok(params_of_engine)
}

/// Translates a sparse vector.
#[expect(
    deprecated,
    reason = "clients before 1.19 say by this flag what is on the disk"
)]
pub(super) fn sparse(params: &SparseVectorParams) -> Result<EdgeSparseVectorParams, Status> {
    let index = params.index.unwrap_or_default();
    Ok(EdgeSparseVectorParams {
        full_scan_threshold: index.full_scan_threshold.map(settings::count),
        on_disk: on_disk(index.memory, index.on_disk)?,
        modifier: match params.modifier() {
            qdrant::Modifier::Idf => Some(Modifier::Idf),
            qdrant::Modifier::None => None,
        },
        datatype: datatype(index.datatype)?,
    })
}

/// Translates how the numbers of a vector are stored.
fn datatype(datatype: Option<i32>) -> Result<Option<VectorStorageDatatype>, Status> {
    let Some(datatype) = datatype else {
        return Ok(None);
    };
    match Datatype::try_from(datatype) {
        Ok(Datatype::Default) => Ok(None),
        Ok(Datatype::Float32) => Ok(Some(VectorStorageDatatype::Float32)),
        Ok(Datatype::Float16) => Ok(Some(VectorStorageDatatype::Float16)),
        Ok(Datatype::Uint8) => Ok(Some(VectorStorageDatatype::Uint8)),
        // The engine knows the first of them by name, and panics.
        Ok(Datatype::Turbo4 | Datatype::Turbo8 | Datatype::Turbo16) => {
            Err(status::not_offered("the datatypes of TurboQuant"))
        }
        Err(_unknown) => Err(Status::invalid_argument(format!(
            "Cannot convert datatype: {datatype}"
        ))),
    }
}
