//! The remote adapters, on the sandbox.

use contexter_brightdata::BrightDataAdapter;
use contexter_context7::Context7Adapter;
use contexter_model::{Embed, Error, ErrorKind, FetchPage, ListAliases, Purpose, ResolveLibrary};
use contexter_qdrant::remote::QdrantAdapter;
use contexter_sandbox::{Sandbox, SandboxConfig};
use contexter_voyage::VoyageAdapter;

use crate::{ask, docs, embed, store};

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxConfig::new()).await.unwrap()
}

#[tokio::test]
async fn voyage_keeps_the_promises() {
    let sandbox = sandbox().await;
    let addresses = sandbox.addresses();
    let config = contexter_voyage::Config::new(addresses.voyage_api_key.clone())
        .with_base_url(addresses.voyage_base_url.clone())
        .with_output_dimension(256);
    let adapter = VoyageAdapter::new(config).unwrap();
    embed::embedder(&adapter).await;
    embed::reranker(&adapter).await;
    assert_eq!(sandbox.voyage().throttled(), 0, "it kept to the quotas");
    assert_eq!(sandbox.voyage().refused(), 0, "it asked for nothing wrong");
}

#[tokio::test]
async fn context7_keeps_the_promises() {
    let sandbox = sandbox().await;
    let addresses = sandbox.addresses();
    let config = contexter_context7::Config::new(addresses.context7_api_key.clone())
        .with_base_url(addresses.context7_base_url.clone());
    let adapter = Context7Adapter::new(config).unwrap();
    docs::source(&adapter, "contexter-retry").await;
}

#[tokio::test]
async fn brightdata_keeps_the_promises() {
    let sandbox = sandbox().await;
    let addresses = sandbox.addresses();
    let config = contexter_brightdata::Config::new(addresses.brightdata_api_key.clone())
        .with_base_url(addresses.brightdata_base_url.clone())
        .with_zone(addresses.brightdata_zone.clone());
    let adapter = BrightDataAdapter::new(config).unwrap();
    docs::pages(&adapter, "https://docs.example.com/guide/install").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qdrant_keeps_the_promises() {
    let sandbox = sandbox().await;
    let addresses = sandbox.addresses();
    let config = contexter_qdrant::remote::Config::default()
        .with_url(addresses.qdrant_url.clone().unwrap())
        .with_api_key(addresses.qdrant_api_key.clone().unwrap());
    let adapter = QdrantAdapter::new(config).unwrap();
    store::store(&adapter, "promises").await;
}

/// In every wrong key.
const WRONG: &str = "wr0ng";

/// The error says whose key is wrong, and not the key.
fn assert_wrong_key(error: &Error, service: &str) {
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert_eq!(error.service(), Some(service), "{error}");
    assert!(!error.to_string().contains(WRONG), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_told_by_every_adapter() {
    let sandbox = sandbox().await;
    let addresses = sandbox.addresses();

    let config = contexter_voyage::Config::new(format!("pa-{WRONG}"))
        .with_base_url(addresses.voyage_base_url.clone());
    let adapter = VoyageAdapter::new(config).unwrap();
    let embed = Embed {
        texts: vec!["hello".to_owned()],
        purpose: Purpose::Query,
    };
    assert_wrong_key(&ask(&adapter, embed).await.unwrap_err(), "voyage_ai");

    let config = contexter_context7::Config::new(format!("ctx7sk-{WRONG}"))
        .with_base_url(addresses.context7_base_url.clone());
    let adapter = Context7Adapter::new(config).unwrap();
    let name = "retry".to_owned();
    let resolve = ResolveLibrary { name, limit: 1 };
    assert_wrong_key(&ask(&adapter, resolve).await.unwrap_err(), "context7");

    let config = contexter_brightdata::Config::new(WRONG)
        .with_base_url(addresses.brightdata_base_url.clone())
        .with_zone(addresses.brightdata_zone.clone());
    let adapter = BrightDataAdapter::new(config).unwrap();
    let fetch = FetchPage::new("https://docs.example.com/");
    assert_wrong_key(&ask(&adapter, fetch).await.unwrap_err(), "brightdata");

    let config = contexter_qdrant::remote::Config::default()
        .with_url(addresses.qdrant_url.clone().unwrap())
        .with_api_key(WRONG);
    let adapter = QdrantAdapter::new(config).unwrap();
    assert_wrong_key(&ask(&adapter, ListAliases).await.unwrap_err(), "qdrant");
}
