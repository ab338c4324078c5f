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

fn config(request: CreateCollection) -> CollectionConfig {
    CollectionConfig {
        params: Some(CollectionParams {
            shard_number: 1,
            vectors_config: request.vectors_config,
            sparse_vectors_config: request.sparse_vectors_config,
            replication_factor: Some(1),
            write_consistency_factor: Some(1),
            ..CollectionParams::default()
        }),
        hnsw_config: Some(request.hnsw_config.unwrap_or(HnswConfigDiff {
            m: Some(16),
            ef_construct: Some(100),
            full_scan_threshold: Some(10_000),
            ..HnswConfigDiff::default()
        })),
        optimizer_config: Some(request.optimizers_config.unwrap_or(OptimizersConfigDiff {
            deleted_threshold: Some(0.2),
            vacuum_min_vector_number: Some(1_000),
            default_segment_number: Some(0),
            flush_interval_sec: Some(5),
            ..OptimizersConfigDiff::default()
        })),
        wal_config: Some(request.wal_config.unwrap_or(WalConfigDiff {
            wal_capacity_mb: Some(32),
            wal_segments_ahead: Some(0),
            ..WalConfigDiff::default()
        })),
        quantization_config: request.quantization_config,
        strict_mode_config: request.strict_mode_config,
        metadata: request.metadata,
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
