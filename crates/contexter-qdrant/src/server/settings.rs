//! How the points of a collection are stored and indexed, in the engine's terms.
//!
//! Unlike what its vectors are, all of it may be changed. The engine has no settings for the place of
//! the ids, the interval of flushes and the threshold from which segments are mapped, which is
//! deprecated; its log is not replayed, whatever the sizes of its files.
#![expect(
    deprecated,
    reason = "clients before 1.19 say by flags what is on the disk"
)]

use std::num::NonZero;
use std::thread::available_parallelism;

use qdrant_client::qdrant::max_optimization_threads::Variant;
use qdrant_client::qdrant::{
    self, CreateCollection, HnswConfigDiff, OptimizersConfigDiff, VectorParams,
};
use qdrant_edge::{
    EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeVectorParams, HnswIndexConfig,
    QuantizationConfig,
};
use tonic::Status;

use super::merging::merged;
use super::placement::{not_pinned, on_disk};
use super::queries::size;
use super::{quantization, schema, valid};

/// The most links that a point has in a graph: the engine makes room for as many.
const MAX_LINKS: u64 = 4_096;

/// Returns the settings of a shard as they are to be, if those that it has are others.
pub(super) fn changed(
    request: &CreateCollection,
    shard: &EdgeShard,
) -> Result<Option<EdgeConfig>, Status> {
    let before = shard.config().clone();
    let mut config = before.clone();
    apply(request, &mut config)?;
    Ok((config != before).then_some(config))
}

/// Puts the settings of a collection into the engine's.
pub(super) fn apply(request: &CreateCollection, config: &mut EdgeConfig) -> Result<(), Status> {
    valid::at_least("replication_factor", request.replication_factor, 1)?;
    let consistency = request.write_consistency_factor;
    valid::at_least("write_consistency_factor", consistency, 1)?;
    let graph = request.hnsw_config.unwrap_or_default();
    config.hnsw_config = hnsw(&graph)?;
    config.quantization_config = quantized(request.quantization_config.as_ref())?;
    config.optimizers = optimizers(&request.optimizers_config.unwrap_or_default())?;
    let payload = request.payload.and_then(|payload| payload.memory);
    config.on_disk_payload =
        not_pinned("payload storage", payload, request.on_disk_payload)?.unwrap_or(true);
    for (name, params) in schema::all_dense(request) {
        if let Some(there) = config.vectors.get_mut(name) {
            dense(params, graph, there)?;
        }
    }
    for (name, params) in schema::all_sparse(request) {
        if let Some(there) = config.sparse_vectors.get_mut(name) {
            let modifier = there.modifier;
            *there = schema::sparse(params)?;
            there.modifier = modifier;
        }
    }
    Ok(())
}

fn dense(
    params: &VectorParams,
    graph: HnswConfigDiff,
    there: &mut EdgeVectorParams,
) -> Result<(), Status> {
    there.on_disk = not_pinned("dense vector storage", params.memory, params.on_disk)?;
    there.quantization_config = quantized(params.quantization_config.as_ref())?;
    there.hnsw_config = match &params.hnsw_config {
        Some(own) => Some(hnsw(&merged(graph, own)?)?),
        None => None,
    };
    Ok(())
}

/// Whether the indexes of a collection may be built.
pub(super) fn may_optimize(request: &CreateCollection) -> bool {
    let Some(asked) = &request.optimizers_config else {
        return true;
    };
    let threads = asked
        .max_optimization_threads
        .and_then(|threads| threads.variant);
    asked.deprecated_max_optimization_threads != Some(0) && threads != Some(Variant::Value(0))
}

fn quantized(
    config: Option<&qdrant::QuantizationConfig>,
) -> Result<Option<QuantizationConfig>, Status> {
    config.map(quantization::engine).transpose()
}

fn hnsw(asked: &HnswConfigDiff) -> Result<HnswIndexConfig, Status> {
    valid::within("hnsw_config.m", asked.m, &(0..=MAX_LINKS))?;
    valid::within("hnsw_config.payload_m", asked.payload_m, &(0..=MAX_LINKS))?;
    valid::at_least("hnsw_config.ef_construct", asked.ef_construct, 4)?;
    let default = HnswIndexConfig::default();
    let scanned = asked.full_scan_threshold;
    let processors = available_parallelism().map_or(1, NonZero::get);
    Ok(HnswIndexConfig {
        m: asked.m.map_or(default.m, count),
        ef_construct: asked.ef_construct.map_or(default.ef_construct, size),
        full_scan_threshold: scanned.map_or(default.full_scan_threshold, count),
        // None is as many as the engine thinks right.
        max_indexing_threads: asked
            .max_indexing_threads
            .map_or(default.max_indexing_threads, count)
            .min(processors),
        on_disk: on_disk(asked.memory, asked.on_disk)?.or(default.on_disk),
        payload_m: asked.payload_m.map(count),
        inline_storage: asked.inline_storage,
    })
}

fn optimizers(asked: &OptimizersConfigDiff) -> Result<EdgeOptimizersConfig, Status> {
    let (deleted, vacuumed) = (asked.deleted_threshold, asked.vacuum_min_vector_number);
    valid::within("optimizers_config.deleted_threshold", deleted, &(0.0..=1.0))?;
    valid::at_least("optimizers_config.vacuum_min_vector_number", vacuumed, 100)?;
    let largest = asked.max_segment_size;
    valid::at_least("optimizers_config.max_segment_size", largest, 1)?;
    Ok(EdgeOptimizersConfig {
        deleted_threshold: deleted,
        vacuum_min_vector_number: vacuumed.map(count),
        default_segment_number: asked.default_segment_number.map(count),
        max_segment_size: largest.map(count),
        indexing_threshold: asked.indexing_threshold.map(count),
        prevent_unoptimized: asked.prevent_unoptimized,
    })
}

/// Takes a number of the protocol as one of this machine.
pub(super) fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
