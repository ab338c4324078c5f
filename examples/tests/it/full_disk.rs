//! A disk that fills up while the program indexes.

use std::collections::BTreeMap;

use contexter_testkit::SmallDisk;

use crate::corpus;
use crate::program::run;

/// What the store keeps free, and a little for its first points.
const TOO_SMALL: u32 = 84;
const LARGE: u32 = 1_000;

#[tokio::test]
async fn a_full_disk_ends_the_run_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 700);
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let Some(disk) = SmallDisk::mount(&small, TOO_SMALL, "full_disk::a_full_disk_ends_the_run")
    else {
        return;
    };
    let data = small.join("data");
    let args = ["index", "--source", source.to_str().unwrap()];

    let said = run(&data, &args).await;
    let store = data.join("store");
    let named = format!("no space left on device for {}", store.display());
    said.fails(1, &named);
    said.fails(1, "what was is kept");
    assert!(
        said.stderr.lines().count() < 10,
        "one message, not one for each document: {}",
        said.stderr
    );
    // What made it can be read and found while the disk is still full.
    let kept = documents(&data).await;
    assert!(kept > 0 && kept < 700, "{kept} documents");
    let found = run(&data, &["search", "guide", "--mode", "sparse"]).await;
    assert!(found.success().contains("guide"));

    // Again, and nothing gets worse.
    run(&data, &args).await.fails(1, &named);
    assert!(documents(&data).await >= kept);

    disk.resize(LARGE);
    let said = run(&data, &args).await.success();
    assert!(said.starts_with("700 documents indexed"), "{said}");
    let said = run(&data, &args).await.success();
    assert!(
        said.starts_with("700 documents indexed (0 new or changed"),
        "{said}"
    );

    let undisturbed = folder.path().join("undisturbed");
    run(&undisturbed, &args).await.success();
    assert_eq!(hits(&data).await, hits(&undisturbed).await);
    drop(disk);
}

#[tokio::test]
async fn a_disk_that_is_full_already_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, 3);
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let Some(disk) = SmallDisk::mount(&small, 2, "full_disk::a_disk_that_is_full_already") else {
        return;
    };
    let data = small.join("data");
    let args = ["index", "--source", source.to_str().unwrap()];
    run(&data, &args).await.fails(1, "no space left on device");
    run(&data, &["search", "guide"])
        .await
        .fails(1, "nothing is indexed");
    disk.resize(LARGE);
    run(&data, &args).await.success();
    run(&data, &["search", "guide"]).await.success();
    drop(disk);
}

async fn documents(data: &std::path::Path) -> u64 {
    let libraries = run(data, &["libraries", "--json"]).await.success();
    let libraries: BTreeMap<String, serde_json::Value> = serde_json::from_str(&libraries).unwrap();
    let counts = libraries.get("/local/docs").unwrap();
    counts["documents"].as_u64().unwrap()
}

/// What a few searches find.
async fn hits(data: &std::path::Path) -> Vec<serde_json::Value> {
    let mut hits = Vec::new();
    for query in ["retry and timeout", "guide 7", "the worker guide"] {
        let args = ["search", query, "--json", "--mode", "sparse"];
        let answer = run(data, &args).await.success();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        hits.push(answer.get("hits").cloned().unwrap());
    }
    hits
}
