//! The remote Qdrant adapter on the sandbox: the rules of vector stores, and faults of gRPC.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::{AdapterError, ServiceAdapter};
use contexter_conformance::vector_store::{self, Subject};
use contexter_model::{
    CollectionSpec, Distance, EmbeddingSpace, EnsureCollection, Error, ErrorKind, Filter,
    FusedQuery, Leg, ListAliases, Payload, Point, PointId, Query, SpaceKind, SparseVector,
    StoreFusion, Upsert,
};
use contexter_qdrant::remote::{Config, QdrantAdapter, RemoteStore};
use contexter_rag::Fusion;
use contexter_sandbox::{
    CutFault, Fault, FaultScript, RateLimitFault, Rule, Sandbox, SandboxConfig, Server,
};
use contexter_service::Service as _;

/// No call takes longer than this, whatever the machine does besides.
const PATIENCE: Duration = Duration::from_secs(30);

struct Sandboxed(Config);

impl Subject for Sandboxed {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    async fn open(&self) -> Result<Arc<dyn ServiceAdapter>, AdapterError> {
        Ok(Arc::new(QdrantAdapter::new(self.0.clone())?))
    }
}

fn config(sandbox: &Sandbox) -> Config {
    let addresses = sandbox.addresses();
    Config::default()
        .with_url(addresses.qdrant_url.clone().unwrap())
        .with_api_key(addresses.qdrant_api_key.clone().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_keeps_the_rules_of_vector_stores() {
    let sandbox = Sandbox::start(SandboxConfig::new()).await.unwrap();
    let report = vector_store::run(&Sandboxed(config(&sandbox)))
        .await
        .unwrap();
    println!("{}", report.to_markdown());
    assert_eq!(report.failures(), [0_u8; 0], "\n{}", report.to_markdown());
    assert_eq!(report.counts().2, 0, "nothing is left out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fusion_of_the_store_is_fusion_of_ours() {
    let sandbox = Sandbox::start(SandboxConfig::new()).await.unwrap();
    let store = RemoteStore::new(&config(&sandbox)).unwrap();
    let collection = "fused";
    let spec = CollectionSpec {
        name: collection.into(),
        space: EmbeddingSpace {
            id: "letters".into(),
            dimensions: 4,
            max_tokens: 64,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: Vec::new(),
    };
    store.call(EnsureCollection(spec)).await.unwrap();
    let points = (1..=40_u16).map(|n| {
        let x = f32::from(n);
        Point {
            id: PointId::from_u128(n.into()),
            dense: Some(vec![x.sin(), x.cos(), (x * 0.7).sin(), 0.3]),
            sparse: SparseVector::new(vec![7, 100 + u32::from(n)], vec![0.1 * x, 1.0]).ok(),
            payload: Payload::new(),
        }
    });
    let upsert = Upsert {
        collection: collection.into(),
        points: points.collect(),
    };
    store.call(upsert).await.unwrap();
    let legs = || {
        let terms = SparseVector::new(vec![7, 105], vec![1.0, 1.0]).unwrap();
        vec![Leg::Dense(vec![0.4, 0.8, 0.2, 0.1]), Leg::Sparse(terms)]
    };
    let query = Query {
        collection: collection.into(),
        legs: legs(),
        filter: Filter::all(),
        limit: 20,
    };
    let rankings = store.call(query).await.unwrap().rankings;
    for (theirs, ours) in [
        (
            StoreFusion::ReciprocalRank {
                k: 60,
                weights: Vec::new(),
            },
            Fusion::Rrf { k: 60 },
        ),
        (StoreFusion::Distribution, Fusion::Dbsf),
    ] {
        let query = FusedQuery {
            collection: collection.into(),
            legs: legs(),
            leg_limit: 20,
            fusion: theirs,
            filter: Filter::all(),
            limit: 15,
        };
        let seen = store.call(query).await.unwrap();
        let expected = ours.fuse(&rankings, 15).unwrap();
        assert_eq!(seen.len(), 15);
        for (seen, expected) in seen.iter().zip(&expected) {
            assert!(
                (seen.score - expected.score).abs() < 1e-4,
                "{seen:?} {expected:?}"
            );
        }
    }
}

async fn list(sandbox: &Sandbox, fault: Fault) -> (Result<usize, Error>, u64) {
    let before = sandbox.faults().requests(Server::Qdrant);
    // Where an answer comes, a busy machine gets the time that it takes.
    let limit = match fault {
        Fault::Hang | Fault::Disconnect | Fault::Reset(_) => Duration::from_millis(300),
        _ => Duration::from_secs(30),
    };
    let rule = Rule::new(fault).server(Server::Qdrant);
    sandbox
        .faults()
        .replace(FaultScript::new().rule(rule))
        .unwrap();
    let mut config = config(sandbox).with_timeout(limit);
    config.retry_config.max_attempts = Some(1);
    let adapter = QdrantAdapter::new(config).unwrap();
    let handle = adapter.capabilities().handle::<ListAliases>().unwrap();
    let outcome = tokio::time::timeout(PATIENCE, handle.call(ListAliases))
        .await
        .expect("a call ends");
    let requests = sandbox.faults().requests(Server::Qdrant) - before;
    (outcome.map(|aliases| aliases.len()), requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_ends_one_attempt_in_a_typed_error() {
    let sandbox = Sandbox::start(SandboxConfig::new()).await.unwrap();
    let throttled = |after: Option<u64>| {
        Fault::RateLimit(RateLimitFault {
            retry_after: after.map(Duration::from_secs),
            body: None,
        })
    };
    let cut = || CutFault {
        after_bytes: Some(0),
    };
    for (fault, kinds) in [
        (Fault::status(503), &[ErrorKind::Unavailable][..]),
        // A gateway's page is no gRPC: that something is wrong is all that can be told of it.
        (
            Fault::status(401),
            &[ErrorKind::Unauthorized, ErrorKind::Unavailable],
        ),
        (throttled(Some(7)), &[ErrorKind::RateLimited]),
        // The text says that it is about a rate, so there is a wait even where the server names none.
        (throttled(None), &[ErrorKind::RateLimited]),
        (Fault::Hang, &[ErrorKind::Timeout]),
        (
            Fault::Disconnect,
            &[ErrorKind::Unavailable, ErrorKind::Timeout],
        ),
        (
            Fault::Reset(cut()),
            &[
                ErrorKind::Unavailable,
                ErrorKind::Protocol,
                ErrorKind::Timeout,
            ],
        ),
    ] {
        let named = format!("{fault:?}");
        let (outcome, requests) = list(&sandbox, fault).await;
        let error = outcome.expect_err(&named);
        assert!(kinds.contains(&error.kind()), "{named}: {error:?}");
        assert_eq!(requests, 1, "{named}: sent once, never by itself again");
        let key = sandbox.addresses().qdrant_api_key.clone().unwrap();
        assert!(!format!("{error:?}").contains(&key), "{named}");
        if error.kind() == ErrorKind::RateLimited {
            let wait = if named.contains("7s") { 7 } else { 5 };
            assert_eq!(error.retry_after(), Some(Duration::from_secs(wait)));
        }
    }
    let (outcome, requests) = list(&sandbox, Fault::Delay(Duration::from_millis(20))).await;
    assert_eq!((outcome.unwrap(), requests), (0, 1));
}
