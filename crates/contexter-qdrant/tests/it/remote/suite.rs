//! The behaviour of vector stores, on the embedded engine and over gRPC.
#![expect(
    clippy::print_stdout,
    reason = "the table says what an engine leaves out"
)]

use std::path::PathBuf;
use std::sync::Arc;

use contexter_adapter::{AdapterError, ServiceAdapter};
use contexter_conformance::vector_store::{self, RULES, Subject};
use contexter_qdrant::edge::{EmbeddedQdrant, EmbeddedStore};
use contexter_qdrant::remote::{Config, QdrantAdapter};

use super::served::Served;

struct Embedded(PathBuf);

impl Subject for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn open(&self) -> Result<Arc<dyn ServiceAdapter>, AdapterError> {
        let store = EmbeddedStore::open(&self.0).await?;
        Ok(Arc::new(EmbeddedQdrant::new(store)))
    }
}

struct Remote(Config);

impl Subject for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    async fn open(&self) -> Result<Arc<dyn ServiceAdapter>, AdapterError> {
        Ok(Arc::new(QdrantAdapter::new(self.0.clone())?))
    }
}

async fn holds(subject: &impl Subject, not_applicable: usize) {
    let report = vector_store::run(subject).await.unwrap();
    println!("{}", report.to_markdown());
    assert_eq!(report.failures(), [0_u8; 0], "\n{}", report.to_markdown());
    let (pass, _, other) = report.counts();
    assert_eq!(other, not_applicable, "\n{}", report.to_markdown());
    assert_eq!(pass + other, RULES.len());
}

#[tokio::test]
async fn the_embedded_engine_keeps_the_rules_that_it_claims() {
    let folder = tempfile::tempdir().unwrap();
    holds(&Embedded(folder.path().join("data")), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_remote_adapter_keeps_all_rules() {
    let served = Served::start().await;
    holds(&Remote(served.config()), 0).await;
}
