//! Changes of a collection's settings, put into what is written down of it.
//!
//! As in the vendor's source (1.19, `lib/collection/src/operations/config_diff.rs`): what a change does
//! not mention stays as it is.
#![expect(
    deprecated,
    reason = "clients before 1.19 say by flags what is on the disk"
)]

use std::collections::HashMap;

use prost::Message;
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::quantization_config_diff::Quantization as QuantizationDiff;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::vectors_config_diff::Config as ConfigDiff;
use qdrant_client::qdrant::{
    CollectionParamsDiff, CreateCollection, OptimizersConfigDiff, QuantizationConfig,
    QuantizationConfigDiff, SparseVectorConfig, SparseVectorParams, StrictModeConfig,
    UpdateCollection, Value, VectorParams, VectorParamsDiff, VectorsConfigDiff,
};
use tonic::Status;

use super::status;

/// Whether a change is about how points are stored and indexed.
pub(super) fn is_tuning(change: &UpdateCollection) -> bool {
    change.optimizers_config.is_some()
        || change.params.is_some()
        || change.hnsw_config.is_some()
        || change.vectors_config.is_some()
        || change.quantization_config.is_some()
        || change.sparse_vectors_config.is_some()
}

/// Puts a change into the description of its collection.
pub(super) fn merge(change: UpdateCollection, there: &mut CreateCollection) -> Result<(), Status> {
    optimizers(change.optimizers_config, there)?;
    put(&mut there.hnsw_config, change.hnsw_config.as_ref())?;
    if let Some(params) = change.params {
        of_collection(&params, there)?;
    }
    if let Some(vectors) = change.vectors_config {
        dense(vectors, there)?;
    }
    quantization(change.quantization_config, &mut there.quantization_config)?;
    if let Some(sparse) = change.sparse_vectors_config {
        self::sparse(&sparse, there)?;
    }
    if let Some(strict) = change.strict_mode_config {
        self::strict(&strict, there)?;
    }
    metadata(change.metadata, &mut there.metadata);
    Ok(())
}

/// Returns `there` with the fields that `change` has.
pub(super) fn merged<M: Message>(mut there: M, change: &M) -> Result<M, Status> {
    there
        .merge(change.encode_to_vec().as_slice())
        .map_err(|error| Status::internal(format!("Service internal error: {error}")))?;
    Ok(there)
}

fn put<M: Message + Default>(there: &mut Option<M>, change: Option<&M>) -> Result<(), Status> {
    if let Some(change) = change {
        *there = Some(merged(there.take().unwrap_or_default(), change)?);
    }
    Ok(())
}

fn optimizers(
    change: Option<OptimizersConfigDiff>,
    there: &mut CreateCollection,
) -> Result<(), Status> {
    let Some(change) = change else {
        return Ok(());
    };
    let mut before = there.optimizers_config.unwrap_or_default();
    // One setting in two fields: the older of them would win whichever was sent last.
    if change.max_optimization_threads.is_some()
        || change.deprecated_max_optimization_threads.is_some()
    {
        before.max_optimization_threads = None;
        before.deprecated_max_optimization_threads = None;
    }
    there.optimizers_config = Some(merged(before, &change)?);
    Ok(())
}

fn of_collection(
    change: &CollectionParamsDiff,
    there: &mut CreateCollection,
) -> Result<(), Status> {
    if change.read_fan_out_factor.is_some() || change.read_fan_out_delay_ms.is_some() {
        return Err(status::not_offered("reading from several replicas"));
    }
    there.replication_factor = change.replication_factor.or(there.replication_factor);
    there.write_consistency_factor = change
        .write_consistency_factor
        .or(there.write_consistency_factor);
    there.on_disk_payload = change.on_disk_payload.or(there.on_disk_payload);
    put(&mut there.payload, change.payload.as_ref())?;
    put(&mut there.id_tracker, change.id_tracker.as_ref())
}

fn dense(change: VectorsConfigDiff, there: &mut CreateCollection) -> Result<(), Status> {
    match change.config {
        None => Ok(()),
        Some(ConfigDiff::Params(params)) => one_dense("", &params, there),
        Some(ConfigDiff::ParamsMap(changes)) => changes
            .map
            .iter()
            .try_for_each(|(name, params)| one_dense(name, params, there)),
    }
}

fn one_dense(
    name: &str,
    change: &VectorParamsDiff,
    there: &mut CreateCollection,
) -> Result<(), Status> {
    let there = dense_of(name, there).ok_or_else(|| unknown(name))?;
    put(&mut there.hnsw_config, change.hnsw_config.as_ref())?;
    quantization(change.quantization_config, &mut there.quantization_config)?;
    there.on_disk = change.on_disk.or(there.on_disk);
    there.memory = change.memory.or(there.memory);
    Ok(())
}

fn dense_of<'a>(name: &str, there: &'a mut CreateCollection) -> Option<&'a mut VectorParams> {
    match there.vectors_config.as_mut()?.config.as_mut()? {
        Config::Params(params) => name.is_empty().then_some(params),
        Config::ParamsMap(dense) => dense.map.get_mut(name),
    }
}

fn sparse(change: &SparseVectorConfig, there: &mut CreateCollection) -> Result<(), Status> {
    for (name, change) in &change.map {
        let there = sparse_of(name, there).ok_or_else(|| unknown(name))?;
        if change.modifier.is_some() && change.modifier() != there.modifier() {
            let what = "another modifier of a sparse vector that is there";
            return Err(status::not_offered(what));
        }
        put(&mut there.index, change.index.as_ref())?;
    }
    Ok(())
}

fn sparse_of<'a>(
    name: &str,
    there: &'a mut CreateCollection,
) -> Option<&'a mut SparseVectorParams> {
    there.sparse_vectors_config.as_mut()?.map.get_mut(name)
}

fn unknown(name: &str) -> Status {
    status::wrong(format_args!("Not existing vector name error: {name}"))
}

fn quantization(
    change: Option<QuantizationConfigDiff>,
    there: &mut Option<QuantizationConfig>,
) -> Result<(), Status> {
    let Some(change) = change else {
        return Ok(());
    };
    let change = change
        .quantization
        .ok_or_else(|| Status::invalid_argument("Quantization type is not specified"))?;
    let quantization = match change {
        QuantizationDiff::Scalar(scalar) => Some(Quantization::Scalar(scalar)),
        QuantizationDiff::Product(product) => Some(Quantization::Product(product)),
        QuantizationDiff::Binary(binary) => Some(Quantization::Binary(binary)),
        QuantizationDiff::Turboquant(turbo) => Some(Quantization::Turboquant(turbo)),
        QuantizationDiff::Disabled(_) => None,
    };
    *there = quantization.map(|quantization| QuantizationConfig {
        quantization: Some(quantization),
    });
    Ok(())
}

fn strict(change: &StrictModeConfig, there: &mut CreateCollection) -> Result<(), Status> {
    let mut before = there.strict_mode_config.take().unwrap_or_default();
    // Limits of single vectors are given all at once.
    if change.multivector_config.is_some() {
        before.multivector_config = None;
    }
    if change.sparse_config.is_some() {
        before.sparse_config = None;
    }
    there.strict_mode_config = Some(merged(before, change)?);
    Ok(())
}

/// A value that is null takes out what is there.
fn metadata(change: HashMap<String, Value>, there: &mut HashMap<String, Value>) {
    for (key, value) in change {
        match value.kind {
            None | Some(Kind::NullValue(_)) => drop(there.remove(&key)),
            Some(_) => drop(there.insert(key, value)),
        }
    }
}
