//! Servers of other versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use contexter_model::{EnsureCollection, ErrorKind, Filter, FusedQuery, Leg, StoreFusion};
use contexter_qdrant::remote::{RemoteStore, ServerVersion, WEIGHTED_FUSION_VERSION};
use contexter_service::{Again, Service, Verdict};
use contexter_testkit::Forwarder;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use qdrant_client::qdrant::HealthCheckReply;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};

use super::before::{Before, config_of};
use super::served::PATIENCE;
use crate::fixture::{CHUNKS, sparse, spec};

const HEALTH: &str = "/qdrant.Qdrant/HealthCheck";
const QUERY: &str = "/qdrant.Points/QueryBatch";

/// A whole reply in gRPC.
fn grpc(message: &[u8]) -> Response<Body> {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap());
    body.put_slice(message);
    let trailers = HeaderMap::from_iter([(
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(Bytes::from(body)).with_trailers(async { Some(Ok(trailers)) });
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(body))
        .unwrap()
}

#[derive(Default)]
struct Seen {
    minor: AtomicUsize,
    checks: AtomicUsize,
    queries: AtomicUsize,
}

/// A server that says it has version 1 and the minor version that `seen` has.
async fn aged(seen: &Arc<Seen>) -> Before {
    let seen = Arc::clone(seen);
    Before::start(move |path| {
        if path == QUERY {
            seen.queries.fetch_add(1, Ordering::SeqCst);
        }
        if path != HEALTH {
            return None;
        }
        seen.checks.fetch_add(1, Ordering::SeqCst);
        let reply = HealthCheckReply {
            version: format!("1.{}.3", seen.minor.load(Ordering::SeqCst)),
            ..HealthCheckReply::default()
        };
        Some(grpc(&reply.encode_to_vec()))
    })
    .await
}

fn fused(weights: &[f32]) -> FusedQuery {
    FusedQuery {
        collection: CHUNKS.into(),
        legs: vec![
            Leg::Dense(vec![1.0, 0.0, 0.0]),
            Leg::Sparse(sparse(&[(7, 1.0)])),
        ],
        leg_limit: 10,
        fusion: StoreFusion::ReciprocalRank {
            k: 60,
            weights: weights.to_vec(),
        },
        filter: Filter::all(),
        limit: 10,
    }
}

#[tokio::test]
async fn weights_go_to_no_server_that_would_ignore_them() {
    let seen = Arc::new(Seen::default());
    seen.minor.store(18, Ordering::SeqCst);
    let server = aged(&seen).await;
    let forwarder = Forwarder::start(server.address).unwrap();
    let mut config = config_of(forwarder.address());
    config.connections = 1;
    let store = RemoteStore::new(&config).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();

    let error = store.call(fused(&[2.0, 1.0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert_eq!(error.again(), Again::No);
    let message = format!(
        "reciprocal rank fusion with weights needs a server of version 1.19 or later, \
         http://{} has 1.18",
        forwarder.address(),
    );
    assert_eq!(error.message(), message);
    assert_eq!(seen.queries.load(Ordering::SeqCst), 0, "it was not asked");

    // Nothing else needs them.
    for weights in [&[][..], &[1.0, 1.0]] {
        assert_eq!(store.call(fused(weights)).await.unwrap(), []);
    }
}

#[tokio::test]
async fn behind_a_new_connection_there_may_be_another_version() {
    let seen = Arc::new(Seen::default());
    let needed = usize::try_from(WEIGHTED_FUSION_VERSION.minor).unwrap();
    seen.minor.store(needed, Ordering::SeqCst);
    let server = aged(&seen).await;
    let forwarder = Forwarder::start(server.address).unwrap();
    let mut config = config_of(forwarder.address());
    config.connections = 1;
    let store = RemoteStore::new(&config).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    assert_eq!(store.call(fused(&[2.0, 1.0])).await.unwrap(), []);
    let checks = seen.checks.load(Ordering::SeqCst);
    assert_eq!(store.call(fused(&[2.0, 1.0])).await.unwrap(), []);
    assert_eq!(seen.checks.load(Ordering::SeqCst), checks, "it is known");

    for (minor, works) in [(needed - 1, false), (needed + 1, true)] {
        seen.minor.store(minor, Ordering::SeqCst);
        let checks = seen.checks.load(Ordering::SeqCst);
        forwarder.reset();
        // Until the reset has arrived the connection is the old one; then a call may find it gone.
        let deadline = Instant::now() + PATIENCE;
        let outcome = loop {
            let outcome = store.call(fused(&[2.0, 1.0])).await;
            let gone = matches!(&outcome, Err(error) if error.kind() == ErrorKind::Unavailable);
            if seen.checks.load(Ordering::SeqCst) > checks && !gone {
                break outcome;
            }
            assert!(
                Instant::now() < deadline,
                "the new server is asked for its version"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        match outcome {
            Ok(_) => assert!(works, "1.{minor}"),
            Err(error) => {
                assert!(!works, "1.{minor}: {error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn behind_a_channel_of_the_callers_the_version_is_asked_for_each_time() {
    let seen = Arc::new(Seen::default());
    let needed = usize::try_from(WEIGHTED_FUSION_VERSION.minor).unwrap();
    seen.minor.store(needed, Ordering::SeqCst);
    let server = aged(&seen).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address))
        .unwrap()
        .connect_lazy();
    let store = RemoteStore::with_channel(&config_of(server.address), channel).unwrap();
    store.call(EnsureCollection(spec(3))).await.unwrap();
    for checks in 1..=3 {
        assert_eq!(store.call(fused(&[2.0, 1.0])).await.unwrap(), []);
        assert_eq!(seen.checks.load(Ordering::SeqCst), checks);
    }
    // Whoever is behind it now, nothing was heard of a new connection.
    seen.minor.store(needed - 1, Ordering::SeqCst);
    let error = store.call(fused(&[2.0, 1.0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(seen.queries.load(Ordering::SeqCst), 3);
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let version = |text: &str| text.parse::<ServerVersion>().unwrap();
    assert!(version("1.9.7") < version("1.19.0-rc1"));
    assert!(version("1.19") >= WEIGHTED_FUSION_VERSION);
    assert!("1".parse::<ServerVersion>().is_err());
}
