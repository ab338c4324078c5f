//! The SDKs for Python.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

const SDKS: &str = "sdks/python";
const LOCK: &str = include_str!("python/requirements.txt");

/// An interpreter that sees the SDKs and no other packages, in a folder without settings.
fn python(sdks: &Path, home: &TempDir) -> Command {
    let mut python = Command::new("python3");
    python
        .args(["-S", "-"])
        .env("PYTHONPATH", sdks)
        .env("HOME", home.path())
        .current_dir(home.path());
    python
}

#[tokio::test]
async fn voyage_s_sdk_embeds_and_ranks() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("python3", LOCK));
    let (sandbox, home) = (crate::sandbox().await, tempfile::tempdir().unwrap());
    let script = include_str!("python/voyage.py");
    let mut said = crate::run(python(&sdks, &home), script, &sandbox).await;
    for counted in ["tokens", "pixels"] {
        assert!(said[counted].take().as_u64() > Some(0), "{counted}");
    }
    let expected = json!({
        "embed": [256, 256],
        "tokens": null,
        "types": {
            "float": [1024, "float"],
            "int8": [1024, "int"],
            "uint8": [1024, "int"],
            "binary": [128, "int"],
            "ubinary": [128, "int"],
        },
        "rerank": [[1, "the ferry leaves at nine"]],
        "contextualized": [2, 1],
        "multimodal": [1024, 1024],
        "pixels": null,
        "async": 2,
        "refused": ["AuthenticationError", "InvalidRequestError", "InvalidRequestError"],
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn bright_data_s_sdk_fetches_searches_crawls_and_makes_zones() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("python3", LOCK));
    let (sandbox, home) = (crate::sandbox().await, tempfile::tempdir().unwrap());
    let script = include_str!("python/brightdata.py");
    let said = crate::run(python(&sdks, &home), script, &sandbox).await;
    let found = json!([null, "https://docs.example.com/guide/install"]);
    let expected = json!({
        "connected": true,
        "zones": ["serp_api1", "web_unlocker1"],
        "scraped": [true, true],
        "as_json": [true, 200],
        "many": [true, true],
        "later": [true, true],
        "found": { "google sync": found, "google async": found, "bing sync": found },
        "crawled": "# Installing Ferry",
        "crawl": "ready",
        "pages": 2,
        "job": "ready",
        "records": 1,
        "own": true,
        "own_search": "https://docs.example.com/guide/install",
        "own_zones": ["sdk_unlocker", "serp_api1", "web_unlocker1"],
        "wrong": false,
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn qdrant_s_client_makes_fills_queries_and_deletes_a_collection() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("python3", LOCK));
    let (sandbox, home) = (crate::sandbox().await, tempfile::tempdir().unwrap());
    let script = include_str!("python/qdrant.py");
    let mut said = crate::run(python(&sdks, &home), script, &sandbox).await;
    // Which two documents win depends on the fusion; the best of each leg is among them.
    for fused in said["fused"].take().as_array().unwrap() {
        assert!(fused.as_array().unwrap().contains(&json!(2)), "{fused}");
    }
    let expected = json!({
        "before": false,
        "info": ["green", 62, 4, 8, ["library", "page", "text"]],
        "count": [62, 30],
        "nearest": [100, { "page": 100 }, 4],
        "sparse": 2,
        "fused": null,
        "filtered": [3, 5],
        "scrolled": 62,
        "ordered": [101, 100, 60],
        "facet": { "even": 30, "odd": 30 },
        "changed": { "library": "odd", "page": 1, "seen": true },
        "left": 31,
        "alias": 31,
        "snapshot": true,
        "refused": ["UNAUTHENTICATED", "NOT_FOUND", "INVALID_ARGUMENT"],
        "deleted": true,
        "after": false,
    });
    assert_eq!(said, expected);
}
