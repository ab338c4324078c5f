//! The whole ingestion flow over buses on real brokers.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod pipeline;
mod rigged;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::{Bus, BusConfig, EventFilter, FailureKind, MessageTransport};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_protocol::rag::{EmbeddingRequested, ProcessingFailed};
use contexter_protocol::{EventPayload as _, IntegrationEvent};
use contexter_rag::Mode;
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Nats, Redis, Server, require};
use tokio::time::{sleep, timeout};

use crate::pipeline::Pipeline;
use crate::rigged::Rigged;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_whose_event_is_poison_on_redis_is_given_up_at_once_and_can_be_redriven() {
    require!("redis-server");
    let server = Redis::start().unwrap();
    gives_up_poison(redis(&server), redis(&server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_whose_event_is_poison_on_nats_is_given_up_at_once_and_can_be_redriven() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    gives_up_poison(nats(&server).await, nats(&server).await).await;
}

async fn gives_up_poison(inner: Arc<dyn MessageTransport>, another: Arc<dyn MessageTransport>) {
    let on = Arc::new(AtomicBool::new(true));
    let rigged = Rigged {
        inner,
        event_type: EmbeddingRequested::TYPE,
        path: "doc1.md",
        on: Arc::clone(&on),
    };
    let pipeline = Pipeline::open(Arc::new(rigged), 3).await;
    pipeline.process().await.unwrap();
    let embedded = timeout(PATIENCE, pipeline.embed()).await.unwrap().unwrap();
    let failed: Vec<_> = embedded.failed.iter().map(|skip| &*skip.path).collect();
    assert_eq!(failed, ["doc1.md"], "{:?}", embedded.failed);
    assert_eq!(pipeline.embedded_documents(), 2);

    // It is announced right after its driver was told.
    let announced = async {
        loop {
            let history = pipeline.bus.history(&EventFilter::all()).await.unwrap();
            let failed =
                |event: &&Arc<_>| IntegrationEvent::event_type(event) == ProcessingFailed::TYPE;
            if let Some(event) = history.events.iter().find(failed) {
                return event.payload::<ProcessingFailed>().unwrap();
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let failed = timeout(PATIENCE, announced).await.unwrap();
    assert_eq!(
        (failed.path.as_deref(), &*failed.step, &*failed.error_type),
        (Some("doc1.md"), "embed", "poison")
    );

    // Somebody else, who has no subscription at all, has it done.
    on.store(false, Ordering::SeqCst);
    let admin = Bus::over(another, &BusConfig::default());
    let letters = admin.dead_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].kind), (1, FailureKind::Poison));
    admin.redrive(&letters[0].id).await.unwrap();
    let done = async {
        while pipeline.embedded_documents() < 3 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, done).await.unwrap();
    admin.drain(Duration::from_secs(5)).await;
    pipeline.close().await;
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
