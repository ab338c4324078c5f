//! Changes that are refused, and what stays as it was.

use std::collections::HashMap;

use qdrant_client::QdrantError;
use qdrant_client::qdrant::vectors_config_diff::Config as ConfigDiff;
use qdrant_client::qdrant::{
    CollectionParamsDiff, HnswConfigDiff, Memory, Modifier, SparseVectorConfig, SparseVectorParams,
    StrictModeConfig, UpdateCollection, Value, VectorParamsDiff, VectorParamsDiffMap,
    VectorsConfigDiff,
};
use serde_json::json;
use tonic::Code;

use super::{create, info, update};
use crate::remote::served::Served;

#[track_caller]
fn refused(answer: Result<(), QdrantError>, code: Code, what: &str) {
    let Err(QdrantError::ResponseError { status }) = answer else {
        unreachable!("the server does not refuse this: {what}");
    };
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(what), "{status}");
}

fn of_vector(name: &str, change: VectorParamsDiff) -> UpdateCollection {
    UpdateCollection {
        vectors_config: Some(VectorsConfigDiff {
            config: Some(ConfigDiff::ParamsMap(VectorParamsDiffMap {
                map: HashMap::from([(name.to_owned(), change)]),
            })),
        }),
        ..UpdateCollection::default()
    }
}

fn of_words(modifier: Modifier) -> UpdateCollection {
    let words = SparseVectorParams {
        index: None,
        modifier: Some(modifier.into()),
    };
    UpdateCollection {
        sparse_vectors_config: Some(SparseVectorConfig {
            map: HashMap::from([("words".to_owned(), words)]),
        }),
        ..UpdateCollection::default()
    }
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_and_then_nothing_is() {
    let served = Served::start().await;
    let client = served.client();
    create(&client).await;
    let pinned = VectorParamsDiff {
        memory: Some(Memory::Pinned.into()),
        ..VectorParamsDiff::default()
    };
    let hnsw = |hnsw_config| UpdateCollection {
        hnsw_config: Some(hnsw_config),
        ..UpdateCollection::default()
    };
    let fan_out = CollectionParamsDiff {
        read_fan_out_factor: Some(2),
        ..CollectionParamsDiff::default()
    };
    for (change, code, what) in [
        (
            of_vector("height", VectorParamsDiff::default()),
            Code::InvalidArgument,
            "Not existing vector name error: height",
        ),
        (
            of_vector("dense", pinned),
            Code::InvalidArgument,
            "`pinned` memory placement is not supported for dense vector storage",
        ),
        (
            of_words(Modifier::None),
            Code::Unimplemented,
            "another modifier of a sparse vector that is there: not offered",
        ),
        (
            hnsw(HnswConfigDiff {
                ef_construct: Some(3),
                ..HnswConfigDiff::default()
            }),
            Code::InvalidArgument,
            "hnsw_config.ef_construct: value 3 invalid, must be 4 or larger",
        ),
        (
            UpdateCollection {
                params: Some(fan_out),
                ..UpdateCollection::default()
            },
            Code::Unimplemented,
            "reading from several replicas: not offered",
        ),
    ] {
        let m = change.hnsw_config.unwrap_or_default();
        let change = UpdateCollection {
            hnsw_config: Some(HnswConfigDiff { m: Some(9), ..m }),
            ..change
        };
        refused(update(&client, change).await, code, what);
        let config = info(&client).await.config.unwrap();
        assert_eq!(config.hnsw_config.unwrap().m, Some(8), "{what}");
    }
    update(&client, of_words(Modifier::Idf)).await.unwrap();
}

#[tokio::test]
async fn limits_and_metadata_that_are_not_mentioned_stay() {
    let served = Served::start().await;
    let client = served.client();
    create(&client).await;
    let limits = |strict| UpdateCollection {
        strict_mode_config: Some(strict),
        ..UpdateCollection::default()
    };
    let first = StrictModeConfig {
        enabled: Some(true),
        max_query_limit: Some(5),
        ..StrictModeConfig::default()
    };
    let second = StrictModeConfig {
        max_timeout: Some(9),
        ..StrictModeConfig::default()
    };
    update(&client, limits(first)).await.unwrap();
    update(&client, limits(second)).await.unwrap();
    let metadata = |pairs: &[(&str, serde_json::Value)]| {
        let pairs = pairs.iter().cloned();
        UpdateCollection {
            metadata: pairs
                .map(|(key, value)| (key.to_owned(), Value::from(value)))
                .collect(),
            ..UpdateCollection::default()
        }
    };
    let both = metadata(&[("owner", json!("them")), ("made", json!(2026))]);
    update(&client, both).await.unwrap();
    let without = metadata(&[("owner", json!(null))]);
    update(&client, without).await.unwrap();

    let config = info(&client).await.config.unwrap();
    let strict = config.strict_mode_config.unwrap();
    assert_eq!(strict.enabled, Some(true));
    assert_eq!(strict.max_query_limit, Some(5));
    assert_eq!(strict.max_timeout, Some(9));
    let keys: Vec<_> = config.metadata.into_keys().collect();
    assert_eq!(keys, ["made"], "null takes out what is there");
}
