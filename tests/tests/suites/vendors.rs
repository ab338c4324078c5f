//! The remote adapters, at the real services.

use contexter_adapter::ServiceAdapter;
use contexter_brightdata::BrightDataAdapter;
use contexter_context7::Context7Adapter;
use contexter_model::{DropCollection, Embed, Error, FetchPage, Purpose, ResolveLibrary};
use contexter_qdrant::remote::QdrantAdapter;
use contexter_service::Capability;
use contexter_testkit::require_env;
use contexter_voyage::VoyageAdapter;

use crate::{ask, docs, embed, store};

#[tokio::test]
async fn voyage_at_the_vendor_keeps_the_promises() {
    let [key] = require_env!("VOYAGE_API_KEY");
    let config = contexter_voyage::Config::new(key).with_model("voyage-4-lite");
    let adapter = VoyageAdapter::new(config).unwrap();
    let one = Embed {
        texts: vec!["hello".to_owned()],
        purpose: Purpose::Query,
    };
    first(&adapter, "VOYAGE_API_KEY", one).await;
    embed::embedder(&adapter).await;
    embed::reranker(&adapter).await;
}

#[tokio::test]
async fn context7_at_the_vendor_keeps_the_promises() {
    let [key] = require_env!("CONTEXT7_API_KEY");
    let config = contexter_context7::Config::new(key);
    let adapter = Context7Adapter::new(config).unwrap();
    let name = "tokio".to_owned();
    let one = ResolveLibrary { name, limit: 1 };
    first(&adapter, "CONTEXT7_API_KEY", one).await;
    docs::source(&adapter, "tokio").await;
}

#[tokio::test]
async fn brightdata_at_the_vendor_keeps_the_promises() {
    let [key, zone] = require_env!("BRIGHTDATA_API_KEY", "BRIGHTDATA_ZONE");
    let config = contexter_brightdata::Config::new(key).with_zone(zone);
    let adapter = BrightDataAdapter::new(config).unwrap();
    let page = "https://example.org/";
    let variables = "BRIGHTDATA_API_KEY, BRIGHTDATA_ZONE";
    first(&adapter, variables, FetchPage::new(page)).await;
    docs::pages(&adapter, page).await;
}

#[tokio::test]
async fn a_real_qdrant_server_keeps_the_promises() {
    let [url] = require_env!("QDRANT_URL");
    let mut config = contexter_qdrant::remote::Config::default().with_url(url);
    if let Some(key) = std::env::var_os("QDRANT_API_KEY") {
        config = config.with_api_key(key.to_string_lossy().into_owned());
    }
    let adapter = QdrantAdapter::new(config).unwrap();
    let collection = format!("contexter-live-{}", std::process::id());
    // It may be left over from a run that was killed.
    first(&adapter, "QDRANT_URL, QDRANT_API_KEY", dropped(&collection)).await;
    store::store(&adapter, &collection).await;
    ask(&adapter, dropped(&collection)).await.unwrap();
}

/// Asks for one thing, so that a service which cannot be used is named before the suite begins.
async fn first<R>(adapter: &dyn ServiceAdapter, variables: &str, request: R)
where
    R: Capability<Error = Error> + Send + 'static,
{
    if let Err(error) = ask(adapter, request).await {
        panic!("cannot run as {variables} say: {error}");
    }
}

fn dropped(collection: &str) -> DropCollection {
    DropCollection {
        collection: collection.to_owned(),
    }
}
