//! The whole ingestion flow over buses on real brokers.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{EventFilter, MessageTransport};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_protocol::IntegrationEvent;
use contexter_rag::Mode;
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Nats, Redis, Server, require};
use tokio::time::timeout;

use crate::pipeline::Pipeline;

const DOCUMENTS: usize = 30;
/// Long enough for two busy cores.
const PATIENCE: Duration = Duration::from_mins(3);

fn redis(server: &Server) -> Arc<dyn MessageTransport> {
    let config = RedisConfig::new(server.url()).with_block_time(Duration::from_millis(50));
    Arc::new(RedisTransport::new(config).unwrap())
}

async fn nats(server: &Server) -> Arc<dyn MessageTransport> {
    let config = NatsConfig::new([server.url()])
        .with_signs_of_life(Duration::from_millis(500), Duration::from_millis(200));
    Arc::new(NatsTransport::connect(config).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_become_searchable_over_redis_and_payloads_hold_references_only() {
    require!("redis-server");
    let server = Redis::start().unwrap();
    ingests_everything(redis(&server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_become_searchable_over_nats_and_payloads_hold_references_only() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    ingests_everything(nats(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_holds_an_ingestion_up_and_loses_nothing_of_it() {
    require!("redis-server");
    let server = Redis::start().unwrap();
    let transport = redis(&server);
    survives_a_kill(server, transport).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nats_holds_an_ingestion_up_and_loses_nothing_of_it() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let transport = nats(&server).await;
    survives_a_kill(server, transport).await;
}

async fn ingests_everything(transport: Arc<dyn MessageTransport>) {
    let pipeline = Pipeline::open(transport, DOCUMENTS).await;
    let run = async {
        let started = pipeline.process().await.unwrap();
        assert_eq!(started.document_count, DOCUMENTS as u64);
        let found = pipeline.found("number 17 walrus", Mode::Sparse).await;
        assert_eq!(found[0], "doc17.md");
        let embedded = pipeline.embed().await.unwrap();
        assert!(embedded.failed.is_empty(), "{:?}", embedded.failed);
        let found = pipeline.found("number 17 walrus", Mode::Hybrid).await;
        assert_eq!(found[0], "doc17.md");
        started.correlation_id
    };
    let correlation = timeout(PATIENCE, run).await.unwrap();

    let history = pipeline.bus.history(&EventFilter::all()).await.unwrap();
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &history.events {
        *types.entry(event.event_type()).or_default() += 1;
        refers_only(event);
    }
    let each = [
        "document.ingested",
        "embedding.requested",
        "embedding.completed",
    ];
    let each = each.into_iter().chain([
        "vector.index_requested",
        "vector.indexed",
        "processing.completed",
    ]);
    for step in each {
        assert_eq!(types.remove(step), Some(DOCUMENTS), "{step}");
    }
    assert_eq!(
        types.into_iter().collect::<Vec<_>>(),
        [("document.processed", 1)]
    );
    let first = &history.events[0];
    assert_eq!(first.correlation_id(), Some(&*correlation));
    assert!(pipeline.bus.dead_letters().await.unwrap().is_empty());
    pipeline.close().await;
}

/// Neither texts nor vectors travel: only names, hashes and counts.
fn refers_only(event: &IntegrationEvent) {
    let data = event.data().to_string();
    assert!(!data.contains("walrus"), "{data}");
    assert!(data.len() < 1_000, "{data}");
    let with_blob = [
        "document.ingested",
        "embedding.requested",
        "embedding.completed",
    ];
    if with_blob.contains(&event.event_type()) {
        let reference = event.data_ref().unwrap();
        assert!(reference.starts_with("sha256:"), "{reference}");
    }
}

async fn survives_a_kill(mut server: Server, transport: Arc<dyn MessageTransport>) {
    let pipeline = Pipeline::open(transport, DOCUMENTS).await;
    let run = async {
        pipeline.process().await.unwrap();
        let mut progress = pipeline.progress();
        let killed = async {
            // In the middle: some are embedded, others wait.
            progress
                .wait_for(|progress| progress.chunks_embedded >= 3)
                .await
                .unwrap();
            tokio::task::block_in_place(|| {
                server.kill().unwrap();
                server.restart().unwrap();
            });
        };
        let (embedded, ()) = tokio::join!(pipeline.embed(), killed);
        embedded
    };
    // An event that could not be published while the server was away fails its document; the next
    // run takes it up.
    let first = timeout(PATIENCE, run).await.unwrap();
    let again = async {
        let started = pipeline.process().await.unwrap();
        assert_eq!(started.document_count, DOCUMENTS as u64);
        pipeline.embed().await.unwrap()
    };
    let second = timeout(PATIENCE, again).await.unwrap();
    assert!(second.failed.is_empty(), "{first:?} {second:?}");
    assert_eq!(pipeline.embedded_documents(), DOCUMENTS as u64);
    for number in [0, 17, DOCUMENTS - 1] {
        let query = format!("number {number} walrus");
        let found = pipeline.found(&query, Mode::Hybrid).await;
        assert_eq!(found[0], format!("doc{number}.md"));
    }
    pipeline.close().await;
}
