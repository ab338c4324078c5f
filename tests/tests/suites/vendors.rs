//! The remote adapters, at the real services.

use contexter_brightdata::BrightDataAdapter;
use contexter_context7::Context7Adapter;
use contexter_model::DropCollection;
use contexter_qdrant::remote::QdrantAdapter;
use contexter_testkit::require_env;
use contexter_voyage::VoyageAdapter;

use crate::{ask, docs, embed, store};

#[tokio::test]
async fn voyage_at_the_vendor_keeps_the_promises() {
    let [key] = require_env!("VOYAGE_API_KEY");
    let config = contexter_voyage::Config::new(key).with_model("voyage-4-lite");
    let adapter = VoyageAdapter::new(config).unwrap();
    embed::embedder(&adapter).await;
    embed::reranker(&adapter).await;
}

#[tokio::test]
async fn context7_at_the_vendor_keeps_the_promises() {
    let [key] = require_env!("CONTEXT7_API_KEY");
    let config = contexter_context7::Config::new().with_api_key(key);
    let adapter = Context7Adapter::new(&config).unwrap();
    docs::source(&adapter, "tokio").await;
}

#[tokio::test]
async fn brightdata_at_the_vendor_keeps_the_promises() {
    let [key, zone] = require_env!("BRIGHTDATA_API_KEY", "BRIGHTDATA_ZONE");
    let config = contexter_brightdata::Config::new(key).zone(zone);
    let adapter = BrightDataAdapter::new(&config).unwrap();
    docs::pages(&adapter, "https://example.org/").await;
}

#[tokio::test]
async fn a_real_qdrant_server_keeps_the_promises() {
    let [url] = require_env!("QDRANT_URL");
    let mut config = contexter_qdrant::remote::Config::new().url(url);
    if let Some(key) = std::env::var_os("QDRANT_API_KEY") {
        config = config.api_key(key.to_string_lossy().into_owned());
    }
    let adapter = QdrantAdapter::new(config).unwrap();
    let collection = format!("contexter-live-{}", std::process::id());
    let _left_over = ask(&adapter, dropped(&collection)).await;
    store::store(&adapter, &collection).await;
    ask(&adapter, dropped(&collection)).await.unwrap();
}

fn dropped(collection: &str) -> DropCollection {
    DropCollection {
        collection: collection.to_owned(),
    }
}
