//! What is sent, to the last field.

use std::collections::HashMap;

use contexter_model::{
    Count, Delete, DropAlias, DropCollection, EnsureCollection, Filter, FusedQuery, ListAliases,
    ListSnapshots, Query, Retrieve, Scroll, Selector, StoreFusion, SwitchAlias, Upsert,
};
use contexter_qdrant::remote::METADATA_KEY;
use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_update_operation::{DeleteVectors, Operation, PointStructList};
use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    self, AliasOperations, ChangeAliases, CollectionExistsRequest, CountPoints, CreateAlias,
    CreateCollection, CreateFieldIndexCollection, DeleteAlias, DeleteCollection, DeletePoints,
    Distance, FieldType, GetCollectionInfoRequest, GetPoints, KeywordIndexParams,
    ListAliasesRequest, ListSnapshotsRequest, Modifier, PayloadIndexParams, PointsIdsList,
    PointsSelector, PointsUpdateOperation, PrefetchQuery, QueryBatchPoints, QueryPoints, Rrf,
    ScrollPoints, SparseVectorConfig, SparseVectorParams, UpdateBatchPoints, UpsertPoints,
    VectorParams, VectorParamsMap, VectorsConfig, VectorsSelector,
};

use super::messages::{
    TIMEOUT, collection, dense, legs, nearest, no_vectors, only, payload, point_id, stored, terms,
    text,
};
use super::recorder::Golden;
use crate::fixture::{CHUNKS, id, point, spec};

async fn ensured() -> Golden {
    let golden = Golden::start().await;
    golden.call(EnsureCollection(spec(3))).await;
    golden
}

#[tokio::test]
async fn a_collection_is_made_with_its_vectors_its_record_and_its_indexes() {
    let golden = ensured().await;
    let exists = CollectionExistsRequest {
        collection_name: collection(),
    };
    golden.sent("/qdrant.Collections/CollectionExists", &exists);
    let dense = VectorParams {
        size: 3,
        distance: Distance::Cosine.into(),
        ..VectorParams::default()
    };
    let terms = SparseVectorParams {
        modifier: Some(Modifier::Idf.into()),
        ..SparseVectorParams::default()
    };
    let record = serde_json::to_string(&spec(3)).unwrap();
    let record = format!("{{\"version\":1,\"spec\":{record}}}");
    let create = CreateCollection {
        collection_name: collection(),
        vectors_config: Some(VectorsConfig {
            config: Some(qdrant::vectors_config::Config::ParamsMap(VectorParamsMap {
                map: HashMap::from([("dense".to_owned(), dense)]),
            })),
        }),
        sparse_vectors_config: Some(SparseVectorConfig {
            map: HashMap::from([("bm25".to_owned(), terms)]),
        }),
        metadata: HashMap::from([(METADATA_KEY.to_owned(), text(&record))]),
        timeout: TIMEOUT,
        ..CreateCollection::default()
    };
    golden.sent("/qdrant.Collections/Create", &create);
    let get = GetCollectionInfoRequest {
        collection_name: collection(),
    };
    golden.sent("/qdrant.Collections/Get", &get);
    for field in ["library", "kind"] {
        let params = IndexParams::KeywordIndexParams(KeywordIndexParams::default());
        let index = CreateFieldIndexCollection {
            collection_name: collection(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(FieldType::Keyword.into()),
            field_index_params: Some(PayloadIndexParams {
                index_params: Some(params),
            }),
            timeout: TIMEOUT,
            ..CreateFieldIndexCollection::default()
        };
        golden.sent("/qdrant.Points/CreateFieldIndex", &index);
    }
    golden.end();
}

#[tokio::test]
async fn changes_wait_and_say_for_how_long() {
    let golden = ensured().await;
    golden.forget(|_| false);
    let whole = point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a");
    let points = vec![whole];
    golden
        .call(Upsert {
            collection: collection(),
            points,
        })
        .await;
    let upsert = UpsertPoints {
        collection_name: collection(),
        wait: Some(true),
        points: vec![stored(1, true)],
        timeout: TIMEOUT,
        ..UpsertPoints::default()
    };
    golden.sent("/qdrant.Points/Upsert", &upsert);

    let points = vec![point(1, &[], &[(7, 1.0)], "a")];
    golden
        .call(Upsert {
            collection: collection(),
            points,
        })
        .await;
    let ids = |ids| PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList { ids })),
    };
    let store = Operation::Upsert(PointStructList {
        points: vec![stored(1, false)],
        ..PointStructList::default()
    });
    let drop_old = Operation::DeleteVectors(DeleteVectors {
        points_selector: Some(ids(vec![point_id(1)])),
        vectors: Some(VectorsSelector {
            names: vec!["dense".to_owned()],
        }),
        ..DeleteVectors::default()
    });
    let batch = UpdateBatchPoints {
        collection_name: collection(),
        wait: Some(true),
        operations: [store, drop_old]
            .map(|operation| PointsUpdateOperation {
                operation: Some(operation),
            })
            .to_vec(),
        timeout: TIMEOUT,
        ..UpdateBatchPoints::default()
    };
    golden.sent("/qdrant.Points/UpdateBatch", &batch);

    let filter = PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Filter(only("library", "a"))),
    };
    for (selector, sent) in [
        (Selector::Ids(vec![id(1)]), ids(vec![point_id(1)])),
        (Selector::Filter(Filter::all().and("library", "a")), filter),
    ] {
        golden
            .call(Delete {
                collection: collection(),
                selector,
            })
            .await;
        let delete = DeletePoints {
            collection_name: collection(),
            wait: Some(true),
            points: Some(sent),
            timeout: TIMEOUT,
            ..DeletePoints::default()
        };
        golden.sent("/qdrant.Points/Delete", &delete);
    }
    golden.end();
}

#[tokio::test]
async fn searches_ask_for_nothing_that_is_not_needed() {
    let golden = ensured().await;
    golden.forget(|_| false);
    let filter = || Filter::all().and("library", "a");
    golden
        .call(Query {
            collection: collection(),
            legs: legs(),
            filter: filter(),
            limit: 5,
        })
        .await;
    let search = |input, using: &str| QueryPoints {
        collection_name: collection(),
        query: Some(nearest(input)),
        using: Some(using.to_owned()),
        filter: Some(only("library", "a")),
        limit: Some(5),
        with_payload: Some(payload(false)),
        with_vectors: Some(no_vectors()),
        ..QueryPoints::default()
    };
    let batch = |query_points| QueryBatchPoints {
        collection_name: collection(),
        query_points,
        timeout: TIMEOUT,
        ..QueryBatchPoints::default()
    };
    let both = batch(vec![search(dense(), "dense"), search(terms(), "bm25")]);
    golden.sent("/qdrant.Points/QueryBatch", &both);

    let fusion = StoreFusion::ReciprocalRank {
        k: 60,
        weights: vec![2.0, 1.0],
    };
    let fused = FusedQuery {
        collection: collection(),
        legs: legs(),
        leg_limit: 9,
        fusion,
        filter: filter(),
        limit: 5,
    };
    golden.call(fused).await;
    golden.forget(|path| path != "/qdrant.Qdrant/HealthCheck");
    let prefetch = |input, using: &str| PrefetchQuery {
        query: Some(nearest(input)),
        using: Some(using.to_owned()),
        limit: Some(9),
        ..PrefetchQuery::default()
    };
    let rrf = Rrf {
        k: Some(60),
        weights: vec![2.0, 1.0],
    };
    let fused = QueryPoints {
        collection_name: collection(),
        prefetch: vec![prefetch(dense(), "dense"), prefetch(terms(), "bm25")],
        query: Some(qdrant::Query {
            variant: Some(Variant::Rrf(rrf)),
        }),
        filter: Some(only("library", "a")),
        limit: Some(5),
        with_payload: Some(payload(false)),
        with_vectors: Some(no_vectors()),
        ..QueryPoints::default()
    };
    golden.sent("/qdrant.Points/QueryBatch", &batch(vec![fused]));
    golden.end();
}

#[tokio::test]
async fn reads_say_for_how_long() {
    let golden = ensured().await;
    golden.forget(|_| false);
    golden
        .call(Count {
            collection: collection(),
            filter: Filter::all(),
        })
        .await;
    let count = CountPoints {
        collection_name: collection(),
        exact: Some(true),
        timeout: TIMEOUT,
        ..CountPoints::default()
    };
    golden.sent("/qdrant.Points/Count", &count);
    golden
        .call(Retrieve {
            collection: collection(),
            ids: vec![id(1)],
        })
        .await;
    let get = GetPoints {
        collection_name: collection(),
        ids: vec![point_id(1)],
        with_payload: Some(payload(true)),
        with_vectors: Some(no_vectors()),
        timeout: TIMEOUT,
        ..GetPoints::default()
    };
    golden.sent("/qdrant.Points/Get", &get);
    golden.call(Scroll::new(CHUNKS, 50)).await;
    let scroll = ScrollPoints {
        collection_name: collection(),
        limit: Some(50),
        with_payload: Some(payload(true)),
        with_vectors: Some(no_vectors()),
        timeout: TIMEOUT,
        ..ScrollPoints::default()
    };
    golden.sent("/qdrant.Points/Scroll", &scroll);
    golden
        .call(ListSnapshots {
            collection: collection(),
        })
        .await;
    let list = ListSnapshotsRequest {
        collection_name: collection(),
    };
    golden.sent("/qdrant.Snapshots/List", &list);
    golden.end();
}

#[tokio::test]
async fn an_alias_is_switched_by_one_action() {
    let golden = ensured().await;
    golden.forget(|_| false);
    let switch = || SwitchAlias {
        alias: "current".to_owned(),
        collection: collection(),
    };
    let create = Action::CreateAlias(CreateAlias {
        collection_name: collection(),
        alias_name: "current".to_owned(),
    });
    let delete = Action::DeleteAlias(DeleteAlias {
        alias_name: "current".to_owned(),
    });
    let change = |action: Action| ChangeAliases {
        actions: vec![AliasOperations {
            action: Some(action),
        }],
        timeout: TIMEOUT,
    };
    golden.call(switch()).await;
    golden.sent("/qdrant.Collections/ListAliases", &ListAliasesRequest {});
    let exists = CollectionExistsRequest {
        collection_name: "current".to_owned(),
    };
    golden.sent("/qdrant.Collections/CollectionExists", &exists);
    golden.sent("/qdrant.Collections/UpdateAliases", &change(create.clone()));
    golden.call(switch()).await;
    golden.sent("/qdrant.Collections/ListAliases", &ListAliasesRequest {});
    golden.sent("/qdrant.Collections/UpdateAliases", &change(create));
    golden.call(ListAliases).await;
    golden.sent("/qdrant.Collections/ListAliases", &ListAliasesRequest {});
    golden
        .call(DropAlias {
            alias: "current".to_owned(),
        })
        .await;
    golden.sent("/qdrant.Collections/UpdateAliases", &change(delete));
    golden
        .call(DropCollection {
            collection: collection(),
        })
        .await;
    golden.sent("/qdrant.Collections/ListAliases", &ListAliasesRequest {});
    let dropped = DeleteCollection {
        collection_name: collection(),
        timeout: TIMEOUT,
    };
    golden.sent("/qdrant.Collections/Delete", &dropped);
    golden.end();
}
