//! The vectors that the points of a collection may have, changed after it was created.
//!
//! As in the vendor's source (1.19, `lib/collection/src/collection/vector_name_schema.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use qdrant_client::qdrant::create_vector_name_request::VectorConfig;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CreateCollection, DenseVectorCreationConfig, SparseIndexConfig, SparseVectorConfig,
    SparseVectorCreationConfig, SparseVectorParams, VectorParams, VectorParamsMap, VectorsConfig,
};
use qdrant_edge::{
    CreateVectorName, DeleteVectorName, DenseVectorConfig, UpdateOperation, VectorNameConfig,
    VectorNameOperations,
};
use tonic::Status;

use super::catalog::{Catalog, FORBIDDEN};
use super::collection::{Change, Wait, blocking};
use super::{schema, status};

/// The longest name, in bytes (`lib/common/common/src/validation.rs`).
const MAX_NAME: usize = 200;

/// Lets points have another vector; those that are there have none.
///
/// The operation is carried out before the answer, also for a caller who does not wait: points that are
/// sent next may have the vector.
pub(super) async fn create(
    catalog: &Arc<Catalog>,
    collection: String,
    wait: Wait,
    name: String,
    config: Option<VectorConfig>,
) -> Result<Change, Status> {
    check(&name)?;
    let config = config.ok_or_else(|| {
        Status::invalid_argument("vector_config is required (dense_config or sparse_config)")
    })?;
    let operation = VectorNameOperations::CreateVectorName(CreateVectorName {
        vector_name: name.clone(),
        config: engine(config)?,
    });
    change(
        catalog,
        collection,
        wait,
        operation,
        move |request| match config {
            VectorConfig::DenseConfig(dense) => add_dense(request, name, &params(dense)),
            VectorConfig::SparseConfig(sparse) => add_sparse(request, name, &sparse_params(sparse)),
        },
    )
    .await
}

/// Takes a vector from all points; that there is none is no error.
pub(super) async fn delete(
    catalog: &Arc<Catalog>,
    collection: String,
    wait: Wait,
    name: String,
) -> Result<Change, Status> {
    let operation = VectorNameOperations::DeleteVectorName(DeleteVectorName {
        vector_name: name.clone(),
    });
    change(catalog, collection, wait, operation, move |request| {
        match config_of(request) {
            Some(Config::Params(_)) if name.is_empty() => request.vectors_config = None,
            Some(Config::ParamsMap(dense)) => drop(dense.map.remove(&name)),
            _ => {}
        }
        if let Some(sparse) = &mut request.sparse_vectors_config {
            sparse.map.remove(&name);
        }
        Ok(())
    })
    .await
}

async fn change(
    catalog: &Arc<Catalog>,
    collection: String,
    wait: Wait,
    operation: VectorNameOperations,
    describe: impl FnOnce(&mut CreateCollection) -> Result<(), Status> + Send + 'static,
) -> Result<Change, Status> {
    let there = Arc::clone(catalog);
    let update = move || there.update(&collection, |_, request| describe(request));
    let collection = blocking(update).await?;
    let operation = UpdateOperation::VectorNameOperation(operation);
    collection
        .change(wait.to_the_end(), |_| Ok(operation))
        .await
}

fn check(name: &str) -> Result<(), Status> {
    let wrong = if name.len() > MAX_NAME {
        format!("vector name must be at most {MAX_NAME} bytes long")
    } else if let Some(letter) = name.chars().find(|letter| FORBIDDEN.contains(letter)) {
        format!("vector name cannot contain \"{letter}\" char")
    } else {
        return Ok(());
    };
    Err(status::wrong(format_args!(
        "Invalid vector name `{name}`: {wrong}"
    )))
}

fn engine(config: VectorConfig) -> Result<VectorNameConfig, Status> {
    Ok(match config {
        VectorConfig::DenseConfig(config) => {
            let dense = schema::dense(&params(config))?;
            VectorNameConfig::dense(DenseVectorConfig {
                size: dense.size,
                distance: dense.distance,
                multivector_config: dense.multivector_config,
                datatype: dense.datatype,
            })
        }
        VectorConfig::SparseConfig(config) => {
            let sparse = schema::sparse(&sparse_params(config))?;
            VectorNameConfig::sparse(qdrant_edge::SparseVectorConfig {
                modifier: sparse.modifier,
                datatype: sparse.datatype,
            })
        }
    })
}

fn params(config: DenseVectorCreationConfig) -> VectorParams {
    VectorParams {
        size: config.size,
        distance: config.distance,
        multivector_config: config.multivector_config,
        datatype: config.datatype,
        ..VectorParams::default()
    }
}

fn sparse_params(config: SparseVectorCreationConfig) -> SparseVectorParams {
    SparseVectorParams {
        modifier: config.modifier,
        index: config.datatype.map(|datatype| SparseIndexConfig {
            datatype: Some(datatype),
            ..SparseIndexConfig::default()
        }),
    }
}

fn config_of(request: &mut CreateCollection) -> Option<&mut Config> {
    request.vectors_config.as_mut()?.config.as_mut()
}

fn dense_of<'a>(request: &'a mut CreateCollection, name: &str) -> Option<&'a VectorParams> {
    match config_of(request)? {
        Config::Params(params) => name.is_empty().then_some(params),
        Config::ParamsMap(dense) => dense.map.get(name),
    }
}

fn sparse_of<'a>(request: &'a CreateCollection, name: &str) -> Option<&'a SparseVectorParams> {
    request.sparse_vectors_config.as_ref()?.map.get(name)
}

fn add_dense(
    request: &mut CreateCollection,
    name: String,
    new: &VectorParams,
) -> Result<(), Status> {
    let kept = |params: &VectorParams| {
        let VectorParams {
            size,
            distance,
            multivector_config,
            datatype,
            ..
        } = *params;
        (size, distance, multivector_config, datatype)
    };
    match dense_of(request, &name).map(kept) {
        Some(there) if there == kept(new) => return Ok(()),
        Some(_) => {
            return Err(status::wrong(format_args!(
                "Vector `{name}` already exists with a different configuration"
            )));
        }
        None => {}
    }
    if sparse_of(request, &name).is_some() {
        return Err(status::wrong(format_args!(
            "Vector `{name}` already exists as a sparse vector"
        )));
    }
    let config = request.vectors_config.take();
    let mut map = match config.and_then(|vectors| vectors.config) {
        Some(Config::ParamsMap(dense)) => dense.map,
        Some(Config::Params(unnamed)) => HashMap::from([(String::new(), unnamed)]),
        None => HashMap::new(),
    };
    map.insert(name, *new);
    request.vectors_config = Some(VectorsConfig {
        config: Some(Config::ParamsMap(VectorParamsMap { map })),
    });
    Ok(())
}

fn add_sparse(
    request: &mut CreateCollection,
    name: String,
    new: &SparseVectorParams,
) -> Result<(), Status> {
    let kept = |params: &SparseVectorParams| {
        (
            params.modifier,
            params.index.and_then(|index| index.datatype),
        )
    };
    match sparse_of(request, &name).map(kept) {
        Some(there) if there == kept(new) => return Ok(()),
        Some(_) => {
            return Err(status::wrong(format_args!(
                "Sparse vector `{name}` already exists with a different configuration"
            )));
        }
        None => {}
    }
    if dense_of(request, &name).is_some() {
        return Err(status::wrong(format_args!(
            "Vector `{name}` already exists as a dense vector"
        )));
    }
    let sparse = request
        .sparse_vectors_config
        .get_or_insert_with(SparseVectorConfig::default);
    sparse.map.insert(name, *new);
    Ok(())
}
