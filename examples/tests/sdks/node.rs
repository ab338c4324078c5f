//! The SDKs for Node.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

const SDKS: &str = "sdks/node";
const LOCK: &str = include_str!("node/package-lock.json");

/// An interpreter in the folder of the SDKs, which is where a script without a file finds them.
fn node(sdks: &Path) -> Command {
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-"]).current_dir(sdks);
    node
}

#[tokio::test]
async fn voyage_s_sdk_embeds_and_ranks() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("node", LOCK));
    let sandbox = crate::sandbox().await;
    let script = include_str!("node/voyage.mjs");
    let mut said = crate::run(node(&sdks), script, &sandbox).await;
    assert!(said["tokens"].take().as_u64() > Some(0));
    let expected = json!({
        "embed": [256, 256],
        "one": [1024],
        // Each number takes four bytes.
        "base64": [4096, 4096],
        "tokens": null,
        "rerank": [[1, "the ferry leaves at nine"]],
        "contextualized": [2, 1],
        "multimodal": [1024],
        "refused": [401, 400],
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn context7_s_sdk_and_its_server_find_libraries_and_documentation() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("node", LOCK));
    let sandbox = crate::sandbox().await;
    let script = include_str!("node/context7.mjs");
    let mut said = crate::run(node(&sdks), script, &sandbox).await;
    let id = "/contexter-rs/contexter-retry";
    let texts = [
        ("found_as_text", id),
        ("docs_as_text", "### "),
        ("resolved", id),
        ("queried", "### "),
    ];
    for (name, part) in texts {
        let text = said[name].take();
        assert!(text.as_str().unwrap().contains(part), "{name}: {text}");
    }
    let expected = json!({
        "found": id,
        "found_as_text": null,
        "docs": true,
        "docs_as_text": null,
        "refused": ["library_not_found", "invalid_api_key"],
        "tools": ["query-docs", "resolve-library-id"],
        "resolved": null,
        "queried": null,
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn bright_data_s_sdk_fetches_searches_and_makes_zones() {
    let sdks = contexter_testkit::require_installed!(SDKS, &crate::made_from("node", LOCK));
    let sandbox = crate::sandbox().await;
    let script = include_str!("node/brightdata.mjs");
    let said = crate::run(node(&sdks), script, &sandbox).await;
    let expected = json!({
        "zones": ["serp_api1", "web_unlocker1"],
        "scraped": true,
        "markdown": "# Installing Ferry",
        "as_json": 200,
        "many": ["string", "string"],
        "searched": 200,
        "job": "ready",
        "records": 1,
        "own": true,
        "own_search": true,
        "own_zones": [
            "sdk_serp serp",
            "sdk_unlocker unblocker",
            "serp_api1 serp",
            "web_unlocker1 unblocker",
        ],
        "wrong": "AuthenticationError",
    });
    assert_eq!(said, expected);
}
