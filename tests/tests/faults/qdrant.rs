//! The calls of the remote Qdrant adapter.

use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_model::{
    CollectionSpec, Count, CreateSnapshot, Delete, Distance, DropAlias, DropCollection,
    DropSnapshot, EmbeddingSpace, EnsureCollection, Error, ErrorKind, Filter, Flush, FusedQuery,
    Hit, Leg, ListAliases, ListSnapshots, Optimize, Payload, Point, PointId, Query, Retrieve,
    Scroll, Selector, SpaceKind, SparseVector, StoreFusion, SwitchAlias, Upsert,
};
use contexter_qdrant::remote::{Config, QdrantAdapter};
use contexter_sandbox::{QdrantConfig, Sandbox, SandboxConfig, Server};
use contexter_service::Service as _;

use crate::leaks::MARK;
use crate::matrix::{self, Call, Ground, PATIENT, deadline};
use crate::{cases, echoes};

const COLLECTION: &str = "chunks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_qdrant() {
    let mut cases = cases::grpc();
    cases.extend(echoes::grpc(&[key()]));
    matrix::run(Server::Qdrant, &cases, ground).await;
}

/// With letters that are written otherwise in an address and in JSON.
fn key() -> String {
    format!("qdrant-{MARK}/\"")
}

async fn ground() -> Ground<QdrantAdapter> {
    let server = QdrantConfig::new().api_key(key());
    let sandbox = Sandbox::start(SandboxConfig::new().qdrant(server))
        .await
        .unwrap();
    let addresses = sandbox.addresses();
    let mut config = Config::default()
        .with_url(addresses.qdrant_url.clone().unwrap())
        .with_api_key(addresses.qdrant_api_key.clone().unwrap());
    config.retry_config.max_attempts = Some(2);
    config.retry_config.base_delay = Some(Duration::from_millis(10));
    config.retry_config.max_delay = Some(Duration::from_millis(50));
    let make = move |limit| {
        let mut config = config.clone().with_timeout(limit);
        config.snapshot_timeout = limit;
        let stack = config.stack().deadline(deadline(limit)).build().unwrap();
        QdrantAdapter::with_stack(config, stack).unwrap()
    };
    prepare(&make(PATIENT)).await.unwrap();
    Ground {
        sandbox,
        make: Box::new(make),
        calls: calls(),
    }
}

fn spec() -> EnsureCollection {
    EnsureCollection(CollectionSpec {
        name: COLLECTION.to_owned(),
        space: EmbeddingSpace {
            id: "letters".to_owned(),
            dimensions: 2,
            max_tokens: 64,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["library".to_owned()],
    })
}

fn points() -> Upsert {
    let point = |number: u8| Point {
        id: PointId::from_u128(number.into()),
        dense: Some(vec![1.0, f32::from(number)]),
        sparse: SparseVector::new(vec![number.into()], vec![1.0]).ok(),
        payload: Payload::from_iter([("library".to_owned(), "ferry".into())]),
    };
    Upsert {
        collection: COLLECTION.to_owned(),
        points: (1..=5).map(point).collect(),
    }
}

/// Every call finds five points, whatever ran before it.
async fn prepare(adapter: &QdrantAdapter) -> Result<(), Error> {
    let capabilities = adapter.capabilities();
    let ensure = capabilities.handle::<EnsureCollection>().unwrap();
    ensure.call(spec()).await?;
    let upsert = capabilities.handle::<Upsert>().unwrap();
    upsert.call(points()).await
}

fn legs() -> Vec<Leg> {
    let terms = SparseVector::new(vec![3], vec![1.0]).unwrap();
    vec![Leg::Dense(vec![1.0, 5.0]), Leg::Sparse(terms)]
}

fn numbers(hits: &[Hit]) -> Vec<u128> {
    hits.iter().map(|hit| hit.id.as_u128()).collect()
}

fn calls() -> Vec<Call<QdrantAdapter>> {
    let mut calls = changes();
    calls.extend(upkeep());
    calls.extend(reads());
    calls
}

fn changes() -> Vec<Call<QdrantAdapter>> {
    let collection = || COLLECTION.to_owned();
    vec![
        Call::ask("ensure a collection", spec(), |state| {
            assert_eq!((state.created, state.points), (false, 5));
            Ok(())
        }),
        Call::ask("upsert", points(), Ok),
        Call::ask(
            "delete",
            Delete {
                collection: collection(),
                selector: Selector::Ids(vec![PointId::from_u128(99)]),
            },
            Ok,
        ),
        Call::ask(
            "delete what passes a filter",
            Delete {
                collection: collection(),
                selector: Selector::Filter(Filter::all().and("library", "nobody")),
            },
            Ok,
        ),
        Call::ask(
            "switch an alias",
            SwitchAlias {
                alias: "current".to_owned(),
                collection: collection(),
            },
            |_switched| Ok(()),
        ),
    ]
}

/// What is asked for beside the points; nothing of it takes any away.
fn upkeep() -> Vec<Call<QdrantAdapter>> {
    let collection = || COLLECTION.to_owned();
    vec![
        Call::ask(
            "flush",
            Flush {
                collection: collection(),
            },
            Ok,
        ),
        Call::ask(
            "optimize",
            Optimize {
                collection: collection(),
            },
            Ok,
        ),
        Call::ask(
            "drop an alias",
            DropAlias {
                alias: "nobody".to_owned(),
            },
            Ok,
        ),
        Call::ask(
            "drop a collection",
            DropCollection {
                collection: "nobody".to_owned(),
            },
            |was_there| {
                assert!(!was_there);
                Ok(())
            },
        ),
        Call::ask(
            "create a snapshot",
            CreateSnapshot {
                collection: collection(),
            },
            |snapshot| {
                assert!(!snapshot.name.is_empty());
                Ok(())
            },
        ),
        Call::ask(
            "list snapshots",
            ListSnapshots {
                collection: collection(),
            },
            |_snapshots| Ok(()),
        ),
        Call::new(
            "drop a snapshot",
            |adapter: Arc<QdrantAdapter>| async move {
                let collection = COLLECTION.to_owned();
                let snapshot = "nobody".to_owned();
                let drop = DropSnapshot {
                    collection,
                    snapshot,
                };
                let handle = adapter.capabilities().handle::<DropSnapshot>().unwrap();
                match handle.call(drop).await {
                    // So it is without a fault.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    ended => ended,
                }
            },
        ),
    ]
}

fn reads() -> Vec<Call<QdrantAdapter>> {
    let collection = || COLLECTION.to_owned();
    let filter = || Filter::all().and("library", "ferry");
    vec![
        Call::ask(
            "count",
            Count {
                collection: collection(),
                filter: filter(),
            },
            |count| {
                assert_eq!(count, 5);
                Ok(())
            },
        ),
        Call::ask(
            "query",
            Query {
                collection: collection(),
                legs: legs(),
                filter: filter(),
                limit: 2,
            },
            |reply| {
                assert_eq!(reply.rankings.len(), 2);
                assert_eq!(numbers(&reply.rankings[0]), [5, 4]);
                assert_eq!(numbers(&reply.rankings[1]), [3]);
                Ok(())
            },
        ),
        Call::ask(
            "query fused",
            FusedQuery {
                collection: collection(),
                legs: legs(),
                leg_limit: 5,
                fusion: StoreFusion::Distribution,
                filter: filter(),
                limit: 5,
            },
            |hits| {
                assert_eq!(hits.len(), 5);
                Ok(())
            },
        ),
        Call::ask(
            "retrieve",
            Retrieve {
                collection: collection(),
                ids: vec![PointId::from_u128(2)],
            },
            |records| {
                assert_eq!(records.len(), 1);
                assert_eq!(records[0].payload["library"], "ferry");
                Ok(())
            },
        ),
        Call::ask("scroll", Scroll::new(COLLECTION, 10), |page| {
            assert_eq!((page.points.len(), page.next), (5, None));
            Ok(())
        }),
        Call::ask("list aliases", ListAliases, |_aliases| Ok(())),
    ]
}
