//! Collections that others made, or that somebody has changed.

use std::collections::HashMap;

use contexter_model::{
    CollectionState, EnsureCollection, ErrorKind, Filter, Leg, Query, Scroll, SwitchAlias, Upsert,
};
use contexter_qdrant::remote::{METADATA_KEY, RemoteStore};
use contexter_service::Service;
use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::{
    AliasOperations, ChangeAliases, CreateAlias, CreateCollection, CreateCollectionBuilder,
    CreateFieldIndexCollectionBuilder, DeleteAlias, DeleteFieldIndexCollectionBuilder, Distance,
    FieldType, Modifier, SparseVectorParamsBuilder, SparseVectorsConfigBuilder,
    UpdateCollectionBuilder, Value, VectorParamsBuilder, VectorsConfigBuilder,
};
use serde_json::json;

use super::served::{KEY, Served};
use crate::fixture::{CHUNKS, point, spec};

/// A collection with both vectors, as somebody else would make it.
fn foreign(size: u64, metadata: HashMap<String, Value>) -> CreateCollection {
    let mut dense = VectorsConfigBuilder::default();
    dense.add_named_vector_params("dense", VectorParamsBuilder::new(size, Distance::Cosine));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params(
        "bm25",
        SparseVectorParamsBuilder::default().modifier(Modifier::Idf),
    );
    let mut request: CreateCollection = CreateCollectionBuilder::new(CHUNKS)
        .vectors_config(dense)
        .sparse_vectors_config(sparse)
        .into();
    request.metadata = metadata;
    request
}

fn record(text: &str) -> HashMap<String, Value> {
    HashMap::from([(METADATA_KEY.to_owned(), Value::from(text.to_owned()))])
}

#[tokio::test]
async fn a_collection_of_another_program_is_refused() {
    let served = Served::start().await;
    let create = foreign(3, HashMap::new());
    served.client().create_collection(create).await.unwrap();
    let store = RemoteStore::new(&served.config()).unwrap();

    let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .starts_with("collection \"chunks\" does not say which embedder made it"),
        "{error}"
    );
    let query = Query {
        collection: CHUNKS.into(),
        legs: vec![Leg::Dense(vec![1.0, 0.0, 0.0])],
        filter: Filter::all(),
        limit: 1,
    };
    let error = store.call(query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn a_record_that_is_damaged_newer_or_untrue_is_refused() {
    let truth = json!({ "version": 1, "spec": spec(3) }).to_string();
    let newer = json!({ "version": 9, "spec": spec(3) }).to_string();
    for (size, text, kind, expected) in [
        (3, "no json", ErrorKind::Invalid, "are damaged"),
        (
            3,
            &newer,
            ErrorKind::Unsupported,
            "has version 9, this program reads up to 1",
        ),
        (
            5,
            &truth,
            ErrorKind::Invalid,
            "vector \"dense\" has 5 dimensions, not 3",
        ),
    ] {
        let served = Served::start().await;
        let create = foreign(size, record(text));
        served.client().create_collection(create).await.unwrap();
        let store = RemoteStore::new(&served.config()).unwrap();
        let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_index_that_is_missing_is_made_and_one_of_another_kind_is_refused() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    let client = served.client();
    let without = DeleteFieldIndexCollectionBuilder::new(CHUNKS, "kind").wait(true);
    client.delete_field_index(without).await.unwrap();

    let state = store.call(EnsureCollection(spec(3))).await.unwrap();
    let there = CollectionState {
        created: false,
        points: 0,
    };
    assert_eq!(state, there);
    let info = client.collection_info(CHUNKS).await.unwrap();
    let mut fields: Vec<_> = info.result.unwrap().payload_schema.into_keys().collect();
    fields.sort();
    assert_eq!(fields, ["kind", "library"]);

    let without = DeleteFieldIndexCollectionBuilder::new(CHUNKS, "kind").wait(true);
    client.delete_field_index(without).await.unwrap();
    let other = CreateFieldIndexCollectionBuilder::new(CHUNKS, "kind", FieldType::Integer);
    client.create_field_index(other.wait(true)).await.unwrap();
    let error = store.call(EnsureCollection(spec(3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("its field \"kind\" has an index of the kind Integer, not Keyword"),
        "{error}"
    );
}

#[tokio::test]
async fn metadata_of_others_stay() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    let client = served.client();
    let theirs = HashMap::from([("owner".to_owned(), json!("them"))]);
    let update = UpdateCollectionBuilder::new(CHUNKS).metadata(theirs);
    client.update_collection(update).await.unwrap();

    assert!(!store.call(EnsureCollection(spec(3))).await.unwrap().created);
    let info = client
        .collection_info(CHUNKS)
        .await
        .unwrap()
        .result
        .unwrap();
    let metadata = info.config.unwrap().metadata;
    assert_eq!(metadata.len(), 2);
}

#[tokio::test]
async fn many_may_create_the_same_collection_at_once() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    let creations: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.call(EnsureCollection(spec(3))).await })
        })
        .collect();
    let mut created = 0;
    for creation in creations {
        created += usize::from(creation.await.unwrap().unwrap().created);
    }
    assert_eq!(created, 1);
}

fn switch(alias: &str, collection: &str) -> SwitchAlias {
    SwitchAlias {
        alias: alias.to_owned(),
        collection: collection.to_owned(),
    }
}

#[tokio::test]
async fn of_several_actions_on_aliases_those_before_a_refused_one_stay_done() {
    let served = Served::start().await;
    let store = RemoteStore::new(&served.config()).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    store.call(switch("live", CHUNKS)).await.unwrap();
    let actions = [
        Action::DeleteAlias(DeleteAlias {
            alias_name: "live".into(),
        }),
        Action::CreateAlias(CreateAlias {
            alias_name: "live".into(),
            collection_name: "nowhere".into(),
        }),
    ];
    let mut request = tonic::Request::new(ChangeAliases {
        actions: actions
            .map(|action| AliasOperations {
                action: Some(action),
            })
            .into(),
        timeout: None,
    });
    let key = KEY.parse().unwrap();
    request.metadata_mut().insert("api-key", key);
    let mut client = CollectionsClient::connect(served.url()).await.unwrap();

    let status = client.update_aliases(request).await.unwrap_err();

    assert_eq!(status.code(), tonic::Code::NotFound);
    let aliases = served.client().list_aliases().await.unwrap().aliases;
    assert_eq!(aliases, [], "as on the vendor's server");
}

#[tokio::test]
async fn another_collection_behind_an_alias_is_noticed_by_the_points_that_do_not_fit() {
    let served = Served::start().await;
    let [store, other] = [(), ()].map(|()| RemoteStore::new(&served.config()).unwrap());
    let mut wide = spec(4);
    wide.name = "wide".into();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    store.call(EnsureCollection(wide)).await.unwrap();
    store.call(switch("live", CHUNKS)).await.unwrap();
    let scroll = || Scroll {
        collection: "live".into(),
        after: None,
        limit: 10,
        filter: Filter::all(),
        vectors: true,
    };
    assert!(store.call(scroll()).await.unwrap().points.is_empty());
    other.call(switch("live", "wide")).await.unwrap();
    let points = vec![point(1, &[1.0, 0.0, 0.0, 0.0], &[], "a")];
    let collection = "live".into();
    other.call(Upsert { collection, points }).await.unwrap();

    let error = store.call(scroll()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(store.call(scroll()).await.unwrap().points.len(), 1);
}
