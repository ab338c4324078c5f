//! What the server says of a collection.

use qdrant_client::qdrant::{
    CollectionConfig, CollectionInfo, CollectionParams, CollectionStatus, CreateCollection,
    HnswConfigDiff, OptimizerStatus, OptimizersConfigDiff, PayloadSchemaInfo, PayloadSchemaType,
    WalConfigDiff,
};
use qdrant_edge::{EdgeShard, ShardInfo};

/// Describes a collection.
pub(super) fn collection(request: CreateCollection, shard: &EdgeShard) -> CollectionInfo {
    let ShardInfo {
        segments_count,
        points_count,
        indexed_vectors_count,
        payload_schema,
    } = shard.info();
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    CollectionInfo {
        status: CollectionStatus::Green.into(),
        optimizer_status: Some(OptimizerStatus {
            ok: true,
            error: String::new(),
        }),
        segments_count: size(segments_count),
        points_count: Some(size(points_count)),
        indexed_vectors_count: Some(size(indexed_vectors_count)),
        payload_schema: payload_schema
            .into_iter()
            .map(|(field, index)| {
                let info = PayloadSchemaInfo {
                    data_type: schema_type(index.data_type).into(),
                    params: None,
                    points: Some(size(index.points)),
                };
                (field.to_string(), info)
            })
            .collect(),
        config: Some(config(request)),
        ..CollectionInfo::default()
    }
}

#[expect(
    deprecated,
    reason = "clients before 1.19 read from this flag what is on the disk"
)]
fn config(request: CreateCollection) -> CollectionConfig {
    CollectionConfig {
        params: Some(CollectionParams {
            shard_number: 1,
            on_disk_payload: request.on_disk_payload.unwrap_or(true),
            vectors_config: request.vectors_config,
            sparse_vectors_config: request.sparse_vectors_config,
            replication_factor: request.replication_factor.or(Some(1)),
            write_consistency_factor: request.write_consistency_factor.or(Some(1)),
            payload: request.payload,
            id_tracker: request.id_tracker,
            ..CollectionParams::default()
        }),
        hnsw_config: Some(hnsw(request.hnsw_config.unwrap_or_default())),
        optimizer_config: Some(optimizers(request.optimizers_config.unwrap_or_default())),
        wal_config: Some(wal(request.wal_config.unwrap_or_default())),
        quantization_config: request.quantization_config,
        strict_mode_config: request.strict_mode_config,
        metadata: request.metadata,
    }
}

/// Fills in what was left to the server: it tells every setting, and clients require some.
fn hnsw(asked: HnswConfigDiff) -> HnswConfigDiff {
    HnswConfigDiff {
        m: asked.m.or(Some(16)),
        ef_construct: asked.ef_construct.or(Some(100)),
        full_scan_threshold: asked.full_scan_threshold.or(Some(10_000)),
        max_indexing_threads: asked.max_indexing_threads.or(Some(0)),
        ..asked
    }
}

fn optimizers(asked: OptimizersConfigDiff) -> OptimizersConfigDiff {
    OptimizersConfigDiff {
        deleted_threshold: asked.deleted_threshold.or(Some(0.2)),
        vacuum_min_vector_number: asked.vacuum_min_vector_number.or(Some(1_000)),
        default_segment_number: asked.default_segment_number.or(Some(0)),
        flush_interval_sec: asked.flush_interval_sec.or(Some(5)),
        ..asked
    }
}

fn wal(asked: WalConfigDiff) -> WalConfigDiff {
    WalConfigDiff {
        wal_capacity_mb: asked.wal_capacity_mb.or(Some(32)),
        wal_segments_ahead: asked.wal_segments_ahead.or(Some(0)),
        wal_retain_closed: asked.wal_retain_closed.or(Some(1)),
    }
}

fn schema_type(kind: qdrant_edge::PayloadSchemaType) -> PayloadSchemaType {
    match kind {
        qdrant_edge::PayloadSchemaType::Keyword => PayloadSchemaType::Keyword,
        qdrant_edge::PayloadSchemaType::Integer => PayloadSchemaType::Integer,
        qdrant_edge::PayloadSchemaType::Float => PayloadSchemaType::Float,
        qdrant_edge::PayloadSchemaType::Geo => PayloadSchemaType::Geo,
        qdrant_edge::PayloadSchemaType::Text => PayloadSchemaType::Text,
        qdrant_edge::PayloadSchemaType::Bool => PayloadSchemaType::Bool,
        qdrant_edge::PayloadSchemaType::Datetime => PayloadSchemaType::Datetime,
        qdrant_edge::PayloadSchemaType::Uuid => PayloadSchemaType::Uuid,
    }
}
