//! What is told of settings that were changed, and what the engine makes of them.

use std::collections::HashMap;
use std::path::Path;

use contexter_qdrant::server::{LocalServer, Options};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::max_optimization_threads::{Setting, Variant};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::quantization_config_diff::Quantization as QuantizationDiff;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::vectors_config_diff::Config as ConfigDiff;
use qdrant_client::qdrant::{
    CollectionInfo, CollectionParamsDiff, Disabled, HnswConfigDiff, MaxOptimizationThreads, Memory,
    Modifier, OptimizersConfigDiff, PayloadStorageParams, QuantizationConfigDiff,
    QuantizationSearchParams, QuantizationType, Query, QueryPointsBuilder, ScalarQuantization,
    SearchParams, SparseIndexConfig, SparseVectorConfig, SparseVectorParams, UpdateCollection,
    VectorParamsDiff, VectorParamsDiffMap, VectorsConfigDiff,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{PLACES, create, info, update, upsert};
use crate::remote::served::{KEY, Served, client};

fn scalar() -> ScalarQuantization {
    ScalarQuantization {
        r#type: QuantizationType::Int8.into(),
        quantile: Some(0.99),
        ..ScalarQuantization::default()
    }
}

fn quantized(quantization: QuantizationDiff) -> UpdateCollection {
    UpdateCollection {
        quantization_config: Some(QuantizationConfigDiff {
            quantization: Some(quantization),
        }),
        ..UpdateCollection::default()
    }
}

/// A change of something in every kind of setting.
fn of_everything() -> UpdateCollection {
    let dense = VectorParamsDiff {
        hnsw_config: Some(HnswConfigDiff {
            m: Some(24),
            ..HnswConfigDiff::default()
        }),
        memory: Some(Memory::Cold.into()),
        ..VectorParamsDiff::default()
    };
    let words = SparseVectorParams {
        index: Some(SparseIndexConfig {
            full_scan_threshold: Some(700),
            ..SparseIndexConfig::default()
        }),
        modifier: None,
    };
    UpdateCollection {
        optimizers_config: Some(OptimizersConfigDiff {
            indexing_threshold: Some(50_000),
            ..OptimizersConfigDiff::default()
        }),
        params: Some(CollectionParamsDiff {
            write_consistency_factor: Some(2),
            payload: Some(PayloadStorageParams {
                memory: Some(Memory::Cached.into()),
            }),
            ..CollectionParamsDiff::default()
        }),
        hnsw_config: Some(HnswConfigDiff {
            ef_construct: Some(64),
            ..HnswConfigDiff::default()
        }),
        vectors_config: Some(VectorsConfigDiff {
            config: Some(ConfigDiff::ParamsMap(VectorParamsDiffMap {
                map: HashMap::from([("dense".to_owned(), dense)]),
            })),
        }),
        sparse_vectors_config: Some(SparseVectorConfig {
            map: HashMap::from([("words".to_owned(), words)]),
        }),
        ..quantized(QuantizationDiff::Scalar(scalar()))
    }
}

/// Asserts that the change is told, and that what was not changed is as it was.
#[track_caller]
fn assert_changed(info: CollectionInfo) {
    let config = info.config.unwrap();
    let hnsw = config.hnsw_config.unwrap();
    assert_eq!((hnsw.m, hnsw.ef_construct), (Some(8), Some(64)));
    let optimizers = config.optimizer_config.unwrap();
    assert_eq!(optimizers.indexing_threshold, Some(50_000));
    assert_eq!(optimizers.deleted_threshold, Some(0.5));
    let Some(Quantization::Scalar(quantization)) = config.quantization_config.unwrap().quantization
    else {
        unreachable!("the quantization is a scalar one");
    };
    assert_eq!(quantization, scalar());
    let params = config.params.unwrap();
    assert_eq!(params.write_consistency_factor, Some(2));
    assert_eq!(params.replication_factor, Some(1));
    let cached = PayloadStorageParams {
        memory: Some(Memory::Cached.into()),
    };
    assert_eq!(params.payload, Some(cached));
    let Some(Config::ParamsMap(dense)) = params.vectors_config.unwrap().config else {
        unreachable!("the dense vector has a name");
    };
    let dense = dense.map.get("dense").unwrap();
    assert_eq!((dense.size, dense.memory()), (4, Memory::Cold));
    assert_eq!(dense.hnsw_config.unwrap().m, Some(24));
    let sparse = params.sparse_vectors_config.unwrap();
    let words = sparse.map.get("words").unwrap();
    assert_eq!(words.modifier(), Modifier::Idf);
    assert_eq!(words.index.unwrap().full_scan_threshold, Some(700));
}

/// Checks what the engine has written down for itself of the only collection in a folder.
fn assert_engine_has_it(folder: &Path) {
    let mut there = std::fs::read_dir(folder.join("collections")).unwrap();
    let collection = there.next().unwrap().unwrap().path();
    let settings = std::fs::read(collection.join("shard/edge_config.json")).unwrap();
    let engine: serde_json::Value = serde_json::from_slice(&settings).unwrap();
    for (place, expected) in [
        ("/hnsw_config/m", json!(8)),
        ("/hnsw_config/ef_construct", json!(64)),
        ("/on_disk_payload", json!(false)),
        ("/vectors/dense/on_disk", json!(true)),
        ("/vectors/dense/hnsw_config/m", json!(24)),
        ("/sparse_vectors/words/full_scan_threshold", json!(700)),
        ("/quantization_config/scalar/type", json!("int8")),
    ] {
        assert_eq!(engine.pointer(place), Some(&expected), "{place}: {engine}");
    }
}

/// Serves the collections in `folder` until the sender goes.
async fn serve(folder: &Path) -> (Qdrant, oneshot::Sender<()>, JoinHandle<()>) {
    let options = Options::default().with_api_key(KEY);
    let server = LocalServer::open(folder, options).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = server.serve(listener, async { drop(stopped.await) });
    let task = tokio::spawn(async move { serving.await.unwrap() });
    (client(&url), stop, task)
}

#[tokio::test]
async fn what_was_changed_is_told_and_survives_an_orderly_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (client, stop, task) = serve(folder.path()).await;
    create(&client).await;
    upsert(&client, 20).await;
    update(&client, of_everything()).await.unwrap();
    assert_changed(info(&client).await);
    assert_eq!(info(&client).await.points_count, Some(20));
    drop((client, stop));
    task.await.unwrap();
    assert_engine_has_it(folder.path());

    let (client, stop, task) = serve(folder.path()).await;
    assert_changed(info(&client).await);
    assert_eq!(info(&client).await.points_count, Some(20));
    drop((client, stop));
    task.await.unwrap();
}

/// Builds a graph of more than a kilobyte of vectors, with no threads or with those that there are.
fn eager(threads: Variant) -> UpdateCollection {
    UpdateCollection {
        optimizers_config: Some(OptimizersConfigDiff {
            indexing_threshold: Some(1),
            max_optimization_threads: Some(MaxOptimizationThreads {
                variant: Some(threads),
            }),
            ..OptimizersConfigDiff::default()
        }),
        ..UpdateCollection::default()
    }
}

async fn nearest(client: &Qdrant, place: f32) -> Vec<u64> {
    let quantization = QuantizationSearchParams {
        ignore: None,
        rescore: Some(true),
        oversampling: Some(8.0),
    };
    let query = QueryPointsBuilder::new(PLACES)
        .query(Query::new_nearest(vec![place, 0.0, 0.0, 0.0]))
        .using("dense")
        .limit(1)
        .params(SearchParams {
            quantization: Some(quantization),
            ..SearchParams::default()
        });
    let found = client.query(query).await.unwrap().result.into_iter();
    let ids = found.filter_map(|point| match point.id?.point_id_options? {
        PointIdOptions::Num(number) => Some(number),
        PointIdOptions::Uuid(_) => None,
    });
    ids.collect()
}

#[tokio::test]
async fn the_engine_works_with_what_was_changed() {
    let served = Served::start().await;
    let client = served.client();
    create(&client).await;
    upsert(&client, 300).await;
    let indexed = async || info(&client).await.indexed_vectors_count;
    let none = eager(Variant::Value(0));
    update(&client, none).await.unwrap();
    assert_eq!(indexed().await, Some(0), "it may not optimize");
    let all = eager(Variant::Setting(Setting::Auto.into()));
    update(&client, all).await.unwrap();
    assert!(indexed().await > Some(0), "a graph was built");
    assert_eq!(nearest(&client, 7.0).await, [7]);

    let scalar = quantized(QuantizationDiff::Scalar(scalar()));
    update(&client, scalar).await.unwrap();
    assert_eq!(nearest(&client, 207.0).await, [207]);
    let disabled = quantized(QuantizationDiff::Disabled(Disabled {}));
    update(&client, disabled).await.unwrap();
    assert_eq!(nearest(&client, 7.0).await, [7]);
    let info = info(&client).await;
    assert_eq!(info.config.unwrap().quantization_config, None);
    assert_eq!(info.points_count, Some(300));
    // Points may be changed as before.
    upsert(&client, 301).await;
    assert_eq!(nearest(&client, 300.0).await, [300]);
}
